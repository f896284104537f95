"""Messages as a terminal shows them: one line each, in which nothing can steer the terminal.

Whoever may write to a topic may write anything, an escape sequence too; so what is not printable is written out.
"""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import orjson

from inference_container.broker.ports import Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESULT = (("time", 19), ("source", 28), ("claim_id", 38), ("status", 8), ("rows", 5), ("model", 14), ("identifier", 0))
_LETTER = (("letter", 28), ("time", 19), ("reason", 22), ("tries", 5), ("source", 28), ("error", 0))


def result_json(record: Record) -> str:
    """The message as it is, on one line; one that is no JSON, as the base64 of its bytes."""
    value = _decoded(record.value)
    unread = orjson.dumps({"undecodable": _base64(record.value), "at": record.source})
    try:
        line = orjson.dumps(value) if value is not None else unread
    except orjson.JSONEncodeError:  # what is nested deeply is read, and not written
        line = unread
    return printable(line.decode())


def result_heading() -> str:
    return _row([name for name, _ in _RESULT], _RESULT)


def result_row(record: Record) -> str:
    value = _decoded(record.value)
    fields = value if isinstance(value, dict) else {"source": record.source, "status": "?"}
    told = {name: "" if field is None else str(field) for name, field in fields.items()}
    names = ("source", "claim_id", "status", "rows")
    shown = [_time(record.timestamp_ms), *(told.get(name, "") for name in names), told.get("run_id", "")[:12]]
    return _row([*shown, told.get("identifier", "")], _RESULT)


def letter_json(record: Record) -> str:
    """A dead letter: what is said of it, then its key and value, as text where they are such."""
    told = _headers(record)
    fields = {
        "letter": record.source,
        "timestamp": _time(record.timestamp_ms),
        **{name: told.get(f"dlq-{name}") for name in ("reason", "source", "attempts", "error")},
        "operation": told.get("operation"),
        "key": _text(record.key),
        "value": _text(record.value),
    }
    return printable(orjson.dumps(fields).decode())


def letter_heading() -> str:
    return _row([name for name, _ in _LETTER], _LETTER)


def letter_row(record: Record) -> str:
    told = _headers(record)
    names = ("dlq-reason", "dlq-attempts", "dlq-source", "dlq-error")
    return _row([record.source, _time(record.timestamp_ms), *(told.get(name, "") for name in names)], _LETTER)


def printable(text: str) -> str:
    """What is not, as JSON writes it."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _row(fields: Sequence[str], columns: Sequence[tuple[str, int]]) -> str:
    shown = (f"{printable(field):<{width}}" for field, (_, width) in zip(fields, columns, strict=True))
    return "  ".join(shown).rstrip()


def _headers(record: Record) -> dict[str, str]:
    """The last of each name: what was said last."""
    return {name: content.decode(errors="replace") for name, content in record.headers}


def _decoded(value: bytes | None) -> object:
    try:
        return orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None


def _text(content: bytes | None) -> str | None:
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"base64:{_base64(content)}"


def _base64(content: bytes | None) -> str | None:
    return base64.b64encode(content).decode() if content is not None else None


def _time(timestamp_ms: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=timestamp_ms)).isoformat(timespec="seconds").removesuffix("+00:00")
    except OverflowError:  # clients may write any 64 bits
        return str(timestamp_ms)
