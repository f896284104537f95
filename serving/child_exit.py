"""How a child ends, how it comes back, and who is told: what `child` and the owner of one agree on.

Values and one Protocol; the process itself is `child`'s, through which owners import all of this.
"""

import signal
from dataclasses import dataclass, field
from typing import Protocol

from serving import events
from serving.logging import where

#: Exit status of a child that was never there.
_NEVER_LIVED = 256


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a dead child comes back. Waits double from `first_wait_s` to `max_wait_s`."""

    first_wait_s: float = 0.1
    max_wait_s: float = 10.0
    #: A child that lived this long had started well: the waits begin anew.
    healthy_after_s: float = 30.0
    #: Silence (no message, no heartbeat) after which the child counts as hung and is killed; None: never.
    silence_s: float | None = 60.0
    #: Between the closed pipe and SIGKILL at the end.
    grace_s: float = 5.0

    def wait(self, failures: int) -> float:
        """Seconds to wait before the start that follows `failures` deaths in a row (1 or more)."""
        return min(self.max_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 60))


@dataclass(frozen=True, slots=True)
class ChildExit:
    """How a child ended, in words an operator can use."""

    pid: int
    #: As the operating system gives it: negative for a signal.
    code: int
    #: Deaths in a row without a healthy life between them, this one included.
    failures: int
    hung: bool
    stderr_tail: tuple[str, ...] = field(default=())

    @property
    def reason(self) -> str:
        if self.hung:
            return "no sign of life, killed"
        if self.code == _NEVER_LIVED:
            return f"could not be started: {self.stderr_tail[0]}"
        if self.code < 0:
            return f"killed by {_signal_name(-self.code)}"
        return f"exited with status {self.code}"


class ChildListener(Protocol):
    """Who is told. All calls come on the event loop, in order."""

    def on_start(self, pid: int) -> None: ...

    def on_message(self, message: object) -> None: ...

    def on_exit(self, ended: ChildExit) -> None: ...

    def on_stderr(self, line: str) -> None: ...


def never_lived(error: Exception) -> ChildExit:
    """The end of one that could not be started, or whose listener broke. The log has the rest."""
    events.unexpected_error(error_type=type(error).__name__, at=where(error))
    return ChildExit(0, _NEVER_LIVED, 0, False, (type(error).__name__,))


def _signal_name(number: int) -> str:
    """Real-time signals have no names of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
