"""Row 12, where nobody answers at the end: a service that can finish nothing ends in time, and loses nothing by it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.chaos.conftest import SceneOf
from tests.chaos.marks import LONG
from tests.chaos.workload import Workload
from tests.chaos.world import BOUND, World
from tests.integration.processes import eventually

pytestmark = LONG

GRACE_S = 5
#: Beyond the grace, as docs/operations.md has it: for the end itself, and where no broker answers.
END_S, NO_BROKER_S = 15, 30


@pytest.mark.parametrize(
    ("trouble", "more_s"),
    [
        (World.broker_down, NO_BROKER_S),
        (World.broker_frozen, NO_BROKER_S),
        (World.store_down, 0),
        (World.store_frozen, 0),
    ],
    ids=["broker-down", "broker-frozen", "store-down", "store-frozen"],
)
def test_row_12_told_to_end_while_nobody_answers_it_ends_in_time_and_the_next_life_does_the_rest(
    scene_of: SceneOf,
    work: Workload,
    the_world: World,
    trouble: Callable[[World], AbstractContextManager[None]],
    more_s: float,
) -> None:
    scene = scene_of(UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN=str(GRACE_S))
    member = scene.join()
    scene.send(work.messages(600))
    eventually(lambda: member.seen.get("finished", 0) > 100, 40, scene.tail)
    with trouble(the_world):
        time.sleep(1)
        began = time.monotonic()
        status = member.leave(120)
        took_s = time.monotonic() - began
    print(f"ended within {took_s:.1f} s")  # noqa: T201  # shown beside a failure, or with -s
    assert status == 0, scene.tail()
    assert took_s < GRACE_S + END_S + more_s, scene.tail()
    member.start()
    scene.until_done(120)
    assert member.leave() == 0
    books = scene.reconcile()
    assert not books.problems, books
    assert books.duplicates["results"] <= 2 * BOUND, books
