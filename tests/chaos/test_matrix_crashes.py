"""Row 2: a service that is killed at any point, and comes back, loses nothing and says nothing two ways."""

import time
from dataclasses import replace

import pytest

from tests.chaos.conftest import SceneOf
from tests.chaos.marks import LONG, MATRIX
from tests.chaos.orders import Point
from tests.chaos.workload import Workload
from tests.chaos.world import BOUND, Scene
from tests.integration.processes import eventually

#: At so manieth passing: 300 claims come to each point this often, and to none much more often than is said here.
PASSES = {
    Point.POLLED: 3,
    Point.FETCHING: 30,
    Point.STORED: 7,
    Point.ACKNOWLEDGED: 30,
    Point.COMMITTING: 1,
    Point.COMMITTED: 3,
}
assert PASSES.keys() == set(Point)


def killed_at(scene: Scene, point: Point, passes: int) -> None:
    member = scene.members[0]
    member.obey(replace(member.usual, kill_at=point, kill_after=passes))
    eventually(lambda: not member.alive, 40, lambda: f"nobody came to {point}\n{scene.tail()}")
    assert member.bury() == -9
    member.start()


def balanced(scene: Scene, kills: int) -> None:
    scene.until_done(90)
    assert scene.leave() == [0]
    books = scene.reconcile(most_blamed=kills)
    assert not books.problems, books
    assert books.duplicates["results"] <= BOUND * kills, books


class TestQuick:
    pytestmark = MATRIX

    def test_row_2_killed_between_the_log_and_the_message_and_between_the_message_and_the_commit(
        self, scene_of: SceneOf, work: Workload
    ) -> None:
        # A name of its own is taken back at once; a member without one is missed for some seconds first.
        scene = scene_of(CONSUMER_INSTANCE_ID="the-only-one")
        scene.join()
        scene.send(work.messages(600))
        killed_at(scene, Point.STORED, 5)
        killed_at(scene, Point.ACKNOWLEDGED, 20)
        balanced(scene, kills=2)


class TestAll:
    pytestmark = LONG

    @pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])
    @pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
    def test_row_2_killed_at_every_point_and_at_random(
        self, scene_of: SceneOf, work: Workload, assignor: str, static: bool
    ) -> None:
        scene = scene_of(CONSUMER_ASSIGNOR=assignor, CONSUMER_INSTANCE_ID="the-only-one" if static else "")
        member = scene.join()
        for point, passes in PASSES.items():
            scene.send(work.messages(300))
            killed_at(scene, point, passes)
        for pause_s in (0.4, 1.3):
            scene.send(work.messages(300))
            time.sleep(pause_s)
            member.kill()
            member.start()
        balanced(scene, kills=len(PASSES) + 2)
