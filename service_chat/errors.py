"""What can be wrong with a triage request beyond the floor's error tree.

InvalidInput
├── ModeNotAllowed    `llm_mode` names an engine that this deployment does not offer (HTTP answers 422)
└── PromptTooLong     the prompt leaves the model no room for an answer; raised by engines
NotFound
└── PatientNotFound   no record with this number
"""

from serving.errors import InvalidInput, NotFound


class ModeNotAllowed(InvalidInput):
    code = "llm_mode_not_allowed"


class PromptTooLong(InvalidInput):
    """Details, in tokens and as far as the engine knows them: `prompt_tokens`, `n_ctx`, `room` (for the answer)."""

    code = "prompt_too_long"
    default_message = "The prompt leaves the model no room for an answer."


class PatientNotFound(NotFound):
    code = "patient_not_found"
    default_message = "Patient not found."
