import threading
import time

import pytest

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.ports import Membership, Partition
from inference_container.errors import BrokerUnavailable
from tests.integration.kafka.test_broker import KafkaWorld
from tests.kafka.marks import KAFKA
from tests.kafka.server import KafkaServer
from tests.suites.broker import ASSIGNORS, fill
from tests.suites.members import Told, join, offsets, turn

pytestmark = [*KAFKA, pytest.mark.usefixtures("no_sockets_left")]


@ASSIGNORS
def test_a_killed_broker_comes_back_and_nothing_is_missing(kafka_server: KafkaServer, assignor: str) -> None:
    world = KafkaWorld(kafka_server.bootstrap)
    claims, workers = f"claims-{assignor}", f"workers-{assignor}"
    world.broker.ensure_topics({claims: 4})
    fill(world, claims, 40)
    reader = join(world, workers, claims, assignor, session_timeout_s=10.0)
    producer = world.broker.producer()
    producer.send(claims, b"warm", b"warm").result(10)
    turn(world, [reader], lambda: len(reader.got) == 41)
    reader.consumer.commit(reader.positions)
    kafka_server.kill()
    pending = [producer.send(claims, b"%d" % number, b"%d" % number) for number in range(20)]
    started = time.monotonic()
    for _ in range(20):  # asking goes on; nothing comes, and nothing blocks
        reader.poll()
    assert time.monotonic() - started < 10
    with pytest.raises(BrokerUnavailable):
        reader.consumer.commit(reader.positions)
    with pytest.raises(BrokerUnavailable):
        producer.flush(0.2)
    kafka_server.start()
    turn(world, [reader], lambda: len(set(reader.sources)) == 61, within_s=40)
    assert all(each.result(20).offset >= 0 for each in pending)
    mine = reader.positions
    turn(world, [reader], lambda: reader.consumer.assigned >= mine.keys())
    reader.consumer.commit(mine)
    assert offsets(reader.consumer.committed(mine.keys())) == mine
    reader.consumer.close()
    producer.close()


def test_leaving_a_dead_broker_does_not_take_for_ever(kafka_server: KafkaServer) -> None:
    world = KafkaWorld(kafka_server.bootstrap)
    world.broker.ensure_topics({"left": 1})
    reader = join(world, "leavers", "left")
    turn(world, [reader], lambda: len(reader.consumer.assigned) == 1)
    reader.told.to_commit = {Partition("left", 0): 0}
    kafka_server.kill()
    started = time.monotonic()
    reader.consumer.close()
    assert time.monotonic() - started < 15
    assert reader.told.changes[-1][0] in ("revoked", "lost")


def test_where_nobody_answers_every_try_says_so_and_leaves_no_thread_behind() -> None:
    broker = KafkaBroker(KafkaConnection(("127.0.0.1:1",), connect_timeout_s=0.3))
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            broker.consumer(Membership("workers", ("claims",)), Told())
        with pytest.raises(BrokerUnavailable):
            broker.producer()
        with pytest.raises(BrokerUnavailable):
            broker.ensure_topics({"claims": 1})
    assert threading.active_count() == before
