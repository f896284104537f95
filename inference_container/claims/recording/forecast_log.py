"""Writes down what was asked over HTTP: a message and a row for each forecast, as claims leave them, behind the answer.

`note` is called on the event loop for every success; it puts a few references into a bounded buffer and is done. The
rest is a task's, which makes parts and messages of what has come together, in a thread of its own. What has no room is
dropped and counted, the newest first: a store or a broker that is down costs rows of the log, never an answer.
"""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Self, TypeVar

from inference_container.broker.ports import Producer, Record
from inference_container.claims.ports import Entry, Outgoing
from inference_container.claims.recording.http_answers import read_answer
from inference_container.claims.recording.mailbox import Mailbox
from inference_container.claims.recording.part_writer import Log, Outcome, PartWriter, breathe, note_written
from inference_container.claims.recording.parts import Part, http_part
from inference_container.claims.results import Forecast, ModelName, Place, http_record, ok_row, publication
from inference_container.claims.retries import RetryPolicy, code_of
from inference_container.errors import StoreUnavailable
from inference_container.events_claims import inference_log_dropped
from inference_container.forecasting.messages import ForecastQuery, HeadedReply
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock
from serving.crew import Crew
from serving.errors import DependencyFailed

#: Why a forecast is not in the log, beside the codes of errors.
NO_ROOM = "no_room"
CLOSED = "closed"

_HOUR_MS = 3_600_000
#: Architecture and configuration of a bundle that only its answer names.
_UNNAMED = "unknown"
#: What a note costs beside its answer, in bytes, roughly.
_OVERHEAD = 512
#: Between tries of a part.
_PAUSES = RetryPolicy()
_T = TypeVar("_T")


class _Note(NamedTuple):
    req_id: str
    answer: bytes | HeadedReply
    model: ModelName | None
    at_ms: int
    size: int


