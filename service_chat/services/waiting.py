"""How long a chat waits, in tokens: what is ahead of it, divided by what the engine does in a second. Pure.

Asked by `chat_lane`, at the door and for those who wait. A place in a queue says little: one chat may read two thousand
tokens and write five hundred, the next read twenty and write three. So each is a piece of work, and the engine's
slots are played through: who waits gets the next free slot, prompts are read one after the other, shortest first,
and all who write share the rate of writing. Nobody writes while a prompt is read; really they do, slowly, so what is
predicted here is rather too long than too short.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

#: Weight of the newest of a kind in a moving average: the last ten or so count.
_NEWEST = 0.15
#: Tokens in a byte of prompt before any was counted: English prose has one in four bytes, figures one in two.
_TOKENS_PER_BYTE = 0.3
#: An answer that is longer than answers are is thought to go on for this many tokens.
_LITTLE_MORE = 16


@dataclass(frozen=True, slots=True)
class Work:
    """What a chat still needs of the engine, in tokens."""

    prompt: float  #: to be read
    answer: float  #: to be written


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second; both above zero."""

    prefill: float
    decode: float  #: by all slots together


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds from now."""

    start_s: float  #: its turn comes
    first_token_s: float
    end_s: float


def forecast(speed: Speed, slots: int, running: Sequence[Work], waiting: Sequence[Work]) -> list[Forecast]:
    """One for each of `waiting`, in their order, which is the order in which they get a slot."""
    now = written = 0.0  # `written`: tokens that a chat which writes all the time has written
    free = max(1, slots) - len(running)
    reading = [(work.prompt, index - len(running), work) for index, work in enumerate(running)]
    heapq.heapify(reading)
    writing: list[tuple[float, int]] = []
    start, first, end = ([0.0] * len(waiting) for _ in range(3))
    begun = 0
    while reading or writing or begun < len(waiting):
        while free > 0 and begun < len(waiting):
            start[begun] = now
            heapq.heappush(reading, (waiting[begun].prompt, begun, waiting[begun]))
            begun, free = begun + 1, free - 1
        if reading:
            prompt, index, work = heapq.heappop(reading)
            now += prompt / speed.prefill
            heapq.heappush(writing, (written + work.answer, index))
            if index >= 0:
                first[index] = now + len(writing) / speed.decode
        else:
            until, index = heapq.heappop(writing)
            now += (until - written) * (len(writing) + 1) / speed.decode
            written, free = until, free + 1
            if index >= 0:
                end[index] = now
    # All who write share the first step too, but for those who have less than a token left.
    return [Forecast(at, min(text, done), done) for at, text, done in zip(start, first, end, strict=True)]


class Experience:
    """What chats were like so far, to tell what the next one will need."""

    def __init__(self) -> None:
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._fresh = 1.0
        self._prompt: float | None = None
        self._answer: float | None = None

    def counted(self, size: int, tokens: int) -> None:
        """A prompt of `size` bytes has `tokens`."""
        if size > 0:
            self._tokens_per_byte += _NEWEST * (tokens / size - self._tokens_per_byte)

    def read(self, tokens: int, cached: int) -> None:
        """Of a prompt of `tokens`, `cached` were read before."""
        if tokens > 0:
            self._fresh += _NEWEST * ((tokens - cached) / tokens - self._fresh)
            self._prompt = _mean(self._prompt, tokens)

    def wrote(self, tokens: int) -> None:
        self._answer = _mean(self._answer, tokens)

    def prompt_tokens(self, size: int) -> float:
        """Of a prompt of `size` bytes that nobody has counted."""
        return max(1.0, size * self._tokens_per_byte)

    def to_read(self, tokens: float) -> float:
        """Of so many tokens of a prompt, what is not read yet for somebody before."""
        return tokens * self._fresh

    def to_write(self, at_most: int, written: int = 0) -> float:
        """Tokens that an answer still gets. The first one is thought to get all it may."""
        if self._answer is None:
            return max(1, at_most - written)
        return max(1.0, min(at_most - written, max(self._answer - written, _LITTLE_MORE)))

    def typical(self, at_most: int) -> Work:
        """The chat that a newcomer is thought to bring, whose answer has at most so many tokens."""
        return Work(self.to_read(self._prompt or 0.0), self.to_write(at_most))


def _mean(before: float | None, newest: float) -> float:
    return newest if before is None else before + _NEWEST * (newest - before)
