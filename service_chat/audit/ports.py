"""What is written down of everything that a patient's data was asked for, and the port that takes it. Pure.

The use cases make entries and know no file. None of the fields has room for what a person wrote: a patient is a keyed
reference, a rule its id, an outcome a code.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime  #: UTC, and aware of it
    principal: str  #: see `Caller`
    action: str  #: `triage`, `chat_completion`, `feedback`; `chat_read` and others of the command line; see docs
    outcome: str  #: `answered`, `degraded`, `cancelled`, an error's code, or what the action says
    patient_ref: str | None = None  #: see `patient_ref`
    acuity: str | None = None
    rules: tuple[str, ...] = ()  #: ids, with their versions
    trace_id: str | None = None
    job_id: str | None = None
    conversation_id: str | None = None
    detail: str = ""  #: of rows that the trail writes about itself


class Trail(Protocol):
    """Takes entries."""

    def note(self, entry: Entry) -> None:
        """Never waits and never raises: the entry is on its way, or its loss is counted and told."""
        ...


class NoTrail(Trail):
    """AUDIT_PATH=off."""

    @override
    def note(self, entry: Entry) -> None:
        pass
