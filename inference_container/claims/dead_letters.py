"""A message that nobody could work on, put aside whole, with why it was: for a person to read, mend and replay.

Pure: made from the record and its reason. The consumer sends it and waits for the broker's word before the offset is
finished. Key, value and headers are the original's; what we have to say stands in headers of our own behind them, where
also the fields are that a dead letter's body used to have.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from inference_container.broker.ports import Headers, Record
from inference_container.claims.messages import MAX_MESSAGE_BYTES
from inference_container.claims.refusals import Refusal
from inference_container.claims.retries import code_of
from serving.errors import SluiceError

#: Characters of the sentence.
MAX_ERROR_CHARS = 500
#: A piece of the message this long must not come back in the sentence.
_PIECE_CHARS = 12
#: What is left when a sentence may not be told.
_SILENCE = "The reason says what is to be said."


class Kind(StrEnum):
    """What a topic carries."""

    CLAIM = "claim"
    TRAINING = "training"
    PROMOTION = "promotion"


class Operation(StrEnum):
    """What was being done; the predecessor's words."""

    CLAIM_PARSE = "Preprocessing Message Parse"
    FORECAST = "Data Fetch/Inference"
    TRAINING_PARSE = "Training Message Parse"
    PROMOTION_PARSE = "Promotion Message Parse"
    PROMOTION_LOAD = "Promotion Load"
    RESULT_WRITE = "Inference Log Write"


#: What reading a message of each kind is called.
PARSING: Mapping[Kind, Operation] = MappingProxyType(
    {
        Kind.CLAIM: Operation.CLAIM_PARSE,
        Kind.TRAINING: Operation.TRAINING_PARSE,
        Kind.PROMOTION: Operation.PROMOTION_PARSE,
    }
)

#: In their order, which is always the same: by it `original` knows where ours begin.
OURS = (
    *("dlq-reason", "dlq-source", "dlq-attempts", "dlq-error"),
    *("operation", "status", "error", "timestamp"),
)
_SHORTENED = ("dlq-value-bytes", "dlq-value-sha256")


@dataclass(frozen=True, slots=True)
class DeadLetterTopics:
    performance: str = "DLQ-performance-eval"  #: DLQ_PERFORMANCE_TOPIC

    def of(self, kind: Kind, topic: str) -> str:
        return self.performance if kind is Kind.CLAIM else f"DLQ-{topic}"


@dataclass(frozen=True, slots=True)
class Why:
    """`error`: a sentence for people; `describe` and `Refusal` make such."""

    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """As the producer's `send` takes it."""

    topic: str
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Headers

    def without_value(self) -> "DeadLetter":
        """The same for a broker that took the message but does not take its dead letter: its length and hash stay."""
        value = self.value or b""
        told = (b"%d" % len(value), hashlib.sha256(value).hexdigest().encode())
        return replace(self, value=None, headers=(*self.headers, *zip(_SHORTENED, told, strict=True)))

    def bare(self) -> "DeadLetter":
        """Of a letter without its value, what is ours: for a message whose key and headers alone are too much."""
        ours = len(OURS) + len(_SHORTENED)
        return replace(self, key=None, headers=self.headers[-ours:])


def why(cause: Refusal | BaseException, reason: str | None = None) -> Why:
    """`reason`: where a verdict gave one; else the refusal's, or the error's code."""
    if isinstance(cause, Refusal):
        return Why(reason or cause.reason, cause.error)
    # Of an error that is none of ours nothing but its class is told: nobody knows what its text repeats.
    text = cause.message if isinstance(cause, SluiceError) else f"{type(cause).__name__}."
    return Why(reason or code_of(cause), text)


def dead_letter(
    record: Record,
    kind: Kind,
    because: Why,
    attempts: int,
    at_ms: int,
    topics: DeadLetterTopics,
    operation: Operation | None = None,
) -> DeadLetter:
    """
    Args:
        attempts: tries that it had; 0 for one that could not be read.
        at_ms: when it was given up; the record's own time where two tellings are to have the same bytes.
        operation: None for reading it.
    """
    topic = topics.of(kind, record.partition.topic)
    message = (record.key, record.value, record.headers)
    return put_aside(topic, message, record.source, because, attempts, at_ms, operation or PARSING[kind])


def put_aside(
    topic: str,
    message: tuple[bytes | None, bytes | None, Headers],
    source: str,
    because: Why,
    attempts: int,
    at_ms: int,
    operation: Operation,
) -> DeadLetter:
    """As `dead_letter`, of what need not have been a record: key, value and headers, and what names it."""
    key, value, headers = message
    error = safe_sentence(because.error, value)
    told = (
        *(because.reason, source, str(attempts), error),
        *(operation, "Failure", error, f"{at_ms / 1000:.3f}"),
    )
    ours = tuple((name, text.encode()) for name, text in zip(OURS, told, strict=True))
    return DeadLetter(topic, key, value, (*headers, *ours))


def original(headers: Headers) -> Headers:
    """The headers without ours: what a replay sends. Those of a letter that died twice lose the last layer only."""
    names = tuple(name for name, _ in headers)
    for ours in (OURS + _SHORTENED, OURS):
        if names[-len(ours) :] == ours:
            return headers[: -len(ours)]
    return headers


def replay(letter: Record) -> tuple[str, Headers] | None:
    """The topic that a letter came from and the headers it had there; None for what is no letter, or not whole."""
    names = [name for name, _ in letter.headers]
    sources = [content for name, content in letter.headers if name == "dlq-source"]
    headers = original(letter.headers)
    if not sources or headers == letter.headers or _SHORTENED[0] in names[len(headers) :]:
        return None
    topic, _, _ = sources[-1].decode(errors="replace").rpartition("-")[0].rpartition("-")
    return (topic, headers) if topic else None


def safe_sentence(text: str, value: bytes | None) -> str:
    """`text` on one line, bounded, and replaced whole where it repeats a piece of the message."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = line.encode(errors="replace").decode()
    # A longer one was refused unread, so nothing of it can be in a sentence.
    if value and len(value) <= MAX_MESSAGE_BYTES:
        there = value.decode(errors="replace")
        pieces = {line[at : at + _PIECE_CHARS] for at in range(max(0, len(line) - _PIECE_CHARS + 1))}
        # One pass over the message, which may be long, and not one for each piece.
        if any(there[at : at + _PIECE_CHARS] in pieces for at in range(len(there) - _PIECE_CHARS + 1)):
            line = _SILENCE
    return line if len(line) <= MAX_ERROR_CHARS else line[: MAX_ERROR_CHARS - 1] + "…"
