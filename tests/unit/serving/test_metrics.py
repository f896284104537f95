"""What every service's metrics promise: nothing is said that is not known, and a scrape does not hold the loop."""

import asyncio
import time

import pytest
from prometheus_client import generate_latest

from serving.described import Label
from serving.lifecycle import Lifecycle
from serving.loop_lag import LoopLag
from serving.metrics import Metrics
from serving.readings import LabelledReading, Reading
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio


async def test_a_scrape_is_the_whole_exposition() -> None:
    metrics = Metrics()
    metrics.counter("drops_total", "Fell.", "where").labels("here").inc()
    metrics.read(Reading("level", "How full.", lambda: 2.0))
    many = metrics.histogram("many_seconds", "Of many routes.", "route")
    for route in range(20):
        many.labels(f"/{route}").observe(route)
    told = await metrics.scrape()
    metrics.resources.close()
    alone = [line for line in told.decode().splitlines() if "many_seconds" in line]
    assert alone == [line for line in metrics.exposition().decode().splitlines() if "many_seconds" in line]
    names = [line.split()[2] for line in told.decode().splitlines() if line.startswith("# TYPE")]
    assert names == [
        line.split()[2] for line in generate_latest(metrics.registry).decode().splitlines() if "# TYPE" in line
    ]
    assert b'drops_total{where="here"} 1.0' in told


async def test_the_loop_goes_round_while_a_scrape_is_written() -> None:
    metrics, turns = Metrics(), 0
    for number in range(50):
        made = metrics.histogram(f"h{number}_seconds", "Many.", "route")
        for route in range(20):
            made.labels(f"/{route}").observe(0.1)
    await metrics.scrape()  # the look at the process's files lets the loop go round as well: it is begun here

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    metrics.exposition()
    await asyncio.sleep(0)
    in_one_piece = turns
    writing = asyncio.create_task(metrics.scrape())
    longest, before = 0.0, time.thread_time()  # of this thread: a machine that is busy elsewhere does not count
    while not writing.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    counting.cancel()
    metrics.resources.close()
    begun = time.thread_time()
    metrics.exposition()
    whole = time.thread_time() - begun
    assert in_one_piece <= 1
    assert turns > 20
    assert longest < whole / 2


def test_a_reading_that_knows_nothing_has_no_sample() -> None:
    metrics = Metrics()
    metrics.read(
        Reading("tank_seconds", "How long.", lambda: None),
        Reading("fallen", "How many.", lambda: None, "counter"),
        LabelledReading("tanks", "How many.", (Label("where", of="places"),), lambda: {}),
    )
    told = metrics.exposition().decode()
    for name in ("tank_seconds", "fallen_total", "tanks"):
        assert f"# HELP {name} " in told
        assert not any(line.startswith(name) for line in told.splitlines())


def test_a_counter_whose_values_are_known_is_there_before_its_first_event() -> None:
    metrics = Metrics()
    metrics.counter("drops_total", "Fell.", Label("where", ("here", "there")), Label("how", ("fast",)))
    metrics.counter("open_total", "Fell.", Label("where", ("here",)), Label("code", of="anything"))
    told = metrics.exposition().decode()
    assert 'drops_total{how="fast",where="here"} 0.0' in told
    assert 'drops_total{how="fast",where="there"} 0.0' in told
    assert "\nopen_total{" not in told


def test_of_a_counter_whose_values_are_not_all_known_some_are_there_early() -> None:
    metrics = Metrics()
    known = Label("lane", ("callers", "claims"))
    drops = metrics.counter("drops_total", "Fell.", known, Label("code", of="anything", early=("full", "closed")))
    told = metrics.exposition().decode()
    assert told.count("\ndrops_total{") == 4
    assert 'drops_total{code="closed",lane="claims"} 0.0' in told
    drops.labels("claims", "new").inc()
    assert 'drops_total{code="new",lane="claims"} 1.0' in metrics.exposition().decode()


def test_everything_that_is_exported_is_described() -> None:
    metrics = Metrics()
    metrics.about("chat", "1.2.3", "")
    metrics.watch_process(LoopLag(ManualClock()), Lifecycle(), ("tired",))
    assert len({metric.name for metric in metrics.described}) == len(metrics.described)
    assert {metric.name.removesuffix("_total") for metric in metrics.described} == set(metrics.names())


def test_what_runs_here_is_told_and_so_is_that_nobody_said_what_was_built() -> None:
    metrics = Metrics()
    metrics.about("chat", "1.2.3", "")
    assert 'service_info{revision="unknown",service="chat",version="1.2.3"} 1.0' in metrics.exposition().decode()


def test_reasons_of_a_degraded_process_come_and_go() -> None:
    metrics, life = Metrics(), Lifecycle()
    metrics.watch_process(LoopLag(ManualClock()), life, ("tired", "alone"))
    life.degrade("tired")
    assert metrics.registry.get_sample_value("service_degraded", {"reason": "tired"}) == 1
    assert metrics.registry.get_sample_value("service_degraded", {"reason": "alone"}) == 0
    life.restore("tired")
    assert metrics.registry.get_sample_value("service_degraded", {"reason": "tired"}) == 0


async def test_every_measurement_of_the_loop_is_kept_and_not_the_last_alone() -> None:
    class Late(ManualClock):
        def __init__(self) -> None:
            super().__init__()
            self.sleeps = iter((2.1, 0.1, 0.1))

        async def sleep(self, seconds: float) -> None:
            took = next(self.sleeps, None)
            if took is None:
                await asyncio.Event().wait()
            self.turn(took or 0.0)

    metrics, clock = Metrics(), Late()
    lag = LoopLag(clock, every_s=0.1)
    metrics.watch_process(lag, Lifecycle(), ())
    async with lag:
        for _ in range(10):
            await asyncio.sleep(0)
    sample = metrics.registry.get_sample_value
    assert sample("event_loop_lag_seconds") == pytest.approx(0, abs=1e-6)
    assert sample("event_loop_delay_seconds_count") == 3
    assert sample("event_loop_delay_seconds_bucket", {"le": "1.0"}) == 2
