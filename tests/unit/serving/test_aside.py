"""Blocking work that nobody waits for at the end."""

import asyncio
import subprocess
import sys
import threading

import pytest

from serving.aside import Aside
from serving.errors import DependencyFailed

pytestmark = pytest.mark.anyio


def refused() -> None:
    raise DependencyFailed


async def test_what_the_work_returns_or_raises_is_the_callers() -> None:
    aside = Aside("test")
    assert await aside.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(DependencyFailed):
        await aside.run(refused)
    assert await aside.rest(0)


async def test_rest_waits_for_what_still_runs_and_no_longer_than_it_may() -> None:
    aside, go_on = Aside("test"), threading.Event()
    running = asyncio.ensure_future(aside.run(go_on.wait))
    await asyncio.sleep(0)
    running.cancel()
    assert not await aside.rest(0.05)
    go_on.set()
    assert await aside.rest(5)
    assert running.cancelled()


FORGETFUL = """
import asyncio, time
from serving.aside import Aside

async def main():
    aside = Aside("test")
    hanging = asyncio.ensure_future(aside.run(time.sleep, 60))
    await asyncio.sleep(0.05)
    hanging.cancel()
    await aside.rest(0.05)

asyncio.run(main())
"""


def test_work_that_hangs_does_not_hold_the_end_of_the_process() -> None:
    # The loop's own threads would: asyncio joins them, and so does the interpreter.
    assert subprocess.run([sys.executable, "-c", FORGETFUL], timeout=20, check=False).returncode == 0
