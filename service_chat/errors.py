"""What can be wrong with a triage request beyond the floor's error tree.

InvalidInput
└── ModeNotAllowed    `llm_mode` names an engine that this deployment does not offer (HTTP answers 422)
NotFound
└── PatientNotFound   no record with this number
"""

from serving.errors import InvalidInput, NotFound


class ModeNotAllowed(InvalidInput):
    code = "llm_mode_not_allowed"


class PatientNotFound(NotFound):
    code = "patient_not_found"
    default_message = "Patient not found."
