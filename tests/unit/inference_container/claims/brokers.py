"""Brokers for tests of what is published: one in memory, and producers that answer late, badly or not at all."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from typing_extensions import override

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.ports import Headers, Membership, Partition, Producer, Record, Sent
from tests.suites.members import Told

TOPIC = "inference-data"


def broker_with(*topics: str, partitions: int = 4) -> MemoryBroker:
    broker = MemoryBroker()
    broker.ensure_topics(dict.fromkeys(topics or (TOPIC,), partitions))
    return broker


def everything_in(broker: MemoryBroker, topic: str = TOPIC) -> list[Record]:
    """All that lies in it, partition by partition."""
    consumer = broker.consumer(Membership(f"all-of-{topic}", (topic,)), Told())
    found: list[Record] = []
    while new := consumer.poll(1000, 0.05):
        found += new
    consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


class ChosenProducer(Producer):
    """Answers the n-th message (from 0) as told: with a place, an error, or, for None, never."""

    def __init__(self, answer: Callable[[int], Sent | Exception | None], after_s: float = 0.002) -> None:
        self._answer, self._after_s = answer, after_s
        self.sent = 0
        self.waiting = 0
        self.most_waiting = 0
        self._lock = threading.Lock()

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
        answer = self._answer(self.sent)
        self.sent += 1
        self._counted(1)
        match answer:
            case None:
                pass
            case Sent() if self._after_s:
                threading.Timer(self._after_s, self._land, (future, answer)).start()
            case Sent():
                self._land(future, answer)
            case _:
                self._counted(-1)
                future.set_exception(answer)
        return future

    def _land(self, future: "Future[Sent]", answer: Sent) -> None:
        self._counted(-1)
        future.set_result(answer)

    def _counted(self, by: int) -> None:
        with self._lock:
            self.waiting += by
            self.most_waiting = max(self.most_waiting, self.waiting)

    @override
    def flush(self, wait_s: float) -> None:
        pass

    @override
    def close(self) -> None:
        pass


def there(number: int = 0) -> Sent:
    return Sent(Partition(TOPIC, 0), number)
