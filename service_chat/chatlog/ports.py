"""A conversation, and the port that stores it. Pure.

What people wrote stands in fields that no `repr` shows: a conversation that ends up in a message tells nobody.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Conversation:
    """One question and its answer."""

    id: str  #: random; it names nobody
    at: datetime
    principal: str
    patient_ref: str
    acuity: str
    llm_mode: str
    latency_ms: float
    record_ms: float | None = None  #: what the record took; None where none was read
    model: str | None = None
    trace_id: str | None = None
    patient_mrn: str = field(default="", repr=False)
    query: str = field(default="", repr=False)
    response: str = field(default="", repr=False)


class ChatLog(Protocol):
    async def store(self, conversation: Conversation) -> None:
        """Raises DependencyFailed."""
        ...

    async def comment(self, conversation_id: str, text: str) -> bool:
        """What somebody wrote about an answer; whether it is kept. Raises DependencyFailed."""
        ...

    async def purge(self, before: datetime) -> int:
        """Drops what is older; how many conversations. Raises DependencyFailed."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text that only a key makes readable."""

    key_id: str
    nonce: bytes
    data: bytes


class Sealer(Protocol):
    """Bound to the place of a text: a conversation's number and the field's name."""

    def seal(self, text: str, conversation_id: str, field: str) -> Sealed: ...

    def open(self, sealed: Sealed, conversation_id: str, field: str) -> str:
        """Raises WorkFailed: the key that sealed it is not here, or it is not what was sealed for this place."""
        ...


class NoChatLog(ChatLog):
    """CHAT_LOG=none: conversations have no number, because there is nothing to find by it."""

    @override
    async def store(self, conversation: Conversation) -> None:
        pass

    @override
    async def comment(self, conversation_id: str, text: str) -> bool:
        return False

    @override
    async def purge(self, before: datetime) -> int:
        return 0

    @override
    async def aclose(self) -> None:
        pass
