import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http.probes import readiness
from serving.lifecycle import IllegalTransition, Lifecycle, Progress, State

ANY = st.sampled_from(State)


@given(wishes=st.lists(ANY, max_size=12))
def test_a_process_that_began_to_go_down_never_comes_back(wishes: list[State]) -> None:
    life = Lifecycle()
    went_down = False
    for wish in wishes:
        try:
            life.to(wish)
        except IllegalTransition:
            continue
        went_down = went_down or life.state in (State.DRAINING, State.STOPPED)
        assert life.closing == went_down


@given(wishes=st.lists(ANY, max_size=12), percent=st.floats(0, 100))
def test_ready_is_the_only_state_that_readiness_answers_with_200(wishes: list[State], percent: float) -> None:
    life = Lifecycle()
    for wish in wishes:
        try:
            life.to(wish, "because")
        except IllegalTransition:
            continue
        if not life.ready:
            life.report(Progress("loading", percent))
        status, body = readiness(life)
        assert status == (200 if life.state is State.READY else 503)
        assert body["status"] == life.state.value


def test_readiness_tells_phase_and_percent_of_a_load() -> None:
    life = Lifecycle()
    life.report(Progress("downloading", 41.5, 12))
    assert readiness(life) == (
        503,
        {
            "status": "loading",
            "phase": "downloading",
            "percent": 41.5,
            "eta_s": 12,
            "message": "The model is not ready yet: downloading.",
        },
    )


def test_readiness_tells_why_a_load_failed() -> None:
    life = Lifecycle()
    life.to(State.FAILED, "sha256 does not match")
    assert readiness(life)[1]["message"] == "sha256 does not match"


def test_a_degraded_process_is_ready_and_says_what_it_lacks() -> None:
    life = Lifecycle()
    life.to(State.READY)
    life.degrade("engine_restarting")
    assert readiness(life) == (200, {"status": "ready", "degraded": ["engine_restarting"]})
    life.restore("engine_restarting")
    assert readiness(life) == (200, {"status": "ready"})


def test_a_late_report_of_a_load_changes_nothing_for_a_process_that_goes_down() -> None:
    life = Lifecycle()
    life.to(State.DRAINING)
    life.report(Progress("loading", 3))
    assert (life.state, life.progress) == (State.DRAINING, None)


@pytest.mark.anyio
async def test_until_returns_when_one_of_the_states_is_reached() -> None:
    life = Lifecycle()
    waiting = asyncio.create_task(life.until(State.READY, State.FAILED))
    await asyncio.sleep(0)
    life.to(State.LOADING)
    await asyncio.sleep(0)
    assert not waiting.done()
    life.to(State.READY)
    assert await waiting is State.READY
