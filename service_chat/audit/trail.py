"""The trail: takes entries at once and writes them behind everybody's back, in order, many in one transaction.

Opened by `keeping` before anything that may ask, closed after it: what waits at the end of the process is written
first. A file that can not be written to for a while loses nothing: entries wait, as many as fit; beyond that a loss is
counted, told, and written down as a row of its own once writing works again.
"""

import asyncio
import contextlib
import sqlite3
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Self

from typing_extensions import override

from service_chat import events
from service_chat.audit.chain import BEGIN, Keys, Link
from service_chat.audit.file import AuditFile
from service_chat.audit.ports import Entry, Trail
from service_chat.metrics_privacy import PrivacyMetrics
from serving.clock import Clock
from serving.confinement import Confined
from serving.errors import DependencyFailed

#: Entries that may wait; some hundred bytes each.
MOST_WAITING = 10_000
_BATCH = 500
#: Attempts at the end of the process, when nobody can wait for a full disk to empty.
_LAST_ATTEMPTS = 3
_LAST_PAUSE_S = 0.1


class AuditTrail(Trail):
    """Open it as a context; entries may come before that. Lives on the event loop."""

    def __init__(
        self,
        path: Path,
        keys: Keys,
        clock: Clock,
        metrics: PrivacyMetrics,
        most: int = MOST_WAITING,
        retry_s: float = 1.0,
    ) -> None:
        self._path, self._keys, self._clock, self._metrics = path, keys, clock, metrics
        self._most, self._retry_s = most, retry_s
        self._waiting: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._failing = False
        self._lost = 0  #: since writing last worked
        self._file: Confined[AuditFile] | None = None
        self._writing: asyncio.Task[None] | None = None
        self.end: Link = BEGIN  #: of the chain, as far as this process wrote or found it

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def __aenter__(self) -> Self:
        """Raises DependencyFailed when the file can not be opened: a service that must account for itself does not
        begin without."""
        self._file = await Confined.open(
            lambda: AuditFile.open(self._path, self._keys), "audit", close=lambda file: file.close()
        )
        self.end = await self._file.call(lambda file: file.end())
        events.audit_opened(seq=self.end.seq, hash=self.end.hash, keyed=bool(self._keys.current))
        self._writing = asyncio.create_task(self._write(), name="audit")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._wake.set()
        if self._writing is not None:
            await self._writing
        if self._waiting:
            self._metrics.audit_lost.inc(len(self._waiting))
            events.audit_lost(entries=len(self._waiting))
        if self._file is not None:
            await self._file.aclose()
        events.audit_closed(seq=self.end.seq, hash=self.end.hash)

    @override
    def note(self, entry: Entry) -> None:
        if len(self._waiting) >= self._most:
            self._lost += 1
            self._metrics.audit_lost.inc()
            if self._lost == 1:  # the others are told together, when it is over
                events.audit_lost(entries=1)
            return
        self._waiting.append(entry)
        self._wake.set()

    async def drop_older(self, days: float) -> int:
        """Takes out what is older, however much that is; how many rows. Raises DependencyFailed."""
        assert self._file is not None
        gone, now = 0, self._clock.now()
        before = now - timedelta(days=days)
        while True:
            try:
                dropped, self.end = await self._file.call(lambda file: file.drop_before(before, now))
            except (sqlite3.Error, OSError) as error:
                raise DependencyFailed("The audit could not be shortened.", reason=type(error).__name__) from error
            if not dropped:
                return gone
            gone += dropped

    async def _write(self) -> None:
        attempts = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if await self._written():
                    attempts = 0
                    continue
                attempts += 1
                if self._closing and attempts >= _LAST_ATTEMPTS:
                    return
                await self._pause()
            if self._closing:
                return

    async def _written(self) -> bool:
        """Whether the next entries are in the file now."""
        assert self._file is not None
        batch = [self._waiting[at] for at in range(min(_BATCH, len(self._waiting)))]
        try:
            self.end = await self._file.call(lambda file: file.append(batch))
        except Exception as error:  # a defect of ours too: a trail that ends would lose all that comes after
            self._metrics.audit_failed.inc()
            if not self._failing:  # once, and not at each attempt
                events.audit_write_failed(error_type=type(error).__name__, waiting=len(self._waiting))
            self._failing = True
            return False
        for _ in batch:
            self._waiting.popleft()
        self._failing = False
        self._metrics.audit_rows.inc(len(batch))
        if self._lost:
            events.audit_lost(entries=self._lost)
            told = Entry(self._clock.now(), "service", "audit_gap", "lost", detail=str(self._lost))
            self._lost = 0
            self._waiting.append(told)
        return True

    async def _pause(self) -> None:
        """Until another attempt makes sense; at the end of the process sooner."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retry_s):
                while not self._closing:
                    await self._wake.wait()
                    self._wake.clear()
                await asyncio.sleep(_LAST_PAUSE_S)
