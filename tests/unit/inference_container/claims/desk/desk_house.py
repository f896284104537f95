"""A desk with real files behind it, and a forecaster and a recorder that fail as a test says."""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from typing_extensions import override

from inference_container.broker.ports import Headers, Partition, Record
from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.dead_letters import Kind, Why
from inference_container.claims.deadlines import ClaimDeadline, milliseconds
from inference_container.claims.desk.desk import ClaimDesk
from inference_container.claims.desk.way import DeskPolicy
from inference_container.claims.messages import Claim
from inference_container.claims.ports import (
    Ended,
    Entry,
    Forecaster,
    Held,
    Innocent,
    Outgoing,
    Recorder,
    Refused,
    Told,
    Work,
)
from inference_container.claims.results import ModelName
from inference_container.claims.retries import RetryPolicy
from inference_container.forecasting.messages import ForecastQuery
from inference_container.metrics_claims import ClaimMetrics
from inference_container.stores.files import FileStore
from inference_container.stores.ports import ObjectInfo
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import ChildDied, DeadlineExceeded
from serving.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.samples import INPUT, PLACES, record

BUNDLE = "b" * 64
MODEL = ModelName(BUNDLE, "gru", "c" * 64)
BUCKET, KEY, SERIES = "processed-data", "a.parquet", b"PAR1 a series PAR1"
RETRIES = RetryPolicy(most_attempts=3, first_s=0.1, longest_s=1.0, missing_grace_s=0.5)


class FaultyStore(FileStore):
    """Real files, and what a test says of reading them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, PLACES)
        self.reads: list[str] = []
        #: Asked before each read, on its thread; raises or waits.
        self.fault: Callable[[str], None] = lambda key: None

    @override
    def get(self, bucket: str, key: str, at_most: int) -> tuple[ObjectInfo, bytes]:
        self.reads.append(key)
        self.fault(key)
        return super().get(bucket, key, at_most)


class FakeForecaster(Forecaster):
    """A pool of one worker: what comes within a turn of the loop is a batch. A poison ends the batch it lies in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.batches: list[list[str]] = []
        self.queries: list[ForecastQuery] = []
        self.poison: set[str] = set()
        #: Errors of the next tries by source, one each.
        self.errors: dict[str, list[Exception]] = {}
        #: What every try meets, as long as it is there.
        self.error: Exception | None = None
        self.callers = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._batch: list[str] = []
        self._turn: asyncio.Future[None] | None = None

    @override
    async def forecast_claim(self, query: ForecastQuery, deadline: Deadline) -> bytes:
        self.queries.append(query)
        if self.error is not None:
            raise self.error
        if self.errors.get(query.req_id):
            raise self.errors[query.req_id].pop(0)
        batch = await self._joined(query.req_id)
        await self.gate.wait()
        if deadline.expired:
            raise DeadlineExceeded
        if self.poison.intersection(batch):
            raise ChildDied
        return answer(query.req_id, len(query.body))

    @property
    @override
    def beside_callers(self) -> bool:
        return self.callers

    @override
    def model_name(self, bundle_id: str) -> ModelName | None:
        return MODEL if bundle_id == BUNDLE else None

    async def _joined(self, source: str) -> list[str]:
        if not self._batch:
            self.batches.append(self._batch)
        batch = self._batch
        batch.append(source)
        await asyncio.sleep(0)
        self._batch = []
        return batch


