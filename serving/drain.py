"""The end of a process, in order: not ready, no admission, drain within the grace, settle what is left.

Pushed last onto a service's exit stack, so it runs first: what the tickets need is still open behind it.
"""

import asyncio
import contextlib
from typing import Any

from serving import events
from serving.admission import BoundedQueue
from serving.errors import Draining
from serving.lifecycle import Lifecycle, State


async def drain(lane: BoundedQueue[Any, Any], lifecycle: Lifecycle, grace_s: float) -> None:
    """Returns when no ticket is left; those the grace did not suffice for are settled with Draining."""
    events.shutdown_begun(grace_s=grace_s, depth=lane.depth)
    lifecycle.to(State.DRAINING)
    lane.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace_s):
            await lane.drained()
    left = lane.abandon(Draining("The process went down before the answer.", retry_after_s=1))
    events.shutdown_done(drained=left == 0, abandoned=left)
