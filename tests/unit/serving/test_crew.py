"""Threads for blocking calls, which the end of the process does not wait for."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from serving.crew import Crew
from serving.errors import DependencyFailed


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(2, "test")
    yield made
    made.shutdown(cancel_futures=True)


def refused() -> None:
    raise DependencyFailed


def test_a_call_answers_or_raises_as_it_would_here(crew: Crew) -> None:
    assert crew.submit(divmod, 7, 2).result(5) == (3, 1)
    assert crew.submit(int, "ff", base=16).result(5) == 255
    with pytest.raises(DependencyFailed):
        crew.submit(refused).result(5)


def test_so_many_at_once_and_no_more(crew: Crew) -> None:
    inside, go_on = threading.Semaphore(0), threading.Event()

    def hold() -> str:
        inside.release()
        go_on.wait(10)
        return threading.current_thread().name

    held = [crew.submit(hold) for _ in range(3)]
    assert inside.acquire(timeout=5)
    assert inside.acquire(timeout=5)
    assert not inside.acquire(timeout=0.1)
    go_on.set()
    names = [each.result(5) for each in held]
    assert len(set(names)) == 2
    assert all(name.startswith("test-") for name in names)


def test_what_waits_at_the_shutdown_is_cancelled_or_done_as_wished(crew: Crew) -> None:
    go_on = threading.Event()
    running = [crew.submit(go_on.wait, 10) for _ in range(2)]
    waiting = crew.submit(divmod, 7, 2)
    crew.shutdown(wait=False)
    with pytest.raises(RuntimeError):
        crew.submit(divmod, 7, 2)
    go_on.set()
    assert waiting.result(5) == (3, 1)
    assert [each.result(5) for each in running] == [True, True]

    other, hold = Crew(1, "other"), threading.Event()
    kept, dropped = other.submit(hold.wait, 10), other.submit(divmod, 7, 2)
    while not kept.running():
        pass
    other.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        dropped.result(5)
    hold.set()
    other.shutdown()
    assert kept.result(0) is True


FORGETFUL = """
import time
from serving.crew import Crew
crew = Crew(1, "test")
crew.submit(time.sleep, 60)
crew.shutdown(wait=False, cancel_futures=True)
"""


def test_a_call_that_hangs_does_not_hold_the_end_of_the_process() -> None:
    assert subprocess.run([sys.executable, "-c", FORGETFUL], timeout=20, check=False).returncode == 0
