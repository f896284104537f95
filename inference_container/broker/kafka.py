"""Apache Kafka behind the ports: kafka-python, with every trap of it kept in the `kafka_*` rooms beside this one.

`kafka_connection` says how to reach it, `kafka_consumer` and `kafka_producer` do the work, `kafka_messages` reads and
writes the client's values, `kafka_errors` says what a failure means. For the consumer, `kafka_holdings` knows what it
has, `kafka_listener` brings rebalances to the thread that polls; `kafka_joining` and `kafka_parking` put right what the
client does wrong. `kafka_loop` holds the client's event loop.
"""

from collections.abc import Mapping

from kafka import KafkaAdminClient  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.kafka_consumer import KafkaConsumer
from inference_container.broker.kafka_errors import is_taken, translated
from inference_container.broker.kafka_loop import connecting
from inference_container.broker.kafka_producer import KafkaProducer
from inference_container.broker.ports import Broker, Membership, Rebalance


class KafkaBroker(Broker):
    """Holds no connection of its own; each consumer and each producer has one, and closes it."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    @override
    def consumer(self, membership: Membership, rebalance: Rebalance) -> KafkaConsumer:
        return KafkaConsumer(self._connection, membership, rebalance)

    @override
    def producer(self) -> KafkaProducer:
        return KafkaProducer(self._connection)

    @override
    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        """
        Raises:
            BrokerUnavailable: nobody answers.
            DependencyFailed: the broker refuses this client.
        """
        with connecting() as made:
            admin = KafkaAdminClient(**self._connection.options(), kafka_client=made.client)
        try:
            there = set(admin.list_topics())
            for topic, count in topics.items():
                if topic not in there:
                    _make(admin, topic, count)
        except Exception as failure:
            raise translated(failure) from failure
        finally:
            admin.close()
            made.end()

    @override
    def close(self) -> None:
        pass


def _make(admin: "KafkaAdminClient", topic: str, count: int) -> None:
    try:
        admin.create_topics({topic: {"num_partitions": count}}, wait_for_metadata=True)
    except Exception as failure:
        if not is_taken(failure):  # somebody else was quicker, and has said how many
            raise
