"""Kafka's own command line tools and our clients, on one broker."""

from inference_container.broker.kafka import KafkaBroker
from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.ports import Partition
from tests.integration.kafka.test_broker import KafkaWorld
from tests.kafka.marks import KAFKA
from tests.kafka.server import KafkaServer
from tests.suites.members import join, turn

pytestmark = KAFKA


def test_the_console_producer_is_read_and_the_groups_tool_shows_our_lag(kafka_server: KafkaServer) -> None:
    world = KafkaWorld(kafka_server.bootstrap)
    world.broker.ensure_topics({"console-claims": 1})
    kafka_server.java(
        "org.apache.kafka.tools.ConsoleProducer",
        *("--bootstrap-server", kafka_server.bootstrap, "--topic", "console-claims"),
        *("--reader-property", "parse.headers=true", "--reader-property", "parse.key=true"),
        given='deadline_ms:17\tfirst\t{"bucket": "b"}\nx:y,x:z\tsecond\tnot json\nx:y\tthird\t3\n',
    )
    reader = join(world, "console-workers", "console-claims")
    turn(world, [reader], lambda: len(reader.got) == 3)
    assert [(record.key, record.value) for record in reader.got] == [
        (b"first", b'{"bucket": "b"}'),
        (b"second", b"not json"),
        (b"third", b"3"),
    ]
    assert reader.got[0].headers == (("deadline_ms", b"17"),)
    assert reader.got[1].headers == (("x", b"y"), ("x", b"z"))
    claims = Partition("console-claims", 0)
    reader.consumer.commit({claims: 1})
    told = kafka_server.java(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        *("--bootstrap-server", kafka_server.bootstrap, "--describe", "--group", "console-workers"),
    )
    columns, row = (line.split() for line in told.strip().splitlines()[-2:])
    shown = dict(zip(columns, row, strict=False))
    ends, committed = reader.consumer.end_offsets([claims]), reader.consumer.committed([claims])
    assert (shown["CURRENT-OFFSET"], shown["LOG-END-OFFSET"], shown["LAG"]) == ("1", "3", "2")
    assert ends[claims] - committed[claims].offset == 2
    reader.consumer.close()


def test_what_we_send_is_read_by_the_console_consumer(kafka_server: KafkaServer) -> None:
    broker = KafkaBroker(KafkaConnection((kafka_server.bootstrap,)))
    broker.ensure_topics({"console-results": 1})
    producer = broker.producer()
    producer.send("console-results", b"value", b"key", (("source", b"claims-0-1"),)).result(10)
    producer.close()
    told = kafka_server.java(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", kafka_server.bootstrap, "--topic", "console-results", "--from-beginning"),
        *("--max-messages", "1", "--formatter-property", "print.key=true"),
        *("--formatter-property", "print.headers=true"),
    )
    assert told.strip() == "source:claims-0-1\tkey\tvalue"
