"""Alarms on a loop whose time is turned, where every figure is exact, and on the loop that the services run on."""

import asyncio
import math
import selectors
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from serving.alarms import GRAIN_S, Alarms
from serving.clock import SystemClock
from tests.fakes.clock import ManualClock
from tests.unit.until import until

#: What adding up seconds as floats may cost.
ROUNDING_S = 1e-6
#: libuv counts timers in whole milliseconds.
TIMER_S = 0.001


class _Leaping(selectors.SelectSelector):
    """Waits by moving the clock on."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._clock.turn(timeout or 0.0)
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is to be done, its clock leaps to the next timer."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        super().__init__(_Leaping(self.clock))

    @override
    def time(self) -> float:
        return self.clock.monotonic()


class Sleeper:
    def __init__(self, clock: ManualClock | SystemClock, at: float) -> None:
        self.alarm_slot = 0
        self.at = at
        self.rung_at: list[float] = []
        self._clock = clock

    def ring(self) -> None:
        self.rung_at.append(self._clock.monotonic())


#: Seconds from now; many fall into the same slot, some stand on its edge, some have passed.
OFFSETS = st.one_of(st.floats(-0.01, 0.1), st.integers(-2, 20).map(lambda slots: slots * GRAIN_S))


def on_leaping_loop(start_s: float, offsets: Sequence[float], unset: Mapping[int, float]) -> list[Sleeper]:
    """Sets an alarm at each of `offsets`, takes those in `unset` out at their moments, and lets all time pass."""
    loop = LeapingLoop()
    try:

        async def night() -> list[Sleeper]:
            clock = loop.clock
            clock.turn(start_s)
            alarms: Alarms[Sleeper] = Alarms(clock)
            sleepers = [Sleeper(clock, clock.monotonic() + offset) for offset in offsets]
            for sleeper in sleepers:
                alarms.set(sleeper, sleeper.at)
            for number, after_s in unset.items():
                loop.call_later(after_s, alarms.unset, sleepers[number])
            await asyncio.sleep(1.0)
            return sleepers

        return loop.run_until_complete(night())
    finally:
        loop.close()


@given(start_s=st.floats(0, 1e5), offsets=st.lists(OFFSETS, min_size=1, max_size=40))
def test_an_alarm_always_rings_once_never_early_and_never_a_grain_late(start_s: float, offsets: list[float]) -> None:
    for sleeper, offset in zip(on_leaping_loop(start_s, offsets, {}), offsets, strict=True):
        (rung,) = sleeper.rung_at
        assert rung >= sleeper.at - ROUNDING_S
        due = max(sleeper.at, start_s) if offset < 0 else sleeper.at
        assert rung <= due + GRAIN_S + TIMER_S + ROUNDING_S


@given(data=st.data(), offsets=st.lists(st.floats(0.02, 0.1), min_size=2, max_size=30))
def test_an_alarm_taken_out_before_its_moment_never_rings_and_the_others_do(
    data: st.DataObject, offsets: list[float]
) -> None:
    out = data.draw(st.dictionaries(st.sampled_from(range(len(offsets))), st.floats(0, 0.019), max_size=len(offsets)))
    sleepers = on_leaping_loop(0.0, offsets, out)
    assert [len(sleeper.rung_at) for sleeper in sleepers] == [0 if at in out else 1 for at in range(len(offsets))]


def test_an_alarm_taken_out_twice_or_after_it_rang_changes_nothing() -> None:
    assert [len(sleeper.rung_at) for sleeper in on_leaping_loop(0.0, [0.01, 0.01, 0.02], {0: 0.5, 1: 0.6})] == [1, 1, 1]


async def rung(sleepers: Sequence[Sleeper]) -> list[float]:
    """How late each of them rang, seconds; negative is early."""
    alarms: Alarms[Sleeper] = Alarms(SystemClock())
    for sleeper in sleepers:
        alarms.set(sleeper, sleeper.at)
    await until(lambda: all(sleeper.rung_at for sleeper in sleepers))
    return [at - sleeper.at for sleeper in sleepers for at in sleeper.rung_at]


@pytest.mark.anyio
async def test_on_the_services_loop_each_alarm_rings_once_and_at_its_moment() -> None:
    clock = SystemClock()
    late = await rung([Sleeper(clock, clock.monotonic() + number * 0.0003) for number in range(200)])
    assert len(late) == 200
    assert min(late) >= 0


@pytest.mark.anyio
async def test_on_the_services_loop_no_alarm_rings_before_its_moment() -> None:
    clock = SystemClock()
    edge = math.ceil(clock.monotonic() / GRAIN_S)
    # At the edge of a slot nothing is left between the slot's end and the moment itself.
    late = [await rung([Sleeper(clock, (edge + number) * GRAIN_S)]) for number in range(5, 200, 5)]
    assert min(min(each) for each in late) >= 0
