"""Rows 3 and 4: members that come, go and die, and one that does not know that it is dead."""

import signal
import time

import pytest

from tests.chaos.conftest import SceneOf
from tests.chaos.marks import LONG
from tests.chaos.orders import Orders
from tests.chaos.reconcile import Onlooker
from tests.chaos.workload import Workload
from tests.chaos.world import AGAIN, BOUND, SESSION_S
from tests.integration.processes import eventually

pytestmark = LONG

ASSIGNORS = pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])


@ASSIGNORS
def test_row_3_a_second_member_comes_and_goes_while_the_gate_is_shut(
    scene_of: SceneOf, work: Workload, assignor: str
) -> None:
    scene = scene_of(CONSUMER_ASSIGNOR=assignor)
    first = scene.join()
    first.obey(Orders(store_slow_until=time.time() + 25, store_slow_s=4.0))
    scene.send(work.messages(1500))
    eventually(lambda: bool(first.events("consumer_paused")), 20, scene.tail)
    second = scene.join()
    eventually(lambda: second.seen.get("finished", 0) > 50, 40, scene.tail)
    assert second.leave() == 0
    second.start()
    first.obey(first.usual)
    eventually(lambda: second.seen.get("finished", 0) > 50, 40, scene.tail)
    assert second.leave() == 0
    scene.until_done(120)
    assert first.leave() == 0
    books = scene.reconcile()
    assert not books.problems, books
    assert books.depth <= BOUND


@ASSIGNORS
def test_row_4_a_member_that_stood_still_for_too_long_commits_nothing_more(
    scene_of: SceneOf, work: Workload, assignor: str
) -> None:
    scene = scene_of(CONSUMER_ASSIGNOR=assignor)
    zombie, other = scene.join(), scene.join()
    scene.send(work.messages(1200))
    eventually(lambda: zombie.seen.get("finished", 0) > 50, 40, scene.tail)
    assert zombie.service is not None
    zombie.service.process.send_signal(signal.SIGSTOP)
    before: dict[int, int] = {}
    fallen: list[str] = []
    thaw = time.monotonic() + SESSION_S + 4
    thawed = False
    with Onlooker(scene.places) as onlooker:
        while time.monotonic() < thaw + 15:
            now, _ = onlooker.offsets()
            fallen += [f"{each}: {before[each]}, then {now[each]}" for each in before if now[each] < before[each]]
            before = now
            if not thawed and time.monotonic() > thaw:
                zombie.service.process.send_signal(signal.SIGCONT)
                scene.send(work.messages(600))
                thawed = True
            time.sleep(0.2)
    assert not fallen, fallen
    scene.until_done(90)
    assert sorted([zombie.leave(), other.leave()]) == [0, 0]
    books = scene.reconcile()
    assert not books.problems, books
    assert books.duplicates["results"] <= AGAIN + scene.given_back, books


@ASSIGNORS
def test_row_4_a_member_that_is_killed_leaves_its_share_to_the_other(
    scene_of: SceneOf, work: Workload, assignor: str
) -> None:
    scene = scene_of(CONSUMER_ASSIGNOR=assignor)
    killed, other = scene.join(), scene.join()
    scene.send(work.messages(1200))
    eventually(lambda: killed.seen.get("finished", 0) > 50, 40, scene.tail)
    killed.kill()
    scene.until_done(SESSION_S + 60)
    assert other.leave() == 0
    books = scene.reconcile(most_blamed=1)
    assert not books.problems, books
    # With `range` the other one gives all it has back too, for a moment, when the killed one is missed.
    assert books.duplicates["results"] <= AGAIN + scene.given_back, books
