import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.claims.deadlines import ClaimDeadline, milliseconds
from inference_container.claims.desk.door import LOOK_S, Door, Pass
from inference_container.claims.retries import RetryPolicy
from inference_container.errors import StoreUnavailable
from inference_container.metrics_claims import ClaimMetrics
from serving.errors import DeadlineExceeded
from serving.metrics import Metrics
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio

RETRIES = RetryPolicy(first_s=0.1, longest_s=0.8)


class Caller:
    """A guest that counts how often it is told that it waits."""

    def __init__(self, deadline: ClaimDeadline | None = None) -> None:
        self.deadline = deadline
        self.told = 0

    def held(self) -> None:
        self.told += 1


class Street:
    def __init__(self, most: int = 0) -> None:
        self.clock = ManualClock()
        self.metrics = ClaimMetrics(Metrics())
        # With chance 1 a pause is as long as it may be.
        self.door = Door(RETRIES, self.metrics, self.clock, lambda: 1.0, (lambda: most) if most else None)

    def call(self, guest: Caller | None = None, alone: bool = False) -> "asyncio.Task[Pass]":
        return asyncio.create_task(self.door.enter(guest or Caller(), alone))

    async def passes(self, seconds: float) -> None:
        """Time passes in small steps, and everybody has the time to notice."""
        for _ in range(round(seconds / 0.05)):
            await turns()
            self.clock.turn(0.05)
        await turns()

    async def shut(self) -> None:
        self.door.failed(await self.door.enter(Caller()), StoreUnavailable())


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def street(most: int = 0) -> AsyncIterator[Street]:
    made = Street(most)
    try:
        yield made
    finally:
        made.door.close()


async def test_an_open_door_lets_in_as_many_as_it_may_and_the_next_when_one_leaves() -> None:
    async with street(most=2) as here:
        first, _, third, fourth = here.call(), here.call(), here.call(), here.call()
        await turns()
        assert (here.door.inside, here.door.waiting) == (2, 2)
        here.door.leave(first.result())
        await turns()
        assert third.done()
        assert not fourth.done()
        fourth.cancel()


async def test_one_who_is_alone_waits_for_the_others_and_keeps_later_ones_out() -> None:
    async with street() as here:
        first = await here.door.enter(Caller())
        alone, later = here.call(alone=True), here.call()
        await turns()
        assert not alone.done()
        assert not later.done(), "or a stream of others would keep it out for ever"
        here.door.leave(first)
        await turns()
        assert alone.done()
        assert not later.done()
        here.door.leave(alone.result())
        await turns()
        assert later.done()


async def test_nobody_waits_for_one_who_gave_up() -> None:
    async with street() as here:
        first = await here.door.enter(Caller())
        alone, later = here.call(alone=True), here.call()
        await turns()
        alone.cancel()
        await turns()
        assert later.done()
        assert first.inside


async def test_one_who_gives_up_in_the_moment_it_is_let_in_leaves_its_place() -> None:
    async with street(most=1) as here:
        first = await here.door.enter(Caller())
        second, third = here.call(), here.call()
        await turns()
        here.door.leave(first)
        second.cancel()
        await turns()
        assert second.cancelled()
        assert third.done()


async def test_a_failure_shuts_it_for_all_and_says_why() -> None:
    async with street() as here:
        guest = Caller()
        await here.shut()
        waiting = here.call(guest)
        await turns()
        assert here.door.why == "store_unavailable: The object store did not answer; try again later."
        assert not waiting.done()
        assert guest.told == 1
        assert here.metrics.holds.labels("store_unavailable").value == 1
        waiting.cancel()


async def test_those_in_line_when_it_shuts_are_told() -> None:
    async with street(most=1) as here:
        inside, guest = await here.door.enter(Caller()), Caller()
        waiting = here.call(guest)
        await turns()
        assert guest.told == 0
        here.door.failed(inside, StoreUnavailable())
        assert guest.told == 1
        waiting.cancel()


async def test_after_the_pause_one_probes_and_its_answer_opens_for_all() -> None:
    async with street() as here:
        await here.shut()
        calls = [here.call() for _ in range(5)]
        await here.passes(0.05)
        assert not any(call.done() for call in calls)
        await here.passes(0.1)
        assert [call.done() for call in calls] == [True, False, False, False, False]
        assert here.door.why is not None, "nothing is known yet"
        here.door.answered(calls[0].result())
        await turns()
        assert all(call.done() for call in calls)
        assert here.door.why is None


async def test_each_probe_that_fails_makes_the_pause_longer_up_to_a_bound_and_goes_to_the_end_of_the_line() -> None:
    async with street() as here:
        await here.shut()
        pauses, probes = [], []
        waiting = {number: here.call() for number in range(3)}
        for _ in range(6):
            begun = here.clock.monotonic()
            while not any(call.done() for call in waiting.values()):
                await here.passes(0.05)
            probe = next(number for number, call in waiting.items() if call.done())
            pauses.append(here.clock.monotonic() - begun)
            probes.append(probe)
            here.door.failed(waiting[probe].result(), StoreUnavailable())
            waiting[probe] = here.call()
            await turns()
        assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.8, 0.8], abs=LOOK_S / 2 + 0.01)
        assert probes == [0, 1, 2, 0, 1, 2], "one that fails for itself does not keep the others out"
        for call in waiting.values():
            call.cancel()
        assert here.metrics.holds.labels("store_unavailable").value == 1, "it was one outage"


