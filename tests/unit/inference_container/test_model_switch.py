import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_container.errors import BundleRefused, GoldenMismatch
from inference_container.forecasting.messages import ServedModel
from inference_container.services.ports import BatchOutcome
from serving.errors import ChildDied, InvalidInput, NotReady
from serving.lifecycle import State
from tests.fakes.pool import FakePool
from tests.unit.inference_container.switch_house import answered_by, house
from tests.unit.until import until

pytestmark = pytest.mark.anyio


async def test_a_batch_that_runs_finishes_on_the_model_it_started_with(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        running = h.start()
        new = await h.activate("b")
        old = h.pools[0]
        after = h.start()
        assert (len(old.running), len(new.running)) == (1, 1)
        assert not old.closed
        new.finish()
        old.finish()
        assert (answered_by(running), answered_by(after)) == ("a", "b")
        await until(lambda: old.closed)
        await until(lambda: h.copies == ["b"])
        assert h.models == ["a", "b"]


async def test_nothing_goes_to_a_candidate_before_all_of_it_can_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        task, candidate = await h.activating("b")
        rooms = h.rooms
        assert h.switch.model is not None
        assert (h.switch.model.bundle_id, h.switch.idle) == ("a", 2)
        h.start()
        assert candidate.running == []
        candidate.load()
        await task
        assert h.rooms > rooms  # who waited behind a busy old pool hears of the new one
        assert h.switch.model.bundle_id == "b"
        h.pools[0].finish()


async def test_what_is_served_at_the_start_never_replaces_what_somebody_activated_meanwhile(tmp_path: Path) -> None:
    async with house(tmp_path, serving=None) as h:
        task, candidate = await h.activating("b")
        serve = asyncio.create_task(h.switch.serve(h.bundle("a")))
        await asyncio.sleep(0)
        candidate.load()
        await task
        await serve
        assert h.models == ["b"]
        assert h.switch.model is not None
        assert h.switch.model.bundle_id == "b"


@pytest.mark.parametrize("refusal", [GoldenMismatch("other numbers"), BundleRefused("not ours")])
async def test_a_refused_candidate_leaves_the_old_model_as_it_was(tmp_path: Path, refusal: BundleRefused) -> None:
    async with house(tmp_path) as h:
        running = h.start()
        task, candidate = await h.activating("b")
        candidate.refuse(refusal)
        with pytest.raises(type(refusal)):
            await task
        assert candidate.closed
        assert h.copies == ["a"]
        assert (h.life.state, h.models) == (State.READY, ["a"])
        h.pools[0].finish()
        assert answered_by(running) == "a"
        await h.activate("c")  # and the next good one is taken


async def test_a_candidate_whose_workers_keep_dying_is_given_up(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        task, candidate = await h.activating("b")
        candidate.die(in_row=1)
        candidate.die(in_row=5)
        with pytest.raises(ChildDied):
            await task
        assert candidate.closed
        assert (h.life.state, h.life.degraded) == (State.READY, frozenset())
        assert h.switch.statistics().restarts == 0


async def test_a_folder_that_is_not_there_is_refused_before_a_pool_is_made(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        with pytest.raises(BundleRefused):
            await h.switch.activate(tmp_path / "nowhere")
        assert len(h.pools) == 1
        assert h.copies == ["a"]


async def test_two_activations_come_one_after_the_other_and_the_last_one_serves(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        first, candidate = await h.activating("b")
        second = asyncio.create_task(h.switch.activate(h.bundle("c")))
        await asyncio.sleep(0.02)
        assert len(h.pools) == 2
        candidate.load()
        assert (await first).bundle_id == "b"
        await until(lambda: len(h.pools) == 3 and h.pools[2].opened)
        h.pools[2].load()
        assert (await second).bundle_id == "c"
        assert h.models == ["a", "b", "c"]
        await until(lambda: h.copies == ["c"])


async def test_an_activation_that_is_called_off_leaves_nothing_behind(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        task, candidate = await h.activating("b")
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert candidate.closed
        assert h.copies == ["a"]
        assert h.switch.model is not None
        assert h.switch.model.bundle_id == "a"


async def test_no_activation_begins_while_the_process_goes_down(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.life.to(State.DRAINING)
        with pytest.raises(NotReady):
            await h.switch.activate(h.bundle("b"))
        assert len(h.pools) == 1


async def test_a_candidate_that_is_ready_too_late_is_closed_and_never_serves(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        task, candidate = await h.activating("b")
        h.life.to(State.DRAINING)
        candidate.load()
        with pytest.raises(NotReady):
            await task
        assert candidate.closed
        assert h.models == ["a"]


async def test_the_end_waits_for_no_batch_and_each_one_is_told(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        before = h.start()
        await h.activate("b")
        after = h.start()
        h.life.to(State.DRAINING)
        h.pools[0].finish()
    assert answered_by(before) == "a"
    assert [type(outcome) for outcome in after] == [ChildDied]


async def test_restarts_are_summed_over_all_models(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.pools[0].die()
        h.pools[0].load()
        new = await h.activate("b")
        new.die(in_row=2)
        assert h.switch.statistics().restarts == 3


async def test_another_number_of_workers_holds_for_the_next_model_too(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        assert await h.switch.scale(3) == (2, 3)
        assert h.pools[0].wanted == 3
        assert (await h.activate("b")).wanted == 3


async def test_a_model_on_the_event_loop_and_no_model_have_no_number(tmp_path: Path) -> None:
    async with house(tmp_path, workers=0) as h:
        with pytest.raises(InvalidInput):
            await h.switch.scale(2)
    async with house(tmp_path, serving=None) as h:
        with pytest.raises(NotReady):
            await h.switch.scale(2)


#: What may come between two batches.
STEPS = st.lists(st.sampled_from(("start", "finish", "good", "refused", "dies", "called off")), max_size=25)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_happens_a_batch_is_always_answered_once_by_the_model_it_started_with(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    async with house(tmp_path_factory.mktemp("switch")) as h:
        expected: list[tuple[str, list[BatchOutcome]]] = []

        async def called_off(task: "asyncio.Task[ServedModel]", _: FakePool) -> None:
            task.cancel()

        async def refused(_: "asyncio.Task[ServedModel]", candidate: FakePool) -> None:
            candidate.refuse(GoldenMismatch())

        async def good(_: "asyncio.Task[ServedModel]", candidate: FakePool) -> None:
            candidate.load()

        async def dies(_: "asyncio.Task[ServedModel]", candidate: FakePool) -> None:
            candidate.die(in_row=5)

        fates: dict[str, Callable[[asyncio.Task[ServedModel], FakePool], Awaitable[None]]]
        fates = {"called off": called_off, "refused": refused, "good": good, "dies": dies}
        for number, step in enumerate(steps):
            if step == "start" and h.switch.idle and h.switch.model is not None:
                expected.append((h.switch.model.bundle_id, h.start()))
            elif step == "finish":
                next((pool.finish for pool in h.pools if pool.running), lambda: None)()
            elif step in fates:
                task, candidate = await h.activating(f"m{number}")
                await fates[step](task, candidate)
                with suppress(GoldenMismatch, ChildDied, asyncio.CancelledError):
                    await task
        for pool in h.pools:
            while pool.running:
                pool.finish()
        assert [answered_by(outcomes) for _, outcomes in expected] == [model for model, _ in expected]
        await until(lambda: len(h.copies) == 1)