class FakeRecorder(Recorder):
    """Keeps what it is told, and sends it nowhere."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[Entry] = []
        self.messages: list[Outgoing | None] = []
        self.tries = 0
        #: Asked at each try; raises.
        self.fault: Callable[[Entry], None] = lambda entry: None
        self.callers = False
        self.gate = asyncio.Event()
        self.gate.set()
        #: What the log says of any message.
        self.before: frozenset[str] = frozenset()

    @override
    async def became(self, record: Record) -> frozenset[str]:
        self.tries += 1
        return self.before

    @override
    async def record(self, entry: Entry) -> None:
        self.tries += 1
        self.fault(entry)
        await asyncio.sleep(0)
        await self.gate.wait()
        if entry.deadline is not None and entry.deadline.expired(self._clock):
            raise DeadlineExceeded
        self.entries.append(entry)
        self.messages.append(entry.message(None) if entry.message is not None else None)

    def lines(self) -> list[dict[str, object]]:
        return [orjson.loads(entry.row.line) for entry in self.entries]

    def statuses(self) -> dict[object, object]:
        """By source."""
        return {line["source"]: line["status"] for line in self.lines()}


def answer(source: str, rows: int = 2, bundle: str = BUNDLE) -> bytes:
    predictions = [{"ts": "2026-01-01T00:00:00", "load": float(row)} for row in range(rows)]
    return orjson.dumps({"status": "SUCCESS", "run_id": bundle, "predictions": predictions, "req_id": source})


@dataclass(eq=False)
class House:
    store: FaultyStore
    forecaster: FakeForecaster
    recorder: FakeRecorder
    clock: ManualClock
    desk: ClaimDesk
    metrics: ClaimMetrics
    told: list[Told] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def ended(self) -> list[Delivery]:
        return [each.delivery for each in self.told if isinstance(each, Ended)]

    @property
    def held(self) -> list[Delivery]:
        return [each.delivery for each in self.told if isinstance(each, Held)]

    @property
    def innocents(self) -> list[Innocent]:
        return [each for each in self.told if isinstance(each, Innocent)]

    def work(
        self,
        key: str = KEY,
        deadline_s: float | None = None,
        attempts: int = 1,
        etag: str | None = None,
        sha256: str | None = None,
        size: int | None = None,
        horizon: int | None = None,
        headers: Headers = (),
        suspect: bool = False,
        doubt: Why | None = None,
    ) -> Work:
        """The next message of its partition."""
        offset = next(self.numbers)
        at_ms = None if deadline_s is None else milliseconds(self.clock) + round(deadline_s * 1000)
        return Work(
            Delivery(INPUT, offset, 1),
            record(offset=offset, headers=headers),
            Claim(2, BUCKET, key, f"c-{offset}", etag=etag, sha256=sha256, size=size, horizon=horizon),
            ClaimDeadline(at_ms) if at_ms is not None else None,
            attempts,
            suspect,
            doubt,
        )

    def refused(self, value: bytes | None = b"{", kind: Kind = Kind.CLAIM, headers: Headers = ()) -> Refused:
        offset = next(self.numbers)
        partition = INPUT if kind is Kind.CLAIM else Partition("model-training", 0)
        message = record(value, offset, partition, headers=headers)
        delivery = Delivery(partition, offset, 1)
        return Refused(delivery, message, None, Why("not_json", "The message is not JSON."), 0, kind)

    async def until(self, check: Callable[[], bool], turns: int = 2000, step_s: float = 0.0) -> None:
        """Lets others run until `check` holds, and time pass by `step_s` with each turn. A turn in which a thread reads
        is none: they take their time, and a slow machine must not make it the clock's."""
        end = time.monotonic() + 20
        while not check():
            assert turns, "it did not come about"
            assert time.monotonic() < end, "it did not come about in time"
            if not self.desk.statistics().reading:
                turns -= 1
                if step_s:
                    self.clock.turn(step_s)
            await asyncio.sleep(0.0005)

    async def all_ended(self, items: Iterable[object], step_s: float = 0.0) -> None:
        count = len(list(items))
        await self.until(lambda: len(self.ended) >= count, step_s=step_s)


@asynccontextmanager
async def opened(root: Path, retries: RetryPolicy = RETRIES, fetchers: int = 8) -> AsyncIterator[House]:
    clock = ManualClock()
    store = await asyncio.to_thread(_filled, root)
    told: list[Told] = []
    forecaster, recorder = FakeForecaster(clock), FakeRecorder(clock)
    metrics = ClaimMetrics(Metrics())
    policy = DeskPolicy("north", 12, 10.0, 1_000_000, retries, fetchers=fetchers)
    desk = ClaimDesk(store, forecaster, recorder, policy, metrics, clock, told.append, chance=lambda: 0.5)
    try:
        async with desk:
            yield House(store, forecaster, recorder, clock, desk, metrics, told)
    finally:
        await asyncio.to_thread(store.close)


def _filled(root: Path) -> FaultyStore:
    store = FaultyStore(root)
    store.ensure_buckets()
    store.put(BUCKET, KEY, SERIES)
    return store


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
