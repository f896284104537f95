"""A seat of the model switch: a pool, and the private copy of the bundle that it loads.

`model_switch` makes one for each bundle and decides who sits where; here a copy is made, and removed with its pool.
"""

import asyncio
from pathlib import Path

from inference_container import events
from inference_container.bundles.sealed import SealedBundle
from inference_container.bundles.snapshot import drop_snapshot, seal_snapshot
from inference_container.model_pool import ModelPool
from serving.errors import SluiceError


class Seat:
    """A pool and the private copy of the bundle that it loads."""

    def __init__(self, pool: ModelPool, snapshot: SealedBundle) -> None:
        self.pool, self.snapshot = pool, snapshot
        self.in_flight = 0
        self.rested = asyncio.Event()

    async def empty(self) -> None:
        """Waits for the batches it has, then ends the pool and removes the copy."""
        while self.in_flight:
            self.rested.clear()
            await self.rested.wait()
        await self.close()

    async def close(self) -> None:
        await self.pool.aclose()
        await asyncio.to_thread(drop_snapshot, self.snapshot)


async def sealed(bundle: Path) -> SealedBundle:
    """A copy of a bundle whose papers are in order.

    Raises:
        BundleRefused: They are not; it has been reported.
    """
    sealing = asyncio.ensure_future(asyncio.to_thread(seal_snapshot, bundle))
    try:
        return await asyncio.shield(sealing)
    except SluiceError as error:
        events.model_rejected(bundle=bundle.name, code=error.code, reason=error.message)
        raise
    except asyncio.CancelledError:
        # The thread goes on; the copy that it makes belongs to nobody.
        sealing.add_done_callback(_drop_unwanted)
        raise


def _drop_unwanted(sealing: "asyncio.Future[SealedBundle]") -> None:
    if not sealing.cancelled() and sealing.exception() is None:
        drop_snapshot(sealing.result())
