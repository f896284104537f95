"""Waiting in an async test for something that other tasks bring about."""

import asyncio
from collections.abc import Callable


async def until(check: Callable[[], bool], within_s: float = 20.0) -> None:
    """Lets other tasks run until `check` holds; fails when it does not in time."""
    async with asyncio.timeout(within_s):
        while not check():  # noqa: ASYNC110 - what is waited for is a number, there is no event to set
            await asyncio.sleep(0.001)
