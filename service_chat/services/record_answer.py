"""The answer without a model: what the record says, and whom to ask. Pure, fixed wording.

Used when the model is switched off, could not be loaded, or did not finish in time. It judges nothing.
"""

from service_chat.records.ports import PatientRecord
from service_chat.services.prompts import record_lines

DISCLAIMER = (
    "Research and demonstration software, not a medical device. In an emergency call your local emergency number."
)


def answer_from_record(record: PatientRecord) -> str:
    facts = "\n".join(f"- {line}" for line in record_lines(record))
    return (
        "No model has looked at your question. This is what your record holds that a clinician would want to know:\n"
        f"{facts}\n"
        "Please contact your care team with your question. If you feel severely unwell, call your local emergency "
        "number now."
    )
