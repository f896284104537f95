import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.forecasting.messages import ForecastQuery, ForecastReply
from inference_container.metrics import InferenceMetrics
from inference_container.services.batches import BatchFeed
from inference_container.services.lanes import ForecastAnswer, Lanes, make_lanes
from serving.clock import Clock, SystemClock
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, WorkFailed
from serving.ticket import Ticket
from tests.fakes.clock import ManualClock
from tests.fakes.predictor import FakePredictor
from tests.unit.until import until

pytestmark = pytest.mark.anyio

PATIENCE_S = 0.06
#: What a loaded machine may add to a timer.
SLACK_S = 0.25


@dataclass
class House:
    lanes: Lanes
    predictor: FakePredictor
    metrics: InferenceMetrics
    clock: Clock

    def place(self, name: str, seconds: float = 30, claim: bool = False) -> Ticket[ForecastQuery, ForecastAnswer]:
        lane = self.lanes.claims if claim else self.lanes.interactive
        return lane.try_admit(ForecastQuery(name, name.encode()), Deadline.after(seconds, self.clock))

    def sum_of(self, name: str) -> tuple[float, float]:
        """Count and sum of a histogram."""
        samples = next(m for m in self.metrics.registry.collect() if m.name == name).samples
        values = {s.name.rpartition("_")[2]: s.value for s in samples if not s.name.endswith("_bucket")}
        return values["count"], values["sum"]


@asynccontextmanager
async def house(patience_s: float = 0.0, clock: Clock | None = None, batch_size: int = 4) -> AsyncIterator[House]:
    clock = clock or SystemClock()
    lanes, predictor, metrics = make_lanes(64, 1_000_000, clock), FakePredictor(), InferenceMetrics()
    async with BatchFeed(lanes, predictor, metrics, clock, batch_size, patience_s):
        yield House(lanes, predictor, metrics, clock)


async def settled(*tickets: Ticket[ForecastQuery, ForecastAnswer]) -> None:
    await until(lambda: all(ticket.settled for ticket in tickets))


async def test_without_patience_a_lonely_request_is_started_in_the_next_turn() -> None:
    async with house() as h:
        ticket = h.place("a")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert h.predictor.batches == [["a"]]
        await settled(ticket)


async def test_what_becomes_readable_in_one_turn_joins_one_batch() -> None:
    async with house() as h:
        await settled(*(h.place(name) for name in "abc"))
        assert h.predictor.batches == [["a", "b", "c"]]
        assert h.sum_of("inference_batch_size") == (1, 3)


async def test_a_full_batch_waits_for_nobody() -> None:
    async with house(patience_s=30) as h:
        await settled(*(h.place(name) for name in "abcd"))
        assert h.predictor.batches == [["a", "b", "c", "d"]]


async def test_a_patient_batch_takes_those_who_come_meanwhile() -> None:
    async with house(PATIENCE_S) as h:
        first = h.place("a")
        await asyncio.sleep(PATIENCE_S / 4)
        assert h.predictor.batches == []
        second = h.place("b")
        await settled(first, second)
        assert h.predictor.batches == [["a", "b"]]


async def test_a_patient_batch_waits_its_time_and_no_longer() -> None:
    async with house(PATIENCE_S) as h:
        for name in "ab":  # the second batch must not live on the first one's timer
            await settled(h.place(name))
        lane = h.lanes.interactive.statistics()
        assert lane.completed == 2
        assert 2 * PATIENCE_S <= lane.total_wait_s <= 2 * PATIENCE_S + SLACK_S


async def test_patience_begins_with_the_oldest_and_not_anew_with_each_one_that_comes() -> None:
    async with house(PATIENCE_S, batch_size=100) as h:
        tickets: list[Ticket[ForecastQuery, ForecastAnswer]] = []
        begun = asyncio.get_running_loop().time()
        while not h.predictor.batches:
            tickets.append(h.place(str(len(tickets))))
            await asyncio.sleep(PATIENCE_S / 12)
        assert asyncio.get_running_loop().time() - begun <= PATIENCE_S + SLACK_S
        await settled(*tickets)


async def test_patience_spent_behind_a_busy_worker_is_not_asked_for_again() -> None:
    async with house(PATIENCE_S) as h:
        h.predictor.gate.clear()
        first = h.place("a")
        await until(lambda: len(h.predictor.batches) == 1)
        second = h.place("b")
        await asyncio.sleep(PATIENCE_S * 1.5)
        h.predictor.gate.set()
        await until(lambda: len(h.predictor.batches) == 2, PATIENCE_S)
        await settled(first, second)


async def test_one_who_hangs_up_while_a_batch_is_patient_is_not_in_it() -> None:
    async with house(PATIENCE_S) as h:
        gone = h.place("a")
        await asyncio.sleep(PATIENCE_S / 2)
        stays = h.place("b")
        gone.fail(DeadlineExceeded())
        await settled(stays)
        assert h.predictor.batches == [["b"]]
        assert stays.waited_s is not None
        assert stays.waited_s >= PATIENCE_S


