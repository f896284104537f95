from tests.kafka.fixtures import kafka_bootstrap, kafka_jars, kafka_server

__all__ = ["kafka_bootstrap", "kafka_jars", "kafka_server"]
