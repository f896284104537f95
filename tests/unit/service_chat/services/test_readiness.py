import pytest

from service_chat.engines.protocol import EngineState, EngineStatus
from service_chat.services.readiness import GIVE_UP_AFTER, LOST_AFTER_S, RESTARTING, Liveness, follow_engine
from serving.http.probes import readiness
from serving.lifecycle import Lifecycle, Progress, State
from tests.fakes.clock import ManualClock


def after(*statuses: EngineStatus) -> Lifecycle:
    life = Lifecycle()
    for status in statuses:
        follow_engine(status, life)
    return life


LOADING = EngineStatus(EngineState.LOADING, Progress("loading", 50.0))
READY = EngineStatus(EngineState.READY)


def restarting(failures: int) -> EngineStatus:
    return EngineStatus(EngineState.RESTARTING, reason="killed", failures=failures)


def test_a_first_load_shows_its_progress() -> None:
    status, body = readiness(after(LOADING))
    assert (status, body["phase"], body["percent"]) == (503, "loading", 50.0)


def test_a_first_load_that_fails_is_not_ready_and_says_why() -> None:
    status, body = readiness(after(LOADING, EngineStatus(EngineState.FAILED, reason="sha256 does not match")))
    assert (status, body["message"]) == (503, "sha256 does not match")


def test_an_engine_that_recovers_makes_the_service_ready_without_a_mark() -> None:
    life = after(LOADING, EngineStatus(EngineState.FAILED, reason="no hub"), LOADING, READY)
    assert readiness(life) == (200, {"status": "ready"})


@pytest.mark.parametrize("failures", range(1, GIVE_UP_AFTER))
def test_a_restart_after_the_first_success_only_degrades(failures: int) -> None:
    assert readiness(after(LOADING, READY, restarting(failures))) == (
        200,
        {"status": "ready", "degraded": [RESTARTING]},
    )


def test_restarts_that_keep_failing_make_the_service_unready_until_one_works() -> None:
    life = after(LOADING, READY, *(restarting(n) for n in range(1, GIVE_UP_AFTER + 2)))
    assert life.state is State.FAILED
    assert "does not come back" in readiness(life)[1]["message"]
    follow_engine(READY, life)
    assert readiness(life) == (200, {"status": "ready"})


def test_a_process_that_goes_down_does_not_follow_its_engine() -> None:
    life = after(READY)
    life.to(State.DRAINING)
    follow_engine(READY, life)
    follow_engine(EngineStatus(EngineState.FAILED), life)
    assert life.state is State.DRAINING


def test_liveness_fails_once_an_engine_that_was_ready_is_given_up_and_stays_away() -> None:
    clock = ManualClock()
    liveness = Liveness(clock)
    assert liveness.holds(READY)
    clock.turn(1000)
    assert liveness.holds(READY)
    clock.turn(LOST_AFTER_S - 1)
    assert liveness.holds(restarting(GIVE_UP_AFTER + 5))  # deaths in quick succession are not the end
    clock.turn(1)
    assert not liveness.holds(restarting(GIVE_UP_AFTER + 5))
    assert liveness.holds(READY)
    assert liveness.holds(restarting(GIVE_UP_AFTER))


def test_liveness_holds_while_restarts_are_still_hoped_for() -> None:
    clock = ManualClock()
    liveness = Liveness(clock)
    liveness.holds(READY)
    clock.turn(LOST_AFTER_S * 10)
    assert liveness.holds(restarting(GIVE_UP_AFTER - 1))


@pytest.mark.parametrize("status", [LOADING, EngineStatus(EngineState.FAILED, reason="no such file", failures=99)])
def test_liveness_holds_for_ever_where_there_never_was_a_model(status: EngineStatus) -> None:
    clock = ManualClock()
    liveness = Liveness(clock)
    for _ in range(100):
        assert liveness.holds(status)
        clock.turn(LOST_AFTER_S)
