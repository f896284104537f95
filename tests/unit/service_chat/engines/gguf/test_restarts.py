"""What the engine's status makes of deaths and failed loads: told to it one by one, without a process."""

from pathlib import Path

import pytest

from service_chat.engines.gguf.messages import EngineConfig, LoadFailed, Ready, Stepped
from service_chat.engines.gguf.process import RESTARTS, GgufEngine
from service_chat.engines.protocol import Completion, EngineLoad, EngineState, FinishReason, ModelInfo, Timings
from service_chat.models.manifest import LocalFile, ModelFile
from service_chat.services.readiness import GIVE_UP_AFTER, given_up
from serving.child import ChildExit
from tests.fakes.clock import ManualClock

READY = Ready(ModelInfo("m.gguf"), EngineLoad())
KILLED = ChildExit(pid=4, code=-9, failures=1, hung=False)


def done(reason: FinishReason = FinishReason.STOP) -> Stepped:
    return Stepped(((1, Completion("Rest.", reason, 10, 2, Timings(0, 0, 0))),), EngineLoad())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine(clock: ManualClock) -> GgufEngine:
    return GgufEngine(EngineConfig(ModelFile(LocalFile(Path("m.gguf"))), Path("models")), clock)


def test_a_model_that_loads_and_dies_again_and_again_is_given_up_though_it_was_ready_in_between(
    engine: GgufEngine,
) -> None:
    for number in range(1, GIVE_UP_AFTER + 1):
        assert not given_up(engine.status())
        engine.on_message(READY)
        assert engine.status().ready
        engine.on_exit(KILLED)
        assert engine.status().failures == number
    assert engine.status().state is EngineState.RESTARTING
    assert given_up(engine.status())


def test_an_answer_puts_the_failures_behind_it_and_tells_who_watches(engine: GgufEngine) -> None:
    engine.on_message(READY)
    engine.on_exit(KILLED)
    engine.on_message(READY)
    told: list[int] = []
    engine.watch(lambda status: told.append(status.failures))
    engine.on_message(done())
    assert told == [1, 0]


def test_a_cancelled_answer_proves_nothing(engine: GgufEngine) -> None:
    engine.on_message(READY)
    engine.on_exit(KILLED)
    engine.on_message(READY)
    engine.on_message(done(FinishReason.CANCELLED))
    assert engine.status().failures == 1


def test_half_a_minute_of_readiness_puts_the_failures_behind_it_too(engine: GgufEngine, clock: ManualClock) -> None:
    engine.on_message(READY)
    engine.on_exit(KILLED)
    engine.on_message(READY)
    clock.turn(29.9)
    assert engine.status().failures == 1
    clock.turn(0.1)
    assert engine.status().failures == 0
    engine.on_exit(KILLED)
    assert engine.status().failures == 1


def test_the_time_between_two_lives_is_no_readiness(engine: GgufEngine, clock: ManualClock) -> None:
    engine.on_message(READY)
    engine.on_exit(KILLED)
    clock.turn(60)
    assert engine.status().failures == 1
    engine.on_message(LoadFailed("the file is gone"))
    engine.on_exit(KILLED)
    assert (engine.status().failures, engine.status().reason) == (2, "the file is gone")


def test_loads_that_fail_are_tried_again_at_growing_distances_up_to_half_a_minute() -> None:
    waits = [RESTARTS.wait(number) for number in range(1, 20)]
    assert waits[0] < 1
    assert waits == sorted(waits)
    assert waits[-1] == 30
