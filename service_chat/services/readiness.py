"""How the engine's state becomes the service's: one function, called on every change of the configured engine.

First load: loading and failed show as they are, so that a rollout of a broken model stops. After that a restart only
degrades, because records, rules and probes go on; the service turns failed when restarts keep failing. When that lasts,
liveness fails too: a new pod is the one thing that nobody has tried.
"""

from service_chat import events
from service_chat.engines.protocol import EngineState, EngineStatus
from serving.clock import Clock
from serving.lifecycle import Lifecycle, Progress, State

RESTARTING = "engine_restarting"
#: Deaths or failed loads in a row after which a restart is no longer thought to be about to work.
GIVE_UP_AFTER = 3
#: Given up, and not ready for this long, in seconds, an engine is lost to this process.
LOST_AFTER_S = 30.0


def given_up(status: EngineStatus) -> bool:
    """Whether there is no model to wait for: questions are answered without one at once."""
    return _keeps_failing(status) or status.state in (EngineState.FAILED, EngineState.STOPPED)


def _keeps_failing(status: EngineStatus) -> bool:
    return status.state is EngineState.RESTARTING and status.failures >= GIVE_UP_AFTER


class Liveness:
    """Whether only a new process of the service would help: an engine that was ready can not be restarted, for a while.

    One that was never ready does not count. A new process would find the same model, and a probe that kills this one
    would keep it from ever being fetched.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready_at: float | None = None

    def holds(self, status: EngineStatus) -> bool:
        """Ask it now and then, and on every change."""
        now = self._clock.monotonic()
        if status.ready or self._ready_at is None:
            self._ready_at = now
        return not (_keeps_failing(status) and now - self._ready_at >= LOST_AFTER_S)


def follow_engine(status: EngineStatus, lifecycle: Lifecycle) -> None:
    if lifecycle.closing:
        return
    match status.state:
        case EngineState.READY:
            lifecycle.restore(RESTARTING)
            lifecycle.to(State.READY)
        case EngineState.LOADING:
            lifecycle.report(status.progress or Progress("starting"))
        case EngineState.RESTARTING if lifecycle.ready and not given_up(status):
            lifecycle.degrade(RESTARTING)
        case EngineState.RESTARTING if given_up(status):
            if lifecycle.state is not State.FAILED:
                events.engine_restarts_keep_failing(failures=status.failures)
            lifecycle.to(State.FAILED, f"The engine does not come back: {status.reason}")
        case EngineState.RESTARTING:
            lifecycle.report(status.progress or Progress("restarting"))
        case EngineState.FAILED:
            lifecycle.to(State.FAILED, status.reason)
        case EngineState.STOPPED:
            pass
