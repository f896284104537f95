"""Confinement, frames, the heap, the loop's lag: rooms too small for a file each."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.background import in_background
from serving.confinement import Confined
from serving.frames import FrameReader, encode
from serving.loop_lag import LoopLag
from serving.metrics import Metrics
from serving.readings import Reading
from tests.fakes.clock import ManualClock
from tests.unit.until import until


@given(messages=st.lists(st.binary(max_size=300), max_size=6), cuts=st.lists(st.integers(1, 200), max_size=30))
def test_frames_arrive_whole_and_in_order_however_the_bytes_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(encode(m) for m in messages)
    reader, got, at = FrameReader(), list[object](), 0
    for cut in [*cuts, len(stream)]:
        got.extend(reader.feed(stream[at : at + cut]))
        at += cut
    assert got == messages


@pytest.mark.anyio
async def test_a_confined_object_is_made_used_and_closed_on_one_thread() -> None:
    seen: list[int] = []

    def note(_: object = None) -> None:
        seen.append(threading.get_ident())

    def make() -> int:
        note()
        return 42

    confined = await Confined.open(make, "test", close=note)
    assert await confined.call(lambda made: made) == 42
    await confined.call(note)
    await confined.aclose()
    await confined.aclose()
    assert len(seen) == 3
    assert set(seen) != {threading.get_ident()}
    assert len(set(seen)) == 1


@pytest.mark.anyio
async def test_a_confined_object_that_can_not_be_made_leaves_no_thread() -> None:
    before = threading.active_count()
    broken: Callable[[], int] = lambda: 1 // 0  # noqa: E731 - one expression that raises
    with pytest.raises(ZeroDivisionError):
        await Confined.open(broken, "test")
    await until(lambda: threading.active_count() <= before)


@pytest.mark.anyio
async def test_loop_lag_reports_by_how_much_a_sleep_was_late() -> None:
    clock = ManualClock()
    async with LoopLag(clock, every_s=0.1) as lag:
        await asyncio.sleep(0)
        clock.turn(0.35)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert lag.statistics().last_ms == pytest.approx(250)
        clock.turn(0.1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert lag.statistics().last_ms == pytest.approx(0, abs=1e-6)
        assert lag.statistics().max_ms == pytest.approx(250)
        assert lag.statistics().avg_ms == pytest.approx(125)


def test_garbage_is_looked_for_again_once_the_heap_is_settled() -> None:
    """In a process of its own: what is frozen stays so."""
    code = (
        "import gc; from serving.heap import defer_collections, settle_heap\n"
        "defer_collections(); assert not gc.isenabled()\n"
        "settle_heap(); assert gc.isenabled() and gc.get_freeze_count() > 1000"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_reading_is_read_at_the_scrape() -> None:
    metrics, level = Metrics(), [1.0]
    metrics.read(Reading("tank_level", "How full.", lambda: level[0]), Reading("drops", "Fell.", lambda: 9, "counter"))
    assert b"tank_level 1.0" in metrics.exposition()
    level[0] = 2.0
    assert b"tank_level 2.0" in metrics.exposition()
    assert b"drops_total 9.0" in metrics.exposition()


@pytest.mark.anyio
async def test_the_guard_of_this_suite_sees_a_blocked_loop() -> None:
    from blockbuster import BlockingError

    class Sleepy(ManualClock):
        def monotonic(self) -> float:
            time.sleep(0.001)
            return 0.0

    # The frames between the sleep and the loop must run through our packages for the guard to speak.
    lag = LoopLag(Sleepy())
    with pytest.raises(BlockingError):
        await lag._measure()


@pytest.mark.anyio
async def test_a_task_that_nobody_awaits_does_not_die_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise LookupError("nobody thought of this")

    task = in_background(work(), "gardener")
    with caplog.at_level("ERROR"):
        await asyncio.wait([task])
        await asyncio.sleep(0)
    (line,) = caplog.records
    assert line.message == "unexpected_error"
    assert "gardener: test_small_rooms.py:" in str(vars(line))


@pytest.mark.anyio
async def test_a_task_that_is_cancelled_has_nothing_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    task = in_background(asyncio.sleep(60), "gardener")
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert caplog.records == []
