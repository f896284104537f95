"""The end of a process, in order: not ready, no admission, drain within the grace, settle what is left.

Begins with the signal, while the door is still open, so that callers hear of it: who waits gets its answer, or a
problem that says try again, and a probe is told to send nothing more. A server that closed first and told the house
afterwards would cut them off instead.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from serving import events
from serving.admission import BoundedQueue
from serving.errors import Draining
from serving.lifecycle import Lifecycle, State


class Drain:
    """The drain of all lanes. `begin` may come from the server or from the lifespan's end, whichever is first."""

    def __init__(self, lanes: Sequence[BoundedQueue[Any, Any]], lifecycle: Lifecycle, grace_s: float) -> None:
        self._lanes, self._lifecycle, self._grace_s = lanes, lifecycle, grace_s
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signalled = False
        #: How long the drain still waits, while it does.
        self._patience: asyncio.Timeout | None = None
        #: The loop's time at which the grace is over.
        self._ends_at: float | None = None

    def watch(self) -> None:
        """Called on the event loop once there is something to drain; before that, `begin_from_signal` does nothing."""
        self._loop = asyncio.get_running_loop()

    def begin_from_signal(self, then: Callable[[], None]) -> None:
        """Begins, and calls `then` once nothing is left: until then the door stays open to say no.

        A second signal is from somebody who will not wait: what is left is settled at once, and `then` comes as before.
        """
        if self._loop is None:
            then()
        elif self._signalled:
            self._loop.call_soon_threadsafe(self._hurry)
        else:
            self._signalled = True
            self._loop.call_soon_threadsafe(self._begin_then, then)

    def _begin_then(self, then: Callable[[], None]) -> None:
        self.begin()
        assert self._task is not None
        self._task.add_done_callback(lambda _: then())

    def begin(self) -> None:
        """On the event loop. Nothing is admitted from here on; calling it again changes nothing."""
        if self._task is None:
            self._lifecycle.to(State.DRAINING)
            self._ends_at = asyncio.get_running_loop().time() + self._grace_s
            for lane in self._lanes:
                lane.close()
            self._task = asyncio.create_task(self._empty(), name="drain")

    def left_s(self) -> float:
        """What is left of the grace, for whoever ends after the lanes. None of it once somebody signalled twice."""
        if self._ends_at is None or self._loop is None:
            return self._grace_s
        return max(0.0, min(self._grace_s, self._ends_at - self._loop.time()))

    async def done(self) -> None:
        """Begins if nobody has, and returns when no ticket is left."""
        self.begin()
        assert self._task is not None
        await self._task

    def _hurry(self) -> None:
        self._grace_s = 0.0  # for a drain that has not come to its wait yet, and for who waits after it
        if self._patience is not None:
            self._patience.reschedule(0.0)

    async def _empty(self) -> None:
        events.shutdown_begun(grace_s=self._grace_s, depth=sum(lane.depth for lane in self._lanes))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s) as self._patience:
                for lane in self._lanes:
                    await lane.drained()
        self._patience = None
        gone = Draining("The process went down before the answer.", retry_after_s=1)
        left = sum(lane.abandon(gone) for lane in self._lanes)
        events.shutdown_done(drained=left == 0, abandoned=left)