class ForecastLog:
    """Open it as a context; leaving it writes what is there, within `grace_s`."""

    def __init__(
        self,
        producer: Producer | None,
        log: Log | None,
        metrics: ClaimMetrics,
        clock: Clock,
        identifier: str,
        topic: str = "performance-eval",
        gather_s: float = 1.0,
        part_rows: int = 512,
        most_rows: int = 8192,
        most_bytes: int = 32 * 1024 * 1024,
        patience_s: float = 30.0,
        grace_s: float = 5.0,
    ) -> None:
        """
        Args:
            producer: None where no messages are sent.
            log: None where no objects are written.
            identifier: IDENTIFIER.
            gather_s: how long the first row of a part waits for more.
            most_rows, most_bytes: that may wait; beyond either the newest is dropped.
            patience_s: how long parts are tried again while the store is down; then messages go without them.
        """
        self._writer, self._log, self._sends = PartWriter(producer, log, clock), log, producer is not None
        self._metrics, self._clock = metrics, clock
        self._identifier, self._topic = identifier, topic
        self._gather_s, self._part_rows = gather_s, part_rows
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._patience_s, self._grace_s = patience_s, grace_s
        #: Of this process and no other: a request id has 32 bits, of which a busy day has two alike.
        self._process = secrets.token_hex(8)
        self._numbered = 0
        self._waiting: deque[_Note] = deque()
        #: Rows and bytes that wait or are being written.
        self._rows = self._bytes = 0
        self._stir, self._leaving = asyncio.Event(), asyncio.Event()
        self._down_since: float | None = None
        self.dropped = 0
        self._next_line = clock.monotonic()

    async def __aenter__(self) -> Self:
        self._thread = Crew(1, "forecast-log")
        self._told: Mailbox[tuple[Outcome, bool]] = Mailbox(self._hear)
        self._task = asyncio.create_task(self._keep(), name="forecast-log")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving.set()
        self._stir.set()
        try:
            await asyncio.wait([self._task], timeout=self._grace_s)
        finally:
            self._task.cancel()
            if self._rows:
                self._drop(CLOSED, self._rows)
            self._thread.shutdown(wait=False, cancel_futures=True)

    def note(self, query: ForecastQuery, answer: bytes | HeadedReply, model: ModelName | None, at_ms: int) -> None:
        """A caller was answered. Never waits and never raises: on the event loop, for every success.

        Args:
            model: that serves now; where the answer names another bundle, the answer is right.
            at_ms: the moment, since the epoch.
        """
        size = (len(answer) if isinstance(answer, bytes) else len(answer.body)) + _OVERHEAD
        if self._rows >= self._most_rows or self._bytes + size > self._most_bytes or self._leaving.is_set():
            self._drop(CLOSED if self._leaving.is_set() else NO_ROOM, 1)
            return
        self._rows += 1
        self._bytes += size
        waiting = self._waiting
        waiting.append(_Note(query[0], answer, model, at_ms, size))
        if len(waiting) == 1 or len(waiting) == self._part_rows:
            self._stir.set()

    @property
    def depth(self) -> int:
        """Rows that wait or are being written."""
        return self._rows

    async def _keep(self) -> None:
        while self._waiting or not self._leaving.is_set():
            await self._come_together()
            if self._waiting:
                await self._write(self._take())

    async def _come_together(self) -> None:
        """Until there is a first row and `gather_s` has passed, or a part is full, or nobody gathers any more."""
        self._stir.clear()
        if not self._waiting and not self._leaving.is_set():
            await self._stir.wait()
            self._stir.clear()
        if len(self._waiting) < self._part_rows and not self._leaving.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._gather_s):
                    await self._stir.wait()

    def _take(self) -> list[_Note]:
        """Those of one hour that came first, as many as a part holds."""
        hour = self._waiting[0].at_ms // _HOUR_MS
        batch: list[_Note] = []
        while self._waiting and len(batch) < self._part_rows and self._waiting[0].at_ms // _HOUR_MS == hour:
            batch.append(self._waiting.popleft())
        return batch

    async def _write(self, batch: Sequence[_Note]) -> None:
        first, self._numbered = self._numbered, self._numbered + len(batch)
        try:
            entries, part = await self._in_thread(partial(self._made, batch, first))
            place = await self._stored(part)
            counted = self._log is not None and place is None

            def tell(_: int, outcome: Outcome) -> None:
                self._told.tell((outcome, counted))

            await self._in_thread(partial(self._writer.send, entries, range(len(entries)), place, tell))
        except Exception as failure:  # a mistake of ours: it costs these rows, not all that come after them
            self._drop(code_of(failure), len(batch))
        finally:
            self._rows -= len(batch)
            self._bytes -= sum(note.size for note in batch)

    def _made(self, batch: Sequence[_Note], first: int) -> tuple[Sequence[Entry], Part]:
        entries = []
        for turn, note in enumerate(batch):
            breathe(turn)
            record = http_record(self._process, first + turn, note.req_id, note.at_ms)
            answered = read_answer(note.answer)
            forecast, model = answered.forecast, _named(answered.bundle_id, note.model)
            message = partial(self._message, record, model, forecast) if self._sends else None
            entries.append(Entry(ok_row(record, None, model, forecast, self._identifier), message))
        return entries, http_part(self._process, [entry.row for entry in entries])

    def _message(self, record: Record, model: ModelName | None, forecast: Forecast, log: Place | None) -> Outgoing:
        made = publication(record, None, model, forecast, self._identifier, log)
        return Outgoing(self._topic, made.key, made.value, made.headers)

    async def _stored(self, part: Part) -> Place | None:
        """None: no objects are written, or this one could not be; its rows are counted then."""
        if self._log is None:
            return None
        attempts = 0
        while True:
            try:
                written = await self._in_thread(partial(self._writer.put, self._log, part))
            except DependencyFailed as failure:
                attempts += 1
                if not isinstance(failure, StoreUnavailable) or self._out_of_patience():
                    self._drop(failure.code, len(part.offsets))
                    return None
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSES.pause_s(attempts, random.random())):
                        await self._leaving.wait()
            else:
                self._down_since = None
                note_written(written, self._metrics)
                return written.place

    def _out_of_patience(self) -> bool:
        """Once it is, each part is tried once, until one succeeds: what waits behind it is not held up again."""
        now = self._clock.monotonic()
        if self._down_since is None:
            self._down_since = now
        return self._leaving.is_set() or now - self._down_since >= self._patience_s

    def _hear(self, told: tuple[Outcome, bool]) -> None:
        (topic, error), counted = told
        if topic is not None:
            self._metrics.published.labels(topic).inc()
        elif error is not None and not counted:
            self._drop(code_of(error), 1)

    def _drop(self, reason: str, rows: int) -> None:
        self.dropped += rows
        self._metrics.log_dropped.labels(reason).inc(rows)
        now = self._clock.monotonic()
        if now >= self._next_line:
            self._next_line = now + 1
            inference_log_dropped(reason=reason, dropped=self.dropped)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _named(bundle_id: str | None, serving: ModelName | None) -> ModelName | None:
    if bundle_id is None or (serving is not None and serving.model_id == bundle_id):
        return serving
    return ModelName(
        bundle_id, _UNNAMED, _UNNAMED
    )  # it was asked for by its version, or another has been promoted since
