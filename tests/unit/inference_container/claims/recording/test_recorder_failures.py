"""What holds whatever fails: every entry has one outcome, the outcome is true, and readers miss no row."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.broker.ports import Partition
from inference_container.claims.deadlines import ClaimDeadline, milliseconds
from inference_container.claims.ports import Entry
from inference_container.claims.recording.recorder import LogRecorder
from inference_container.errors import BrokerUnavailable, MessageTooLarge, StoreUnavailable
from inference_container.metrics_claims import ClaimMetrics
from serving.clock import SystemClock
from serving.errors import DeadlineExceeded
from serving.metrics import Metrics
from tests.unit.inference_container.claims.recording.recording_house import (
    BUCKET,
    HOUR_MS,
    LateProducer,
    LogStore,
    entry,
    row_only,
)


@dataclass(frozen=True)
class Plan:
    """An entry, and what is to go wrong with it."""

    partition: int
    offset: int
    hour: int
    kind: str  #: sent, expired (no message), too_late, refused, unsent

    def entry(self) -> Entry:
        where = Partition("inference-data", self.partition)
        match self.kind:
            case "expired":
                return row_only(self.offset, where)
            case "too_late":
                gone = ClaimDeadline(milliseconds(SystemClock()) - 1)
                return entry(self.offset, where, self.hour * HOUR_MS, deadline=gone)
            case _:
                return entry(self.offset, where, self.hour * HOUR_MS)


plans = st.builds(
    Plan,
    st.integers(0, 2),
    st.integers(0, 12),
    st.integers(0, 1),
    st.sampled_from(["sent", "sent", "sent", "expired", "too_late", "refused", "unsent"]),
)


@contextmanager
def _store() -> Iterator[LogStore]:
    with tempfile.TemporaryDirectory() as folder:
        store = LogStore(Path(folder))
        yield store
        store.close()


@settings(max_examples=60)
@given(
    st.lists(plans, min_size=1, max_size=25, unique_by=lambda plan: (plan.partition, plan.offset)),
    st.sets(st.sampled_from(["p=00", "p=01", "p=02", "h=01"])),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.003]),
    st.randoms(use_true_random=False),
)
def test_every_entry_always_has_exactly_one_outcome_and_it_is_true(
    given_: list[Plan], down: set[str], most_rows: int, gather_s: float, random: Random
) -> None:
    kinds = {f"inference-data-{plan.partition}-{plan.offset}".encode(): plan.kind for plan in given_}
    answers: dict[str, BaseException | None] = {"refused": MessageTooLarge(), "unsent": BrokerUnavailable()}
    producer = LateProducer(lambda key: answers.get(kinds[key or b""]))
    outcomes: list[list[BaseException | None]] = [[] for _ in given_]

    def refuse(key: str) -> None:
        if any(part in key for part in down):
            raise StoreUnavailable

    async def run(store: LogStore) -> None:
        room = LogRecorder(
            producer, (store, BUCKET), ClaimMetrics(Metrics()), SystemClock(), gather_s, most_rows, most_waiting=5
        )

        async def one(at: int) -> None:
            await asyncio.sleep(random.random() * 0.004)
            try:
                await room.record(given_[at].entry())
            except Exception as error:
                outcomes[at].append(error)
            else:
                outcomes[at].append(None)

        async with room, asyncio.timeout(20):
            await asyncio.gather(*map(one, range(len(given_))))

    with _store() as store:
        store.before_put = refuse
        asyncio.run(run(store))
        stored = set(store.sources())
    sent = {key for _, _, key, _ in producer.sent}
    for plan, (outcome,) in zip(given_, outcomes, strict=True):
        source = f"inference-data-{plan.partition}-{plan.offset}"
        hour = "h=00" if plan.kind == "expired" else f"h={plan.hour:02d}"
        is_down = bool(down & {f"p={plan.partition:02d}", hour})
        match plan.kind:
            case "too_late":
                assert isinstance(outcome, DeadlineExceeded)
            case _ if is_down:
                assert isinstance(outcome, StoreUnavailable)
            case "refused":
                assert isinstance(outcome, MessageTooLarge)
            case "unsent":
                assert isinstance(outcome, BrokerUnavailable)
            case _:
                assert outcome is None
        assert (source in stored) is (plan.kind != "too_late" and not is_down)
        assert (source.encode() in sent) is (plan.kind not in ("too_late", "expired") and not is_down)


told = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from(["ok", "expired"])), min_size=1, max_size=9, unique_by=lambda it: it[0]
)


@settings(max_examples=60)
@given(told, told, st.integers(1, 4), st.integers(1, 4))
def test_two_recorders_of_the_same_offsets_never_cost_a_reader_a_row(
    one: list[tuple[int, str]], other: list[tuple[int, str]], first_rows: int, second_rows: int
) -> None:
    """One was thrown out and finishes late what the other works anew; one may find expired what the other answered."""

    async def run(store: LogStore) -> None:
        for rows, most in ((one, first_rows), (other, second_rows)):
            room = LogRecorder(
                LateProducer(lambda key: None), (store, BUCKET), ClaimMetrics(Metrics()), SystemClock(), 0.0, most
            )
            async with room, asyncio.timeout(20):
                await asyncio.gather(
                    *(room.record(entry(at) if status == "ok" else row_only(at)) for at, status in rows)
                )

    with _store() as store:
        asyncio.run(run(store))
        lines = store.lines()
    found = {(line["source"], line["status"]) for line in lines}
    assert found == {(f"inference-data-3-{at}", status) for at, status in (*one, *other)}


@settings(max_examples=30)
@given(st.lists(plans, min_size=1, max_size=12, unique_by=lambda plan: (plan.partition, plan.offset)), st.data())
def test_the_order_of_recording_never_changes_a_part(given_: list[Plan], data: st.DataObject) -> None:
    entries = [plan.entry() for plan in given_]

    async def run(store: LogStore, ordered: list[Entry]) -> None:
        room = LogRecorder(
            LateProducer(lambda key: None), (store, BUCKET), ClaimMetrics(Metrics()), SystemClock(), 0.01
        )
        async with room, asyncio.timeout(20):
            await asyncio.gather(*map(room.record, ordered), return_exceptions=True)

    found = []
    for ordered in (entries, data.draw(st.permutations(entries))):
        with _store() as store:
            asyncio.run(run(store, ordered))
            found.append({each.key: store.get(BUCKET, each.key, 2**30)[1] for each in store.list(BUCKET, "results/")})
    assert found[0] == found[1]
