"""What happened to a job, numbered from 1, for any number of readers who may come late, leave, and come back.

Called by `jobs`, which writes, and through it by the routers, which read. The log is bounded: beyond `keep` events the
older half is folded into one piece of text. Nothing that a reader needs is lost by that, since a newer status replaces
an older one, and the text is cut exactly where that reader left off. A slow reader finds more text in fewer events.
"""

import asyncio
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TypeAlias

from service_chat.services.steps import Answer, Assessed, Status, Text
from serving.errors import SluiceError, WorkFailed


@dataclass(frozen=True, slots=True)
class Accepted:
    """The first event: what to ask for later."""

    job_id: str
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The last event when there is no answer."""

    error: SluiceError


@dataclass(frozen=True, slots=True)
class Done:
    """The last event after an answer."""


Told: TypeAlias = Accepted | Assessed | Status | Text | Answer | Failed | Done


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    at_ms: float  #: since the job began
    what: Told


class EventLog:
    """Lives on the event loop. One writer; `append` and `close` never wait."""

    def __init__(self, first: Accepted, keep: int = 256, max_chars: int = 1_000_000) -> None:
        """`keep`: events held one by one, at least 2. `max_chars`: the longest text."""
        self._first = Event(1, 0.0, first)
        self._recent: deque[Event] = deque()
        self._keep, self._max_chars = keep, max_chars
        self._chars = 0
        #: The newest of them: a reader that comes after it was folded hears it first.
        self._assessed: Event | None = None
        # What was folded: the text, and where in it each delta ended. Eight bytes a token keep a resume exact.
        self._folded = ""
        self._ids, self._ends = array("I"), array("I")
        self._last_folded = self._first
        self._tokens = 0
        self._last_id = 1
        self._closed = False
        self._grown = asyncio.Event()

    @property
    def last_id(self) -> int:
        return self._last_id

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def chars(self) -> int:
        """Length of the text so far."""
        return self._chars

    def text(self) -> str:
        return self._folded + "".join(event.what.text for event in self._recent if isinstance(event.what, Text))

    def append(self, what: Told, at_ms: float) -> None:
        """Raises WorkFailed when the text grows beyond all measure: a remote server may not know when to end."""
        if isinstance(what, Text):
            if self._chars + len(what.text) > self._max_chars:
                raise WorkFailed("The engine wrote more than can be kept.")
            self._chars += len(what.text)
        self._last_id += 1
        self._recent.append(Event(self._last_id, at_ms, what))
        if len(self._recent) > self._keep:
            self._fold(self._keep // 2)
        self._wake()

    def close(self) -> None:
        """Nothing comes after this. Readers end when they have read all."""
        self._closed = True
        self._wake()

    def compact(self) -> None:
        """Folds all but the end: for a log that is closed and that nobody reads just now."""
        ending = sum(isinstance(event.what, Answer | Failed | Done) for event in self._recent)
        self._fold(ending)

    def since(self, last_id: int) -> list[Event]:
        """What happened after event `last_id`; 0 gives all of it. Ids grow, and may skip what was folded.

        An id that was never given belongs to another log: its reader has seen nothing of this one, and hears it all.
        """
        if last_id > self._last_id:
            last_id = 0
        found = [self._first] if last_id < self._first.id else []
        if self._assessed is not None and last_id < self._assessed.id:
            found.append(self._assessed)
        known = bisect_right(self._ids, last_id)
        if known < len(self._ids):
            begin = self._ends[known - 1] if known else 0
            found.append(Event(self._ids[-1], self._last_folded.at_ms, Text(self._folded[begin:], self._tokens)))
        return found + [event for event in self._recent if event.id > last_id]

    async def follow(self, last_id: int = 0) -> AsyncGenerator[Event, None]:
        """The same, and then what happens, until the log is closed."""
        while True:
            grown = self._grown
            for event in self.since(last_id):
                yield event
                last_id = event.id
            if grown is not self._grown:
                continue  # more came while the reader was busy
            if self._closed:
                return
            await grown.wait()

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _fold(self, remain: int) -> None:
        """All but the newest `remain` events become text."""
        words: list[str] = []
        end = len(self._folded)
        while len(self._recent) > remain:
            event = self._recent.popleft()
            if isinstance(event.what, Assessed):
                self._assessed = event
            elif isinstance(event.what, Text):
                words.append(event.what.text)
                end += len(event.what.text)
                self._ids.append(event.id)
                self._ends.append(end)
                self._tokens, self._last_folded = event.what.tokens, event
        self._folded += "".join(words)
