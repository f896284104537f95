import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from serving.admission import BoundedQueue
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, Draining, QueueFull, SluiceError, WorkFailed
from serving.pace import Shedding
from serving.ticket import Ticket
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio

Lane = BoundedQueue[int, str]


def lane_of(capacity: int) -> tuple[Lane, Deadline]:
    clock = SystemClock()
    return Lane(capacity, clock), Deadline.after(30, clock)


async def test_a_full_lane_refuses_at_once_and_says_when_to_come_back() -> None:
    lane, deadline = lane_of(2)
    lane.try_admit(1, deadline)
    lane.try_admit(2, deadline)
    with pytest.raises(QueueFull) as refusal:
        lane.try_admit(3, deadline)
    assert refusal.value.details["retry_after_s"] >= 1
    assert lane.statistics().rejected == 1
    assert lane.depth == 2


async def test_work_is_taken_in_the_order_of_admission() -> None:
    lane, deadline = lane_of(5)
    for number in range(5):
        lane.try_admit(number, deadline)
    assert [t.item for t in await lane.take(3)] == [0, 1, 2]
    assert [t.item for t in await lane.take(3)] == [3, 4]


async def test_take_waits_for_work() -> None:
    lane, deadline = lane_of(1)
    taking = asyncio.create_task(lane.take())
    await asyncio.sleep(0)
    assert not taking.done()
    lane.try_admit(7, deadline)
    assert [t.item for t in await taking] == [7]


async def test_admit_waits_for_a_place() -> None:
    lane, deadline = lane_of(1)
    first = lane.try_admit(1, deadline)
    admitting = asyncio.create_task(lane.admit(2, deadline))
    await asyncio.sleep(0)
    assert not admitting.done()
    first.settle("done")
    assert (await admitting).item == 2


async def test_admit_gives_up_with_the_deadline() -> None:
    clock = SystemClock()
    lane = Lane(1, clock)
    lane.try_admit(1, Deadline.after(30, clock))
    with pytest.raises(DeadlineExceeded):
        await lane.admit(2, Deadline.after(0.01, clock))


async def test_a_closed_lane_admits_nothing_and_drains_what_it_has() -> None:
    lane, deadline = lane_of(2)
    ticket = lane.try_admit(1, deadline)
    lane.close()
    with pytest.raises(Draining):
        lane.try_admit(2, deadline)
    draining = asyncio.create_task(lane.drained())
    (running,) = await lane.take()
    await asyncio.sleep(0)
    assert not draining.done()
    running.settle("done")
    await draining
    assert await ticket.result() == "done"


async def test_abandon_settles_waiting_and_running_tickets_alike() -> None:
    lane, deadline = lane_of(2)
    tickets = [lane.try_admit(n, deadline) for n in range(2)]
    await lane.take()
    assert lane.abandon(Draining()) == 2
    for ticket in tickets:
        with pytest.raises(Draining):
            await ticket.result()


async def test_retry_after_follows_the_pace_of_the_work() -> None:
    clock = ManualClock()
    lane = Lane(10, clock)
    tickets = [lane.try_admit(n, Deadline.after(1e6, clock)) for n in range(10)]
    (running,) = await lane.take()
    clock.turn(7.0)
    assert lane.retry_after_s() == 9 * 7  # nothing is known yet but that one takes at least this long
    running.settle("done")
    for _ in range(4):
        (running,) = await lane.take()
        clock.turn(4.0)
        running.settle("done")
    assert lane.depth == 5
    assert lane.retry_after_s() == 20
    assert tickets[5].settled is False


async def test_a_batch_counts_as_many_settlements_and_not_as_many_instants() -> None:
    clock = ManualClock()
    lane = Lane(200, clock)
    for number in range(200):
        lane.try_admit(number, Deadline.after(1e6, clock))
    for _ in range(4):
        batch = await lane.take(32)
        clock.turn(1.6)
        for ticket in batch:
            ticket.settle("done")
    assert lane.depth == 72
    assert lane.retry_after_s() == 4  # 72 tickets at 20 a second


async def test_a_stall_never_refuses_those_who_could_be_served_now() -> None:
    clock = ManualClock()
    lane = Lane(10, clock)
    for number in range(5):
        lane.try_admit(number, Deadline.after(100, clock))
    (lost,) = await lane.take(1)
    clock.turn(3.0)  # its worker died, and came back
    lost.fail(WorkFailed())
    (served,) = await lane.take(1)
    clock.turn(0.01)
    served.settle("done")
    for ticket in await lane.take(8):
        ticket.settle("done")
    assert lane.depth == 0
    first = lane.try_admit(0, Deadline.after(0.25, clock))
    second = lane.try_admit(1, Deadline.after(0.25, clock))
    assert not first.settled
    assert not second.settled


async def test_an_old_pace_is_nothing_to_refuse_on() -> None:
    clock = ManualClock()
    lane = Lane(10, clock)
    for number in range(4):
        lane.try_admit(number, Deadline.after(100, clock))
    for _ in range(3):
        (running,) = await lane.take(1)
        clock.turn(2.0)
        running.settle("done")
    with pytest.raises(QueueFull):  # one waits, two seconds each: a quarter of one is not enough
        lane.try_admit(9, Deadline.after(0.25, clock))
    clock.turn(6.5)  # three times the gap that it was made from
    lane.try_admit(9, Deadline.after(0.25, clock))


