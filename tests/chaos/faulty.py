"""The real ports with accidents on the way: every call goes to what is inside, unless `Steering` says otherwise.

Only `tests.chaos.service` wraps with these; the product has no place where a fault could be injected, and needs none.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path

from typing_extensions import override

from inference_container.broker.ports import (
    Broker,
    Consumer,
    Headers,
    Membership,
    Partition,
    Producer,
    Rebalance,
    Record,
    Sent,
)
from inference_container.stores.ports import ObjectInfo, ObjectStore, Opened
from tests.chaos.killer import DEADLY_KEY
from tests.chaos.orders import Point, Steering
from tests.chaos.planted import Seed, Through, no_seed

#: Where parts of the log lie; everything else that is put is none of a claim's business.
_LOG = "results/"


class FaultyStore(ObjectStore):
    def __init__(self, inner: ObjectStore, steering: Steering) -> None:
        self._inner, self._steering = inner, steering

    @override
    def stat(self, bucket: str, key: str) -> ObjectInfo:
        self._steering.weather()
        return self._inner.stat(bucket, key)

    @override
    def get(self, bucket: str, key: str, at_most: int) -> tuple[ObjectInfo, bytes]:
        self._steering.reach(Point.FETCHING)
        if DEADLY_KEY in key:
            os.kill(os.getpid(), signal.SIGKILL)
        self._steering.weather()
        return self._inner.get(bucket, key, at_most)

    @override
    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[Opened]:
        self._steering.weather()
        return self._inner.open(bucket, key, start, length, etag)

    @override
    def put(self, bucket: str, key: str, content: bytes, content_type: str = "application/octet-stream") -> ObjectInfo:
        self._steering.weather()
        put = self._inner.put(bucket, key, content, content_type)
        if key.startswith(_LOG):
            self._steering.reach(Point.STORED)
        return put

    @override
    def put_new(
        self, bucket: str, key: str, content: bytes, content_type: str = "application/octet-stream"
    ) -> ObjectInfo | None:
        self._steering.weather()
        return self._inner.put_new(bucket, key, content, content_type)

    @override
    def replace(self, bucket: str, key: str, content: bytes, etag: str) -> ObjectInfo:
        self._steering.weather()
        return self._inner.replace(bucket, key, content, etag)

    @override
    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        self._steering.weather()
        return self._inner.list(bucket, prefix, after)

    @override
    def fetch(self, bucket: str, key: str, into: Path) -> ObjectInfo:
        self._steering.weather()
        return self._inner.fetch(bucket, key, into)

    @override
    def ensure_buckets(self) -> None:
        self._inner.ensure_buckets()

    @override
    def close(self) -> None:
        self._inner.close()


class FaultyProducer(Producer):
    def __init__(self, inner: Producer, steering: Steering) -> None:
        self._inner, self._steering = inner, steering

    @override
    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> "Future[Sent]":
        future = self._inner.send(topic, value, key, headers, timestamp_ms)
        future.add_done_callback(self._acknowledged)  # the first of all: whoever waits hears of it later
        return future

    @override
    def flush(self, wait_s: float) -> None:
        self._inner.flush(wait_s)

    @override
    def close(self) -> None:
        self._inner.close()

    def _acknowledged(self, future: "Future[Sent]") -> None:
        if future.exception() is None:
            self._steering.reach(Point.ACKNOWLEDGED)


class FaultyConsumer(Through):
    def __init__(self, inner: Consumer, steering: Steering) -> None:
        super().__init__(inner)
        self._steering = steering

    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        found = super().poll(most, wait_s)
        assert len(found) <= max(most, 0), "a poll brought more than was asked for"
        if found:
            self._steering.reach(Point.POLLED)
        return found

    @override
    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        if offsets:
            self._steering.reach(Point.COMMITTING)
        super().commit(offsets, notes)
        if offsets:
            self._steering.reach(Point.COMMITTED)


class FaultyBroker(Broker):
    """`seed`: a planted bug, which comes between the service and what is faulty."""

    def __init__(self, inner: Broker, steering: Steering, seed: Callable[[str], Seed] = no_seed) -> None:
        self._inner, self._steering, self._seed = inner, steering, seed

    @override
    def consumer(self, membership: Membership, rebalance: Rebalance) -> Consumer:
        seed = self._seed(membership.assignor)
        inner = self._inner.consumer(membership, seed.rebalance(rebalance))
        return seed.consumer(FaultyConsumer(inner, self._steering))

    @override
    def producer(self) -> Producer:
        return FaultyProducer(self._inner.producer(), self._steering)

    @override
    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        self._inner.ensure_topics(topics)

    @override
    def close(self) -> None:
        self._inner.close()
