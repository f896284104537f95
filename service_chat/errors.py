"""What can be wrong with a triage request beyond the floor's error tree.

Rejected
├── JobRunning        the question has no answer yet, and this is about its answer (HTTP answers 409)
├── RateLimited       this caller, or its address, asks more often than it may (HTTP answers 429)
└── SwapRunning       another model is being loaded already (HTTP answers 409)
InvalidInput
├── AmbiguousPatient  several records with this number (HTTP answers 409)
├── Forbidden         the credentials are good and do not allow this (HTTP answers 403)
│   └── OtherPatient  … because they are for another patient
├── ModeNotAllowed    `llm_mode` names an engine that this deployment does not offer (HTTP answers 422)
└── PromptTooLong     the prompt leaves the model no room for an answer; raised by engines
NotFound
├── PatientNotFound   no record with this number
└── ModelNotFound     `model` names none that is on offer here; only the OpenAI door asks by name
DependencyFailed
└── IdentityProviderUnavailable  a token can not be verified now (HTTP answers 503)
"""

from serving.errors import CallerGone, DependencyFailed, InvalidInput, NotFound, Rejected


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


class RateLimited(Rejected):
    """HTTP answers 429. Never raised for what the rules hold to be an emergency."""

    code = "rate_limited"
    default_message = "Too many questions in a short time; wait a little."


class Forbidden(InvalidInput):
    """HTTP answers 403."""

    code = "forbidden"
    default_message = "These credentials do not allow this."


class OtherPatient(Forbidden):
    code = "other_patient"
    default_message = "These credentials are for another patient."


class IdentityProviderUnavailable(DependencyFailed):
    """HTTP answers 503: nobody knows yet whether the caller may."""

    code = "identity_provider_unavailable"
    default_message = "The token can not be verified now: its provider's keys are not to be had."


class JobRunning(Rejected):
    """HTTP answers 409."""

    code = "job_running"
    default_message = "The question has no answer yet."
