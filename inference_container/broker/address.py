"""A broker from where it is: Kafka's address, or none for one inside this process."""

from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.ports import Broker


def open_broker(where: KafkaConnection | None) -> Broker:
    """None: a `MemoryBroker`. Whether anybody answers is not asked."""
    if where is None:
        from inference_container.broker.memory import MemoryBroker

        return MemoryBroker()
    from inference_container.broker.kafka import KafkaBroker

    return KafkaBroker(where)
