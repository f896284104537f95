"""Rows 7, 8, 9 and 11 of the matrix: claims that are bad in themselves never cost another one its result."""

import time

import pytest

from inference_container.claims.deadlines import deadline_header
from inference_container.claims.refusals import Reason
from inference_container.claims.results import RowStatus
from tests.chaos.conftest import SceneOf
from tests.chaos.killer import DEADLY_KEY
from tests.chaos.marks import MATRIX
from tests.chaos.orders import Orders
from tests.chaos.reconcile import lag
from tests.chaos.workload import BROKEN, Expected, Message, Workload

pytestmark = MATRIX


def test_rows_7_8_9_each_broken_claim_is_put_aside_for_its_reason_and_its_neighbours_are_answered(
    scene_of: SceneOf, work: Workload
) -> None:
    scene = scene_of()
    for kind in BROKEN:
        scene.send([work.good(), work.broken(kind), work.good(), work.broken(kind), work.good()])
    scene.join()
    scene.until_done()
    assert scene.leave() == [0]
    books = scene.reconcile()
    assert not books.problems, books
    assert not books.duplicates, books
    assert books.ended[RowStatus.EXPIRED] == 2


def test_row_9_a_deadline_that_passes_on_the_way_is_kept_and_a_said_twice_one_is_one(
    scene_of: SceneOf, work: Workload
) -> None:
    scene = scene_of()
    member = scene.join()
    member.obey(Orders(store_slow_until=time.time() + 10, store_slow_s=1.5))
    soon = [work.good(deadline_in_s=1.0) for _ in range(8)]
    expired = Expected("expires-on-its-way", RowStatus.EXPIRED)
    scene.send([Message(each.key, each.value, each.headers, expired) for each in soon])
    later = deadline_header(int((time.time() + 600) * 1000))
    twice = work.good()
    scene.send([Message(twice.key, twice.value, (later, later), twice.expected)])
    scene.until_done()
    member.leave()
    books = scene.reconcile()
    assert not books.problems, books
    assert books.ended == {RowStatus.EXPIRED: 8, RowStatus.OK: 1}


def test_row_11_a_claim_that_kills_every_worker_is_put_aside_and_no_other_is(scene_of: SceneOf, work: Workload) -> None:
    scene = scene_of()
    scene.send([*(work.good() for _ in range(30)), work.deadly("kills-a-worker", "worker_died")])
    scene.send([work.good() for _ in range(30)])
    scene.join()
    scene.until_done()
    assert scene.leave() == [0]
    books = scene.reconcile()
    assert not books.problems, books


@pytest.mark.chaos
@pytest.mark.timeout(400)
@pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])
def test_row_11_a_claim_that_kills_the_service_is_put_aside_after_some_lives(
    scene_of: SceneOf, work: Workload, assignor: str
) -> None:
    """The count of its tries has to outlive each process: it lies beside the committed offset."""
    scene = scene_of(CONSUMER_ASSIGNOR=assignor, CONSUMER_INSTANCE_ID="the-only-one")
    scene.send([*(work.good() for _ in range(20)), work.deadly(DEADLY_KEY, Reason.WORKER_KILLER)])
    scene.send([work.good() for _ in range(20)])
    member = scene.member()
    lives = 0
    while lives < 8:
        lives += 1
        member.start(ready=False)
        end = time.monotonic() + 40
        while member.alive and time.monotonic() < end and lag(scene.places):
            time.sleep(0.2)
        if member.alive:
            break
        assert member.bury() == -9
    scene.until_done(30)
    assert 2 <= lives - 1 <= 4, f"{lives} lives"
    member.leave()
    books = scene.reconcile()
    assert not books.problems, books
