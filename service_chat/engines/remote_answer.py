"""What a remote server sends, read with suspicion: bytes to lines, lines to JSON objects, those to one answer. Pure.

Called by `remote`, which holds the connection. The server is somebody else's program: whatever it sends, what comes
out is text that can be encoded, counts that can be counted, or DependencyFailed.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from typing import TypeVar, cast

from service_chat.engines.protocol import Completion, FinishReason, Timings
from serving.clock import Clock
from serving.errors import DependencyFailed

T = TypeVar("T")

#: Longest line, in bytes: an event is a few hundred.
_LONGEST_LINE = 1 << 20
_MOST_TOKENS = 1 << 31


class RemoteAnswer:
    """Puts the chunks together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun = clock.monotonic()
        self._first: float | None = None
        self._text: list[str] = []
        self._finish: str | None = None
        self._usage: Mapping[str, object] = {}
        self.tokens = 0  #: chunks with text, until the server tells the true number

    def take(self, event: Mapping[str, object]) -> str:
        """The new text in `event`, often none. Raises DependencyFailed for an event of another shape."""
        if event.get("error") is not None:
            raise DependencyFailed("The model server reported an error in the middle of its answer.")
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        choices = _expect(event.get("choices"), list)
        if not choices:
            return ""
        choice = _expect(choices[0], dict) or {}
        self._finish = _expect(choice.get("finish_reason"), str) or self._finish
        delta = _expect(choice.get("delta"), dict) or {}
        text = clean(_expect(delta.get("content"), str) or "")
        if text:
            if self._first is None:
                self._first = self._clock.monotonic()
            self.tokens += 1
            self._text.append(text)
        return text

    def completion(self) -> Completion:
        """Raises DependencyFailed when the stream ended before the answer did."""
        if self._finish is None:
            raise DependencyFailed("The model server's answer broke off.")
        end = self._clock.monotonic()
        first = end if self._first is None else self._first
        return Completion(
            "".join(self._text),
            FinishReason.LENGTH if self._finish == "length" else FinishReason.STOP,
            self._count("prompt_tokens", 0),
            self._count("completion_tokens", self.tokens),
            # From outside, waiting and reading can not be told apart.
            Timings(0.0, (first - self._begun) * 1000, (end - first) * 1000),
        )

    def _count(self, name: str, otherwise: int) -> int:
        value = self._usage.get(name)
        # True is an int too, and a number that no counter can hold is no count.
        counts = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
        return cast(int, value) if counts else otherwise


async def lines_of(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The lines of an event stream, without their ends. Raises DependencyFailed for one that does not end.

    Not httpx's own: that one also cuts at U+2028 and its like, which may stand in a JSON string as they are.
    """
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            yield line
        if len(rest) > _LONGEST_LINE:
            raise DependencyFailed("The model server sent a line without an end.")


def object_in(text: bytes) -> Mapping[str, object]:
    """Raises DependencyFailed when `text` is no JSON object."""
    try:
        found = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):  # ten thousand brackets are the second
        found = None
    if not isinstance(found, dict):
        raise DependencyFailed("The model server sent something that is no event.")
    return found


def check_json(text: str) -> None:
    """Raises DependencyFailed when `text` is no JSON: there are servers that pass over a form they do not know."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise DependencyFailed("The model server did not keep to the form asked for.") from None


def clean(text: str) -> str:
    """Half a surrogate pair is valid JSON but no text: no door could write it out, so it becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _expect(value: object, kind: type[T]) -> T | None:
    """`value` if it is of its kind or null; some servers send null for what they leave out."""
    if value is None or isinstance(value, kind):
        return value
    raise DependencyFailed("The model server sent an event of an unknown shape.")
