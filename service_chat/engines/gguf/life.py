"""What the engine's status makes of the lives of its processes: loads, deaths, failures in a row, and who is told.

`process` hears the child and notes it here; no process is touched. An engine that was ready once restarts, one that
never was has failed to start: nobody counts on it yet.
"""

from collections.abc import Callable
from dataclasses import replace

from service_chat.engines.gguf.messages import Ready
from service_chat.engines.protocol import EngineLoad, EngineState, EngineStatus
from serving.child import ChildExit
from serving.clock import Clock
from serving.lifecycle import Progress

#: Ready for this long, in seconds, an engine has put its failures behind it, also when nobody asked it anything.
_SETTLED_S = 30.0


class Lives:
    def __init__(self, slots: int, clock: Clock) -> None:
        self._clock = clock
        self._watchers: list[Callable[[EngineStatus], None]] = []
        self._status = EngineStatus(EngineState.LOADING, Progress("starting"))
        self._ready_at: float | None = None  #: of the present life
        self._was_ready = False
        #: Why the present life ends, as far as somebody said so before its end.
        self.why: str | None = None
        #: As of the last step; a new process of the same model is as fast as the last one until it has measured itself.
        self.load = EngineLoad(slots=slots)

    @property
    def status(self) -> EngineStatus:
        self._settle()
        return self._status

    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        self._watchers.append(call)
        call(self._status)

    def begun(self, starts: int) -> None:
        self.why = None
        self._become(replace(self._status, starts=starts, progress=Progress("starting")))

    def progressed(self, progress: Progress) -> None:
        self._become(replace(self._status, progress=progress))

    def ready(self, message: Ready) -> None:
        self._was_ready, self._ready_at = True, self._clock.monotonic()
        self.load = _with_rates(message.load, self.load)
        before = self._status
        self._become(
            EngineStatus(EngineState.READY, model=message.model, starts=before.starts, failures=before.failures)
        )

    def answered(self) -> None:
        """It works: what failed before counts no longer."""
        if self._status.failures:
            self._become(replace(self._status, failures=0))

    def ended(self, child: ChildExit) -> None:
        self._settle()
        self._ready_at = None
        self.load = _with_rates(EngineLoad(slots=self.load.slots), self.load)
        self._become(
            replace(
                self._status,
                state=EngineState.RESTARTING if self._was_ready else EngineState.FAILED,
                reason=self.why or f"engine process {_in_words(child)}",
                progress=None,
                failures=self._status.failures + 1,
            )
        )

    def closed(self) -> None:
        self._become(replace(self._status, state=EngineState.STOPPED, progress=None))

    def _settle(self) -> None:
        if self._ready_at is not None and self._clock.monotonic() - self._ready_at >= _SETTLED_S:
            self._status = replace(self._status, failures=0)

    def _become(self, status: EngineStatus) -> None:
        self._status = status
        for call in self._watchers:
            call(status)


def _with_rates(load: EngineLoad, before: EngineLoad) -> EngineLoad:
    return replace(
        load,
        prefill_rate=load.prefill_rate or before.prefill_rate,
        decode_rate=load.decode_rate or before.decode_rate,
    )


def _in_words(ended: ChildExit) -> str:
    """The exit, and what the process complained about last: llama.cpp says why there."""
    last = f" ({ended.stderr_tail[-1]})" if ended.stderr_tail else ""
    return f"{ended.reason}{last}"
