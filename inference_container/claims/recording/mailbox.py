"""What other threads tell the event loop, heard together: one wake-up for all that was told by then.

For acknowledgements, of which hundreds come at once: a `call_soon_threadsafe` for each costs five times as much.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Made on the event loop, where `hear` is called with each item in its order."""

    def __init__(self, hear: Callable[[T], None]) -> None:
        self._loop, self._hear = asyncio.get_running_loop(), hear
        self._items: deque[T] = deque()
        self._called = False

    def tell(self, item: T) -> None:
        """From any thread. Nobody hears it once the loop is closed."""
        self._items.append(item)
        # Two threads may both find it unset, and one call is in vain. Never none: the loop unsets it before it looks.
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._open)

    def _open(self) -> None:
        self._called = False
        while self._items:
            self._hear(self._items.popleft())
