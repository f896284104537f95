"""Rows 1, 6 and 12: more claims than fit, work slower than the group's patience, and an end in the middle of it."""

import os
import time

from inference_container.claims.results import RowStatus
from tests.chaos.conftest import SceneOf
from tests.chaos.marks import MATRIX
from tests.chaos.orders import Orders
from tests.chaos.reconcile import log_rows, offsets, read_topic
from tests.chaos.workload import Workload
from tests.chaos.world import BOUND
from tests.integration.processes import eventually

pytestmark = MATRIX

#: The matrix asks for 10,000, which take half a minute.
CLAIMS = int(os.environ.get("CHAOS_CLAIMS", "600"))


def test_row_1_a_burst_is_worked_off_within_the_bound_by_pausing_and_resuming(
    scene_of: SceneOf, work: Workload
) -> None:
    scene = scene_of()
    scene.send(work.messages(CLAIMS))
    member = scene.join()
    scene.until_done(120)
    assert scene.leave() == [0]
    books = scene.reconcile()
    assert not books.problems, books
    assert not books.duplicates, books
    assert BOUND * 0.8 <= books.depth <= BOUND
    paused = [int(str(event["depth"])) for event in member.events("consumer_paused") if event["why"] == "depth"]
    resumed = [int(str(event["depth"])) for event in member.events("consumer_resumed")]
    assert paused, member.events("consumer_paused")
    assert min(paused) >= BOUND * 0.8
    assert resumed
    assert max(resumed) <= BOUND * 0.5


def test_row_6_work_slower_than_the_groups_patience_loses_no_partition(scene_of: SceneOf, work: Workload) -> None:
    scene = scene_of(MAX_POLL_INTERVAL="3")
    member = scene.join()
    member.obey(Orders(store_slow_until=time.time() + 9, store_slow_s=4.0))
    scene.send([work.good() for _ in range(60)])
    scene.until_done(60)
    assert scene.leave() == [0]
    assert not member.events("partitions_lost")
    books = scene.reconcile()
    assert not books.problems, books
    assert not books.duplicates, books


def test_row_12_told_to_end_it_finishes_what_it_has_and_the_lag_is_what_remains(
    scene_of: SceneOf, work: Workload
) -> None:
    scene = scene_of()
    member = scene.join()
    scene.send(work.messages(CLAIMS))
    eventually(lambda: member.seen.get("finished", 0) > 200, 30, scene.tail)
    begun = time.monotonic()
    assert member.leave() == 0
    assert time.monotonic() - begun < 15
    committed, ends = offsets(scene.places)
    remaining = sum(ends.values()) - sum(committed.values())
    ended = {source for source, claim in scene.expected.items() if _offset(source) < committed[_partition(source)]}
    told = {row["source"] for row in _all_rows(log_rows(scene.places))}
    assert told == ended, "committed and recorded are the same claims, and no other"
    assert remaining == CLAIMS - len(ended)
    assert remaining > 0
    assert len(read_topic(scene.places.bootstrap, scene.results)) == sum(
        scene.expected[source].status is RowStatus.OK for source in ended
    )
    member.start()
    scene.until_done(120)
    assert member.leave() == 0
    books = scene.reconcile()
    assert not books.problems, books
    assert not books.duplicates, books


def _partition(source: str) -> int:
    return int(source.rsplit("-", 2)[1])


def _offset(source: str) -> int:
    return int(source.rsplit("-", 2)[2])


def _all_rows(rows: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    return [row for found in rows.values() for row in found]
