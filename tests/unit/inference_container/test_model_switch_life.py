"""What the lifecycle tells of a model and its workers, and what a shadow may do beside them."""

from pathlib import Path

import pytest

from inference_container.errors import BundleRefused, GoldenMismatch
from inference_container.services.ports import BatchOutcome
from serving.errors import ChildDied
from serving.lifecycle import State
from tests.fakes.pool import FakePool
from tests.unit.inference_container.switch_house import House, answered_by, house

pytestmark = pytest.mark.anyio


async def test_the_lifecycle_tells_of_the_first_load(tmp_path: Path) -> None:
    async with house(tmp_path, serving=None) as h:
        assert (h.switch.model, h.switch.idle, h.switch.statistics().workers) == (None, 0, 0)
        await h.switch.serve(h.bundle("a"))
        seen = [h.life.state]
        for phase in ("importing", "reading", "warming"):
            h.pools[0].progress(phase)
            seen.append(h.life.state)
        h.pools[0].load()
        assert [*seen, h.life.state] == [
            *(State.LOADING, State.LOADING, State.LOADING, State.WARMING, State.READY),
        ]


async def test_a_first_bundle_that_is_refused_fails_the_process_until_a_good_one_is_activated(tmp_path: Path) -> None:
    async with house(tmp_path, serving=None) as h:
        await h.switch.serve(h.bundle("a"))
        h.pools[0].refuse(GoldenMismatch("other numbers"))
        seen = [(h.life.state, h.life.reason)]
        h.pools[0].progress("importing")  # one more try is no news
        seen.append((h.life.state, h.life.reason))
        await h.activate("b")
        failed = (State.FAILED, "golden_mismatch: other numbers")
        assert [*seen, (h.life.state, h.life.reason)] == [failed, failed, (State.READY, None)]


async def test_a_first_bundle_that_is_not_there_fails_the_process(tmp_path: Path) -> None:
    async with house(tmp_path, serving=None) as h:
        await h.switch.serve(tmp_path / "nowhere")
        assert h.life.state is State.FAILED
        assert (h.life.reason or "").startswith("bundle_refused")
        assert await h.activate("b")


async def test_a_dead_worker_degrades_and_a_loaded_one_restores(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        batch = h.start()
        h.pools[0].die()
        assert [type(outcome) for outcome in batch] == [ChildDied]
        assert (h.life.state, h.life.degraded) == (State.READY, frozenset({"worker_restarting"}))
        h.pools[0].load()
        assert (h.life.state, h.life.degraded) == (State.READY, frozenset())


async def test_workers_that_keep_dying_fail_the_process_until_one_lives(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.pools[0].die(in_row=5)
        states = [h.life.state]
        assert "SIGKILL" in (h.life.reason or "")
        h.pools[0].progress("importing")
        states.append(h.life.state)
        h.pools[0].load()
        assert [*states, h.life.state] == [State.FAILED, State.FAILED, State.READY]


async def test_what_befalls_a_pool_that_has_left_is_no_news(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.start()
        await h.activate("b")
        rooms = h.rooms
        h.pools[0].die(in_row=5)
        h.pools[0].refuse(BundleRefused("changed"))
        assert (h.life.state, h.life.degraded, h.rooms) == (State.READY, frozenset(), rooms)


async def shadowed(h: House) -> tuple[FakePool, list[tuple[BatchOutcome, BatchOutcome]]]:
    compared: list[tuple[BatchOutcome, BatchOutcome]] = []
    h.switch.on_shadow = lambda served, beside: compared.append((served, beside))
    await h.switch.shadow(h.bundle("s"))
    h.pools[-1].load()
    return h.pools[-1], compared


async def test_a_shadow_sees_a_batch_only_when_it_has_nothing_else_to_do(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        shadow, compared = await shadowed(h)
        first, second = h.start(), h.start()
        assert (shadow.wanted, len(shadow.running), len(h.pools[0].running)) == (1, 1, 2)
        h.pools[0].finish()
        h.pools[0].finish()
        assert (answered_by(first), answered_by(second)) == ("a", "a")
        assert compared == []
        shadow.finish()
        ((served, beside),) = compared
        assert (answered_by([served]), answered_by([beside])) == ("a", "s")


async def test_the_served_model_has_the_batch_before_the_shadow_has(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await shadowed(h)
        h.start()
        assert h.diary == ["a starts", "s starts"]
        h.pools[0].finish()


async def test_a_fast_shadow_answers_nobody(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        shadow, compared = await shadowed(h)
        outcomes = h.start()
        shadow.finish()
        assert outcomes == []
        assert compared == []
        h.pools[0].finish()
        assert answered_by(outcomes) == "a"
        assert len(compared) == 1


async def test_a_shadow_that_dies_or_is_refused_costs_nothing_but_its_answers(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        shadow, compared = await shadowed(h)
        outcomes = h.start()
        shadow.die(in_row=5)
        assert (h.life.state, h.life.degraded) == (State.READY, frozenset())
        h.pools[0].finish()
        assert answered_by(outcomes) == "a"
        assert [type(beside) for _, beside in compared] == [ChildDied]
        h.start()
        assert shadow.running == []
        h.pools[0].finish()
        assert h.switch.statistics().restarts == 0


async def test_a_shadow_that_is_not_there_is_forgotten(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.switch.shadow(tmp_path / "nowhere")
        assert h.switch.shadow_model is None
        assert h.life.state is State.READY
        h.start()
        h.pools[0].finish()


async def test_a_loaded_shadow_is_told_of_so_that_metrics_can_name_it(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        told = len(h.models)
        await shadowed(h)
        assert h.switch.shadow_model is not None
        assert h.models[told:] == ["a"]