@given(capacity=st.integers(-5, 0))
def test_a_lane_without_places_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Lane(capacity, ManualClock())


async def test_the_pace_of_long_batches_is_known_until_the_next_one() -> None:
    clock = ManualClock()
    lane = Lane(64, clock)
    for _ in range(40):
        lane.try_admit(0, Deadline.after(60, clock))
    for _ in range(2):
        batch = lane.take_now(10)
        clock.turn(2.0)
        for ticket in batch:
            ticket.settle("done")
    clock.turn(1.9)  # 0.2 s each, and twenty of them wait
    assert not lane.has_room(0, 3.0)
    assert lane.has_room(0, 5.0)
    clock.turn(10.0)  # nothing has come out of it for so long that something else is the matter
    assert lane.has_room(0, 3.0)
    lane.abandon(WorkFailed())


@pytest.mark.parametrize(
    ("each_s", "then_s"), [(0.0005, 0.0005), (0.002, 0.002), (0.005, 0.005), (0.008, 0.008), (0.002, 0.009)]
)
async def test_under_overload_slow_work_is_done_long_before_its_deadline(each_s: float, then_s: float) -> None:
    """Twice as much comes as one worker can do, in batches of 32, and everybody waits a second at most.

    What runs when its deadline passes is worked to its end all the same. After 4 s the work may become slower.
    """
    clock = ManualClock()
    lane = Lane(512, clock, shedding=Shedding(clock), until_done=True)
    took: list[float] = []
    late, free_at, work_s, batch = 0, 0.0, 0.0, list[Ticket[int, str]]()
    while (now := clock.monotonic()) < 12:
        pace_s = each_s if now < 4 else then_s
        for ticket in [*lane._waiting, *(each for each in batch if not each.settled)]:
            if ticket.deadline.at <= now:
                late += now > 8  # until then it learns its pace, and that it is pressed
                ticket.fail(DeadlineExceeded())
        if now >= free_at:
            took += [now - ticket.admitted_at for ticket in batch if ticket.settle("done") and now > 8]
            batch = lane.take_now(32)
            free_at = now + pace_s * len(batch)
            work_s += pace_s * len(batch) if now > 8 else 0
        if lane.has_room(0, 1.0):
            lane.try_admit(0, Deadline.after(1.0, clock))
        clock.turn(pace_s / 2)
    assert late == 0
    assert sorted(took)[int(0.95 * len(took))] < 0.8
    assert work_s > 0.95 * 4  # the worker had something to do all the time
    lane.abandon(WorkFailed())


class LaneMachine(RuleBasedStateMachine):
    """Any order of admitting, taking, settling and leaving: the bound holds and every ticket settles exactly once."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.lane = Lane(3, self.clock)
        self.outcomes: dict[Ticket[int, str], int] = {}

    def teardown(self) -> None:
        left = self.lane.abandon(Draining())
        assert left == sum(count == 0 for count in self.outcomes.values())
        assert self.lane.depth == self.lane.statistics().running == 0
        self.loop.close()

    def run(self, work: object) -> None:
        async def inside() -> None:
            if callable(work):
                work()

        self.loop.run_until_complete(inside())

    @precondition(lambda self: not self.lane.full)
    @rule(target=tickets)
    def admit(self) -> Ticket[int, str]:
        admitted: list[Ticket[int, str]] = []
        self.run(lambda: admitted.append(self.lane.try_admit(0, Deadline.after(60, self.clock))))
        self.outcomes[admitted[0]] = 0
        return admitted[0]

    @precondition(lambda self: self.lane.full)
    @rule()
    def refuse(self) -> None:
        def refused() -> None:
            with pytest.raises(QueueFull):
                self.lane.try_admit(0, Deadline.after(60, self.clock))

        self.run(refused)

    @precondition(lambda self: self.lane.depth > 0)
    @rule(at_most=st.integers(1, 4))
    def take(self, at_most: int) -> None:
        waiting = self.lane.depth
        taken = self.loop.run_until_complete(self.lane.take(at_most))
        assert len(taken) == min(at_most, waiting)

    @rule(ticket=tickets, value=st.text(max_size=2))
    def settle(self, ticket: Ticket[int, str], value: str) -> None:
        self.outcomes[ticket] += self._tried(lambda: ticket.settle(value))

    @rule(ticket=consumes(tickets), error=st.sampled_from([DeadlineExceeded(), WorkFailed()]))
    def fail(self, ticket: Ticket[int, str], error: SluiceError) -> None:
        self.outcomes[ticket] += self._tried(lambda: ticket.fail(error))

    def _tried(self, settle: object) -> bool:
        took: list[bool] = []
        self.run(lambda: took.append(bool(settle()) if callable(settle) else False))
        return took[0]

    @invariant()
    def depth_never_exceeds_the_bound(self) -> None:
        assert self.lane.depth <= self.lane.capacity

    @invariant()
    def every_ticket_settles_at_most_once(self) -> None:
        assert all(count == ticket.settled for ticket, count in self.outcomes.items())

    @invariant()
    def the_books_balance(self) -> None:
        books = self.lane.statistics()
        assert books.admitted == sum(
            (
                *(books.depth, books.running, books.completed, books.invalid),
                *(books.failed, books.expired, books.abandoned),
            )
        )


TestLaneMachine = pytest.mark.filterwarnings("default")(LaneMachine.TestCase)
TestLaneMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
