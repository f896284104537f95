"""A broker inside this process, for `make demo`, for a laptop without Java and for unit tests.

Keeps the promises of `ports` that Kafka keeps, on the same suite of tests: partitions, groups that rebalance, committed
offsets, members that are thrown out. Several consumers and producers in any threads. Everything ever sent is kept, in
memory: it is for short lives, and nothing outlives the process.
"""

import itertools
import threading
import zlib
from collections.abc import Mapping
from concurrent.futures import Future

from typing_extensions import override

from inference_container.broker.memory_consumer import MemoryConsumer
from inference_container.broker.memory_topics import Topics
from inference_container.broker.ports import Broker, Headers, Membership, Partition, Producer, Rebalance, Record, Sent
from inference_container.errors import BrokerUnavailable, MessageTooLarge
from serving.clock import Clock, SystemClock

#: What Kafka takes by default, in bytes.
LARGEST_MESSAGE = 1024 * 1024


class MemoryBroker(Broker):
    def __init__(self, clock: Clock | None = None, largest_message: int = LARGEST_MESSAGE) -> None:
        """`largest_message`: bytes of key, value and headers together."""
        self._topics = Topics(clock or SystemClock())
        self._largest = largest_message

    @override
    def consumer(self, membership: Membership, rebalance: Rebalance) -> MemoryConsumer:
        return MemoryConsumer(self._topics, membership, rebalance)

    @override
    def producer(self) -> "MemoryProducer":
        return MemoryProducer(self._topics, self._largest)

    @override
    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        self._topics.ensure(topics)

    @override
    def close(self) -> None:
        pass


class MemoryProducer(Producer):
    """What is sent lies in the topic when `send` returns; its future is done by then."""

    def __init__(self, topics: Topics, largest: int) -> None:
        self._topics = topics
        self._largest = largest
        self._turns = itertools.count()
        self._closed = threading.Event()

    @override
    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> "Future[Sent]":
        if self._closed.is_set():
            raise RuntimeError("the producer is closed")
        future: Future[Sent] = Future()
        size = len(value or b"") + len(key or b"") + sum(len(name) + len(content) for name, content in headers)
        if size > self._largest:
            future.set_exception(MessageTooLarge(size=size, at_most=self._largest))
            return future
        try:
            record = self._lay_down(topic, value, key, headers, timestamp_ms)
        except BrokerUnavailable as failure:
            future.set_exception(failure)
        else:
            future.set_result(Sent(record.partition, record.offset))
        return future

    def _lay_down(
        self, topic: str, value: bytes | None, key: bytes | None, headers: Headers, timestamp_ms: int | None
    ) -> Record:
        with self._topics.changed:
            count = self._topics.count(topic)
            number = next(self._turns) if key is None else zlib.crc32(key)
            return self._topics.append(Partition(topic, number % count), key, value, headers, timestamp_ms)

    @override
    def flush(self, wait_s: float) -> None:
        pass

    @override
    def close(self) -> None:
        self._closed.set()
