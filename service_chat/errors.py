"""What can be wrong with a triage request beyond the floor's error tree.

Rejected
└── SwapRunning       another model is being loaded already (HTTP answers 409)
InvalidInput
├── AmbiguousPatient  several records with this number (HTTP answers 409)
├── ModeNotAllowed    `llm_mode` names an engine that this deployment does not offer (HTTP answers 422)
└── PromptTooLong     the prompt leaves the model no room for an answer; raised by engines
NotFound
├── PatientNotFound   no record with this number
└── ModelNotFound     `model` names none that is on offer here; only the OpenAI door asks by name
"""

from serving.errors import CallerGone, InvalidInput, NotFound, Rejected


class ModeNotAllowed(InvalidInput):
    code = "llm_mode_not_allowed"


class PromptTooLong(InvalidInput):
    """Details, in tokens and as far as the engine knows them: `prompt_tokens`, `n_ctx`, `room` (for the answer)."""

    code = "prompt_too_long"
    default_message = "The prompt leaves the model no room for an answer."


class PatientNotFound(NotFound):
    code = "patient_not_found"
    default_message = "Patient not found."


class AmbiguousPatient(InvalidInput):
    code = "ambiguous_patient"
    default_message = "There are several records with this number, and none is guessed at."


class ModelNotFound(NotFound):
    code = "model_not_found"
    default_message = "There is no such model here."


class IdempotencyKeyReused(InvalidInput):
    code = "idempotency_key_reused"
    default_message = "This Idempotency-Key came with another question before."


class JobNotFound(NotFound):
    code = "job_not_found"
    default_message = "There is no such job, or not any more: finished ones are kept for a while only."


class JobCancelled(CallerGone):
    code = "cancelled"
    default_message = "The question was taken back."


class SwapRunning(Rejected):
    """HTTP answers 409."""

    code = "swap_running"
    default_message = "Another model is being loaded; one at a time."
