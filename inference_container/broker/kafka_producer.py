"""Sending to Kafka: idempotent, acknowledged by all replicas, bounded in what may wait for an acknowledgement."""

import threading
from concurrent.futures import Future
from typing import Protocol, cast

from kafka import KafkaProducer as Client  # type: ignore[import-untyped]  # ships no types; described below
from kafka.serializer import Serializer  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from inference_container.broker.kafka_connection import KafkaConnection
from inference_container.broker.kafka_errors import translated
from inference_container.broker.kafka_loop import connecting
from inference_container.broker.ports import Headers, Partition, Producer, Sent
from inference_container.errors import BrokerUnavailable

#: Seconds that a first message to a topic may wait until it is known where the topic lives.
_PLACE_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 5.0
_LINGER_MS = 5


class _Acknowledged(Protocol):
    topic: str
    partition: int
    offset: int


class _Keys(Serializer):  # type: ignore[misc]  # the client ships no types
    """Lets a message have neither key nor value, which Kafka allows and the client does not: a dead letter keeps both
    as they were."""

    NONE = object()

    @override
    def serialize(self, topic: str, headers: object, data: object) -> object:
        return None if data is self.NONE else data


class KafkaProducer(Producer):
    def __init__(self, connection: KafkaConnection) -> None:
        """
        Raises:
            BrokerUnavailable: nobody answers.
            DependencyFailed: the broker refuses this client.
        """
        self._most_unsent = connection.most_unsent
        self._unsent = 0
        self._lock = threading.Lock()
        with connecting() as made:
            self._inner = Client(
                **connection.options(),
                kafka_client=made.client,
                key_serializer=_Keys(),
                metrics_enabled=False,
                enable_idempotence=True,
                acks="all",
                allow_auto_create_topics=False,
                max_block_ms=int(_PLACE_TIMEOUT_S * 1000),
                delivery_timeout_ms=int(connection.delivery_timeout_s * 1000),
                max_request_size=connection.largest_message,
                # Messages come by the dozen; without a wait they would leave by twos and threes, a request each time.
                linger_ms=_LINGER_MS,
            )

    @override
    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> "Future[Sent]":
        future: Future[Sent] = Future()
        future.set_running_or_notify_cancel()  # what is under way can not be called back
        size = len(value or b"") + len(key or b"") + sum(len(name) + len(content) for name, content in headers)
        if not self._reserved(size):
            future.set_exception(BrokerUnavailable("Too much waits to be sent already.", at_most=self._most_unsent))
            return future

        def sent(told: object) -> None:
            self._release(size)
            place = cast("_Acknowledged", told)
            future.set_result(Sent(Partition(place.topic, place.partition), place.offset))

        def failed(failure: Exception) -> None:
            self._release(size)
            future.set_exception(translated(failure))

        given_key = _Keys.NONE if key is None and value is None else key
        try:
            pending = self._inner.send(
                topic, value=value, key=given_key, headers=list(headers), timestamp_ms=timestamp_ms
            )
        except Exception as failure:  # by type, in the table of kafka_errors
            failed(failure)
        else:
            pending.add_callback(sent)
            pending.add_errback(failed)
        return future

    @override
    def flush(self, wait_s: float) -> None:
        try:
            self._inner.flush(timeout=wait_s)
        except Exception as failure:
            raise translated(failure) from failure

    @override
    def close(self) -> None:
        try:
            self._inner.close(timeout=_CLOSE_TIMEOUT_S)
        except Exception as failure:  # what was not acknowledged by now has failed, and its futures say so
            raise translated(failure) from failure

    def _reserved(self, size: int) -> bool:
        with self._lock:
            if self._unsent and self._unsent + size > self._most_unsent:
                return False
            self._unsent += size
            return True

    def _release(self, size: int) -> None:
        with self._lock:
            self._unsent -= size
