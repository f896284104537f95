"""Rows 5, 10 and 13: a broker that dies, a store that refuses or drips, commits that are answered with errors."""

import time

import pytest

from inference_container.claims.results import RowStatus
from tests.chaos.conftest import SceneOf
from tests.chaos.marks import LONG, MATRIX
from tests.chaos.orders import Orders
from tests.chaos.workload import Workload
from tests.chaos.world import BOUND, World
from tests.integration.processes import eventually


class TestQuick:
    pytestmark = MATRIX

    def test_row_10_a_store_that_refuses_for_a_while_costs_no_claim_its_result(
        self, scene_of: SceneOf, work: Workload
    ) -> None:
        scene = scene_of()
        member = scene.join()
        scene.send([work.good() for _ in range(150)])
        member.obey(Orders(store_down_until=time.time() + 5))
        scene.send([work.good() for _ in range(150)])
        eventually(lambda: bool(member.events("claims_held")), 20, scene.tail)
        scene.until_done(40)
        assert scene.leave() == [0]
        books = scene.reconcile()
        assert not books.problems, books
        assert books.ended == {RowStatus.OK: 300}
        assert member.events("claims_released")


class TestLong:
    pytestmark = LONG

    def test_row_10_a_store_that_takes_five_seconds_for_everything_only_takes_longer(
        self, scene_of: SceneOf, work: Workload
    ) -> None:
        scene = scene_of()
        scene.join().obey(Orders(store_slow_until=time.time() + 12, store_slow_s=5.0))
        scene.send(work.messages(400))
        scene.until_done(90)
        assert scene.leave() == [0]
        books = scene.reconcile()
        assert not books.problems, books

    @pytest.mark.parametrize("frozen", [False, True], ids=["down", "frozen"])
    def test_row_10_a_real_server_that_is_away_for_ten_seconds(
        self, scene_of: SceneOf, work: Workload, the_world: World, frozen: bool
    ) -> None:
        scene = scene_of()
        scene.join()
        scene.send(work.messages(200))
        with the_world.store_frozen() if frozen else the_world.store_down():
            scene.send(work.messages(400))
            time.sleep(10)
        scene.until_done(90)
        assert scene.leave() == [0]
        books = scene.reconcile()
        assert not books.problems, books

    @pytest.mark.parametrize("away_s", [0, 30])
    @pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])
    def test_row_5_a_broker_that_is_killed_and_comes_back_on_the_same_data(
        self, scene_of: SceneOf, work: Workload, the_world: World, assignor: str, away_s: float
    ) -> None:
        scene = scene_of(CONSUMER_ASSIGNOR=assignor)
        member = scene.join()
        scene.send(work.messages(1500))
        eventually(lambda: member.seen.get("finished", 0) > 100, 30, scene.tail)
        assert member.service is not None
        with the_world.broker_down():
            time.sleep(away_s)
            assert member.alive
            # Callers over HTTP are served all the same, and readiness tells what claims lack.
            assert member.service.get("/healthz").status_code == 200
            ready = member.service.get("/ready")
            assert ready.status_code == 200
            assert not away_s or "broker_away" in ready.json()["degraded"]
        scene.send(work.messages(200))
        scene.until_done(90)
        assert scene.leave() == [0]
        books = scene.reconcile()
        assert not books.problems, books
        assert books.duplicates["results"] <= 2 * BOUND

    @pytest.mark.parametrize("error", [14, 15, 16, 22, 25, 27])
    def test_row_13_a_commit_that_is_answered_with_an_error_costs_nothing(
        self, scene_of: SceneOf, work: Workload, error: int
    ) -> None:
        scene = scene_of()
        member = scene.join()
        scene.send(work.messages(300))
        member.obey(Orders(commit_error=error, commit_errors=3))
        scene.send(work.messages(300))
        eventually(lambda: member.seen.get("spoiled", 0) == 3, 40, scene.tail)
        scene.send(work.messages(300))
        scene.until_done(60)
        assert scene.leave() == [0]
        books = scene.reconcile()
        assert not books.problems, books
        assert not member.events("consumer_loop_end")[1:]