async def test_claims_are_held_as_patiently_and_lanes_do_not_mix() -> None:
    async with house(PATIENCE_S) as h:
        await settled(h.place("caller"), h.place("claim", claim=True))
        assert h.predictor.batches == [["caller"], ["claim"]]


async def test_what_has_expired_is_dropped_when_its_turn_comes_and_never_started() -> None:
    clock = ManualClock()
    async with house(clock=clock) as h:
        h.predictor.gate.clear()
        first = h.place("a", seconds=1000)
        await until(lambda: len(h.predictor.batches) == 1)
        late, punctual = h.place("late", seconds=100), h.place("punctual", seconds=1000)
        clock.turn(100)
        h.predictor.gate.set()
        await settled(first, late, punctual)
        assert h.predictor.batches == [["a"], ["punctual"]]
        assert isinstance(late.error, DeadlineExceeded)
        assert h.sum_of("inference_batch_size") == (2, 2)


async def test_a_batch_of_the_expired_is_no_batch_and_the_next_one_starts_at_once() -> None:
    clock = ManualClock()
    async with house(clock=clock, batch_size=2) as h:
        h.predictor.gate.clear()
        first = h.place("a", seconds=1000)
        await until(lambda: len(h.predictor.batches) == 1)
        late = [h.place(f"late{number}", seconds=100) for number in range(4)]
        punctual = h.place("punctual", seconds=1000)
        clock.turn(100)
        h.predictor.gate.set()
        await settled(first, punctual, *late)
        assert h.predictor.batches == [["a"], ["punctual"]]
        assert h.lanes.interactive.statistics().expired == 4


async def test_an_answer_after_the_deadline_is_a_504_and_no_answer() -> None:
    clock = ManualClock()
    async with house(clock=clock) as h:
        h.predictor.gate.clear()
        late, punctual = h.place("late", seconds=100), h.place("punctual", seconds=101)
        await until(lambda: h.predictor.batches == [["late", "punctual"]])
        clock.turn(100)
        h.predictor.gate.set()
        await settled(late, punctual)
        assert isinstance(late.error, DeadlineExceeded)
        assert (punctual.error, punctual.value) == (None, b"punctual")
        assert h.lanes.interactive.statistics().expired == 1


async def test_a_batch_with_the_wrong_number_of_replies_is_answered_to_nobody() -> None:
    async with house() as h:

        def one_short(queries: Sequence[ForecastQuery]) -> Sequence[ForecastReply]:
            return [query.body for query in queries][1:]

        h.predictor.answer = one_short
        tickets = [h.place(name) for name in "ab"]
        await settled(*tickets)
        assert [type(ticket.error) for ticket in tickets] == [WorkFailed, WorkFailed]


async def test_a_feed_that_is_closed_starts_nothing_more() -> None:
    async with house(PATIENCE_S) as h:
        waiting = h.place("a")
    await asyncio.sleep(PATIENCE_S * 2)
    assert h.predictor.batches == []
    assert not waiting.settled


ARRIVALS = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=40)
@given(arrivals=ARRIVALS, size=st.integers(1, 5))
async def test_every_request_is_always_in_exactly_one_batch_of_its_lane_and_in_its_order(
    arrivals: list[tuple[bool, int]], size: int
) -> None:
    async with house(batch_size=size) as h:
        placed: dict[bool, list[str]] = {True: [], False: []}
        tickets = []
        for number, (claim, turns) in enumerate(arrivals):
            name = f"{'c' if claim else 'u'}{number}"
            placed[claim].append(name)
            tickets.append(h.place(name, claim=claim))
            for _ in range(turns):
                await asyncio.sleep(0)
        await settled(*tickets)
        assert all(ticket.value == ticket.item.body for ticket in tickets)
        for claim, mark in ((True, "c"), (False, "u")):
            assert [name for batch in h.predictor.batches for name in batch if name[0] == mark] == placed[claim]
        assert all(len(batch) <= size and len({name[0] for name in batch}) == 1 for batch in h.predictor.batches)


async def test_the_loop_turns_while_the_answers_of_a_batch_are_written_and_all_of_them_are() -> None:
    async with house(batch_size=32) as h:
        tickets = [h.place(str(n)) for n in range(30)]
        order: list[str] = []
        for n, ticket in enumerate(tickets):
            ticket.when_settled(lambda n=n: order.append(f"answer {n}"))  # type: ignore[misc]  # bound now

        def knock() -> None:
            asyncio.get_running_loop().call_soon(order.append, "a probe")

        tickets[0].when_settled(knock)
        await settled(*tickets)
        assert [each for each in order if each != "a probe"] == [f"answer {n}" for n in range(30)]
        assert order.index("a probe") < 10
        assert [ticket.value for ticket in tickets] == [str(n).encode() for n in range(30)]


async def test_answers_still_to_be_written_when_the_feed_closes_are_written() -> None:
    async with house(batch_size=32) as h:
        tickets = [h.place(str(n)) for n in range(30)]
        await until(lambda: tickets[0].settled)
    await settled(*tickets)
    assert all(ticket.error is None for ticket in tickets)