async def test_after_an_answer_the_pause_is_short_again() -> None:
    async with street() as here:
        await here.shut()
        for _ in range(3):
            probe = here.call()
            await here.passes(1.0)
            here.door.failed(probe.result(), StoreUnavailable())
        probe = here.call()
        await here.passes(1.0)
        here.door.answered(probe.result())
        await here.shut()
        waiting = here.call()
        await here.passes(0.15)
        assert waiting.done()


async def test_a_probe_that_learns_nothing_is_followed_by_the_next_at_once() -> None:
    async with street() as here:
        await here.shut()
        first, second = here.call(), here.call()
        await here.passes(0.15)
        here.door.leave(first.result())
        await turns()
        assert second.done()
        assert here.door.why is not None


async def test_a_probe_that_gives_up_before_it_knows_is_followed_by_the_next() -> None:
    async with street() as here:
        await here.shut()
        first, second = here.call(), here.call()
        await turns()
        here.clock.turn(0.2)
        for _ in range(10):
            if here.door.inside:
                break
            await asyncio.sleep(0)
        assert not first.done()
        first.cancel()  # it does not know yet that it was let in
        await turns()
        assert first.cancelled()
        assert second.done()


async def test_those_inside_when_it_shut_neither_open_it_nor_make_the_pause_longer() -> None:
    async with street() as here:
        inside = [await here.door.enter(Caller()) for _ in range(4)]
        await here.shut()
        here.door.answered(inside[0])
        assert here.door.why is not None, "what was answered had been asked before"
        here.door.failed(inside[1], StoreUnavailable())
        probe, later = here.call(), here.call()
        await here.passes(0.15)
        assert probe.done()
        here.door.answered(probe.result())
        await turns()
        assert later.done()
        here.door.failed(inside[2], StoreUnavailable())
        assert here.door.why is None, "that was before it opened"


async def test_with_nobody_in_line_the_hold_ends_by_itself_and_the_next_guest_probes() -> None:
    async with street() as here:
        await here.shut()
        await here.passes(0.05)
        assert here.door.why is not None
        await here.passes(0.15)
        assert here.door.why is None
        probe, behind = here.call(), here.call()
        await turns()
        assert probe.done()
        assert not behind.done()
        here.door.failed(probe.result(), StoreUnavailable())
        assert here.door.why is not None
        behind.cancel()


async def test_all_in_line_gone_the_hold_ends_by_itself() -> None:
    async with street() as here:
        await here.shut()
        waiting = [here.call() for _ in range(3)]
        await turns()
        for call in waiting:
            call.cancel()
        await here.passes(0.2)
        assert here.door.why is None
        assert here.door.waiting == 0


@pytest.mark.parametrize("probing", [False, True])
async def test_who_waits_before_a_shut_door_notices_its_deadline(probing: bool) -> None:
    async with street() as here:
        await here.shut()
        if probing:
            probe = here.call()
            await here.passes(0.3)
            assert probe.done()
        late = here.call(Caller(ClaimDeadline(milliseconds(here.clock) + 50)))
        patient = here.call(Caller(ClaimDeadline(milliseconds(here.clock) + 5000)))
        await here.passes(0.05 + LOOK_S)
        with pytest.raises(DeadlineExceeded):
            await late
        if probing:
            assert not patient.done()
            patient.cancel()


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["call", "alone", "cancel", "leave", "answer", "fail", "wait"]), st.integers(0, 9)),
        max_size=60,
    ),
    most=st.integers(0, 3),
)
async def test_never_more_inside_than_may_be_never_anybody_beside_one_alone_and_nobody_is_forgotten(
    steps: list[tuple[str, int]], most: int
) -> None:
    async with street(most) as here:
        calls: list[asyncio.Task[Pass]] = []
        inside: list[Pass] = []

        async def settle() -> None:
            await turns()
            for call in [each for each in calls if each.done()]:
                calls.remove(call)
                if not call.cancelled():
                    inside.append(call.result())
            assert here.door.inside == len(inside)
            assert not most or len(inside) <= most
            assert len(inside) == 1 or not any(place.alone for place in inside)

        for step, number in steps:
            match step:
                case "call" | "alone":
                    calls.append(here.call(alone=step == "alone"))
                case "cancel" if calls:
                    calls[number % len(calls)].cancel()
                case "leave" if inside:
                    here.door.leave(inside.pop(number % len(inside)))
                case "answer" if inside:
                    here.door.answered(inside.pop(number % len(inside)))
                case "fail" if inside:
                    here.door.failed(inside.pop(number % len(inside)), StoreUnavailable())
                case "wait":
                    await here.passes(0.1)
            await settle()
        for _ in range(len(steps) + 5):
            while inside:
                here.door.answered(inside.pop())
                await settle()
            await here.passes(0.9)
            await settle()
        assert not calls
        assert here.door.inside == 0
        assert here.door.why is None
