"""Writes down what became of claims: rows come together in parts, parts go to the store, messages to their topics.

Lives on the event loop and keeps it free: `part_writer` does the work, on a few threads. One part at a time for each
partition and hour, several partitions at once. A put costs as much as a forecast, however few rows it has, so rows wait
for company: for `gather_s` at most, and no longer than there is company on its way or once they are a crowd.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from typing_extensions import override

from inference_container.broker.ports import Producer, Record
from inference_container.claims.ports import Entry, Recorder
from inference_container.claims.recording.mailbox import Mailbox
from inference_container.claims.recording.part_writer import Log, Outcome, PartWriter, note_written
from inference_container.claims.recording.parts import hour_prefix
from inference_container.errors import BrokerUnavailable
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import Clock
from serving.crew import Crew
from serving.errors import Draining

#: Parts that are put at once.
_THREADS = 2
#: A part of so many bytes waits for no more rows.
_PART_BYTES = 4 * 1024 * 1024
#: Entries on their way at once; `record` waits for a place.
_MOST_WAITING = 4096


@dataclass(slots=True, eq=False)
class _Waiting:
    """An entry, and whoever waits for it."""

    entry: Entry
    waiter: asyncio.Future[None]
    since: float


@dataclass(slots=True, eq=False)
class _Folder:
    """What is to be written to one partition and hour. There is one for as long as its task runs."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    size: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)


class LogRecorder(Recorder):
    """Open it as a context; leaving it writes what is there, within `grace_s`."""

    def __init__(
        self,
        producer: Producer,
        log: Log | None,
        metrics: ClaimMetrics,
        clock: Clock,
        gather_s: float = 0.25,
        most_rows: int = 256,
        grace_s: float = 10.0,
        most_waiting: int = _MOST_WAITING,
        crowd: int = 128,
        coming: Callable[[], int] | None = None,
    ) -> None:
        """
        Args:
            log: None where no objects are written: then an entry is its message alone, and waits for no others.
            gather_s: how long the first row of a part waits for more.
            crowd: so many rows that wait together, of whichever parts, wait for no more.
            coming: how many more are on their way here; once there are none, nobody waits for them. None: who knows.
        """
        self._writer = PartWriter(producer, log, clock)
        self._metrics = metrics
        self._gather_s, self._most_rows = gather_s if log is not None else 0.0, most_rows
        self._grace_s = grace_s
        self._crowd, self._coming = crowd, coming
        #: Rows that wait for company.
        self._gathering = 0
        self._places = asyncio.Semaphore(most_waiting)
        self._hands = asyncio.Semaphore(_THREADS)
        self._folders: dict[str, _Folder] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsettled: set[_Waiting] = set()
        self._all_settled = asyncio.Event()
        self._open = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._pool = Crew(_THREADS, "recorder")
        self._told = Mailbox(self._hear)
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        for folder in self._folders.values():
            folder.full.set()
        try:
            if self._unsettled:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._all_settled.wait(), self._grace_s)
        finally:
            for task in self._tasks:
                task.cancel()
            for waiting in tuple(self._unsettled):
                self._settle(waiting, BrokerUnavailable("The service went down before this was recorded."))
            # Not waited for: a put that hangs must not hold up the way out longer than the grace.
            self._pool.shutdown(wait=False, cancel_futures=True)

    @override
    async def record(self, entry: Entry) -> None:
        """As the port has it.

        Raises:
            Draining: the recorder is closed; nothing was begun.
        """
        await self._places.acquire()
        if not self._open:
            self._places.release()
            raise Draining
        waiting = _Waiting(entry, self._loop.create_future(), self._loop.time())
        self._unsettled.add(waiting)
        self._all_settled.clear()
        self._gather(waiting)
        await waiting.waiter

    @override
    async def became(self, record: Record) -> frozenset[str]:
        return await self._loop.run_in_executor(self._pool, self._writer.became, record)

    def _gather(self, waiting: _Waiting) -> None:
        row = waiting.entry.row
        prefix = hour_prefix(row.partition, row.timestamp_ms)
        folder = self._folders.get(prefix)
        if folder is None:
            folder = self._folders[prefix] = _Folder()
            task = self._loop.create_task(self._keep(prefix, folder), name=f"record {prefix}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        folder.waiting.append(waiting)
        folder.size += len(row.line)
        self._gathering += 1
        if len(folder.waiting) >= self._most_rows or folder.size >= _PART_BYTES:
            folder.full.set()
        if self._gathering >= self._crowd or (self._coming is not None and not self._coming()):
            self._all_due()

    def _all_due(self) -> None:
        for folder in self._folders.values():
            if folder.waiting:  # or a row that comes next would be written alone
                folder.full.set()

    async def _keep(self, prefix: str, folder: _Folder) -> None:
        """Writes part after part until there is nothing more for this folder."""
        while folder.waiting:
            left_s = self._gather_s - (self._loop.time() - folder.waiting[0].since)
            if left_s > 0 and self._open:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await folder.full.wait()
            async with self._hands:
                await self._write(self._take(folder))
        del self._folders[prefix]

    def _take(self, folder: _Folder) -> list[_Waiting]:
        """As many as one part holds; what has come while there was no free hand is among them."""
        batch: list[_Waiting] = []
        size = 0
        while folder.waiting and len(batch) < self._most_rows and size < _PART_BYTES:
            batch.append(folder.waiting.popleft())
            size += len(batch[-1].entry.row.line)
        folder.size -= size
        self._gathering -= len(batch)
        if len(folder.waiting) < self._most_rows and folder.size < _PART_BYTES:
            folder.full.clear()
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        def tell(at: int, outcome: Outcome) -> None:
            self._told.tell((batch[at], outcome))

        entries = [waiting.entry for waiting in batch]
        try:
            written = await self._loop.run_in_executor(self._pool, self._writer.write, entries, tell)
        except Exception as failure:  # a mistake of ours: whoever waits hears of it all the same
            for waiting in batch:
                self._settle(waiting, failure)
        else:
            if written is not None:
                note_written(written, self._metrics)

    def _hear(self, told: tuple[_Waiting, Outcome]) -> None:
        waiting, (topic, error) = told
        if topic is not None:
            self._metrics.published.labels(topic).inc()
        self._settle(waiting, error)

    def _settle(self, waiting: _Waiting, error: BaseException | None) -> None:
        if waiting not in self._unsettled:
            return  # given up at the end of the grace
        self._unsettled.remove(waiting)
        self._places.release()
        if not self._unsettled:
            self._all_settled.set()
        if waiting.waiter.done():
            return  # cancelled
        if error is None:
            waiting.waiter.set_result(None)
        else:
            waiting.waiter.set_exception(error)
