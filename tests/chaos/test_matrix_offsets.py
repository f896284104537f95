"""Row 14: offsets that no claim has, as transactions leave them, hold up nothing."""

from collections.abc import Iterable

import pytest
from kafka import KafkaProducer  # type: ignore[import-untyped]  # ships no types

from tests.chaos.conftest import SceneOf
from tests.chaos.marks import LONG
from tests.chaos.reconcile import offsets
from tests.chaos.workload import Expected, Message, Workload
from tests.integration.processes import eventually

pytestmark = LONG


@pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])
def test_row_14_claims_of_transactions_are_answered_and_those_of_aborted_ones_never(
    scene_of: SceneOf, work: Workload, assignor: str
) -> None:
    scene = scene_of(CONSUMER_ASSIGNOR=assignor)
    scene.send(work.messages(40))
    producer = KafkaProducer(bootstrap_servers=scene.places.bootstrap, transactional_id=scene.name)
    producer.init_transactions()
    try:
        for aborted in (False, True, False, True, True, False):
            producer.begin_transaction()
            sent = _sent(producer, scene.claims, [work.good() for _ in range(20)])
            if aborted:
                producer.abort_transaction()
            else:
                producer.commit_transaction()
                scene.expected |= sent
    finally:
        producer.close()
    scene.join()
    last: dict[int, int] = {}
    for source in scene.expected:
        number, offset = map(int, source.rsplit("-", 2)[1:])
        last[number] = max(offset, last.get(number, -1))
    # A marker at the very end is no claim: it may stay in front of what is committed.
    eventually(lambda: all(offsets(scene.places)[0][each] > last[each] for each in last), 60, scene.tail)
    assert scene.leave() == [0]
    books = scene.reconcile()
    behind = [problem for problem in books.problems if not problem.startswith("partition ")]
    assert not behind, books
    assert not books.duplicates, books


def _sent(producer: KafkaProducer, topic: str, messages: Iterable[Message]) -> dict[str, Expected]:
    futures = [
        (producer.send(topic, key=each.key, value=each.value, headers=list(each.headers)), each.expected)
        for each in messages
    ]
    producer.flush()
    placed = ((future.get(10), expected) for future, expected in futures)
    return {f"{topic}-{place.partition}-{place.offset}": expected for place, expected in placed}
