"""The error tree. Every error says what the caller may do, never how a door answers it.

    SluiceError
    ├── Rejected            nothing was started; the same call may work later
    │   ├── QueueFull       the lane holds as many tickets as it may
    │   ├── NotReady        the model is still loading, or there is none yet
    │   └── Draining        the process is going down; another replica serves
    ├── DeadlineExceeded    nobody waits for the answer any more: the moment has passed
    │   └── CallerGone      … because the caller hung up
    ├── InvalidInput        the caller must change the request
    │   ├── NotFound        what the request names does not exist
    │   └── Unauthorized    the credentials do not allow it
    ├── DependencyFailed    something we call did not answer as agreed
    └── WorkFailed          the work started and broke
        └── ChildDied       the process that did the work is gone

Each door has one table that translates classes: `serving.http.problems` to HTTP, the claims door to retry, skip or
dead letter. Errors cross process boundaries, so they pickle whole: message, details and the class itself.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

#: What an error may carry beside its sentence: plain JSON values that hold no text a patient wrote.
Details = Mapping[str, Any]


class SluiceError(Exception):
    """Root of the tree. `code` is stable: clients and alerts may match on it."""

    code: ClassVar[str] = "internal_error"
    #: The sentence for callers when the raiser gave none.
    default_message: ClassVar[str] = "Something went wrong inside the service."

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or self.default_message
        self.details: Details = details
        super().__init__(self.message)

    def with_details(self, **more: Any) -> Self:
        """The same error, knowing more. For what only its door can add: one error may have befallen a whole batch."""
        return type(self)(self.message, **{**self.details, **more})

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own reduce replays `args` and would lose the details on the way through a pipe.
        return _rebuild, (type(self), self.message, dict(self.details))

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, SluiceError)
            and (self.message, self.details) == (other.message, other.details)
        )

    def __hash__(self) -> int:
        return hash((type(self), self.message))


def _rebuild(cls: type[SluiceError], message: str, details: dict[str, Any]) -> SluiceError:
    return cls(message, **details)


class Rejected(SluiceError):
    """Nothing was started. `details["retry_after_s"]`, when present, is a whole number of seconds, at least 1."""

    code = "rejected"
    default_message = "Not now, try again."


class QueueFull(Rejected):
    code = "queue_full"
    default_message = "Server busy, try again."


class NotReady(Rejected):
    code = "not_ready"
    default_message = "The model is not ready yet, try again."


class Draining(Rejected):
    code = "draining"
    default_message = "This process is shutting down, try again."


class DeadlineExceeded(SluiceError):
    code = "deadline_exceeded"
    default_message = "The deadline passed before the answer was ready."


class CallerGone(DeadlineExceeded):
    code = "caller_gone"
    default_message = "The caller went away before the answer was ready."


class InvalidInput(SluiceError):
    code = "invalid_input"
    default_message = "The request can not be processed as it is."


class NotFound(InvalidInput):
    code = "not_found"
    default_message = "What the request names does not exist."


class Unauthorized(InvalidInput):
    code = "unauthorized"
    default_message = "The credentials do not allow this."


class DependencyFailed(SluiceError):
    code = "dependency_failed"
    default_message = "Something this service depends on did not answer as agreed."


class WorkFailed(SluiceError):
    code = "work_failed"
    default_message = "The work started and could not be finished."


class ChildDied(WorkFailed):
    code = "worker_died"
    default_message = "The process that did the work is gone; a new one is starting."


def every_error() -> list[type[SluiceError]]:
    """The tree, flattened, root first: for doors that must translate all of it, and for tests."""
    found: list[type[SluiceError]] = [SluiceError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return found
