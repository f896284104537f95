"""What lies in the broker in memory: topics, their messages, the groups that read them, and the one lock over all."""

import threading
from collections.abc import Mapping, Sequence

from inference_container.broker.memory_group import Group
from inference_container.broker.ports import Headers, Partition, Record
from inference_container.errors import BrokerUnavailable
from serving.clock import Clock


class Topics:
    """Thread-safe where a method says nothing else."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: The lock over everything here, and the bell that rings on every change.
        self.changed = threading.Condition()
        self._messages: dict[str, list[list[Record]]] = {}
        self._groups: dict[str, Group] = {}

    def ensure(self, topics: Mapping[str, int]) -> None:
        with self.changed:
            missing = {topic: count for topic, count in topics.items() if topic not in self._messages}
            for topic, count in missing.items():
                self._messages[topic] = [[] for _ in range(count)]
            for group in self._groups.values():
                if any(missing.keys() & set(member.membership.topics) for member in group.members.values()):
                    group.rebalancing = True
            self.changed.notify_all()

    def group(self, name: str) -> Group:
        """The group of that name, made when there is none. Under the lock."""
        return self._groups.setdefault(name, Group(name))

    def counts(self) -> dict[str, int]:
        """How many partitions each topic has. Under the lock."""
        return {topic: len(partitions) for topic, partitions in self._messages.items()}

    def count(self, topic: str) -> int:
        """Under the lock.

        Raises:
            BrokerUnavailable: there is no such topic, which another try may find made.
        """
        if topic not in self._messages:
            raise BrokerUnavailable("There is no such topic (yet).", topic=topic)
        return len(self._messages[topic])

    def append(
        self, partition: Partition, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int | None
    ) -> Record:
        """Under the lock."""
        messages = self._messages[partition.topic][partition.number]
        moment = timestamp_ms if timestamp_ms is not None else int(self.clock.now().timestamp() * 1000)
        record = Record(partition, len(messages), key, value, tuple(headers), moment)
        messages.append(record)
        self.changed.notify_all()
        return record

    def read(self, partition: Partition, offset: int, most: int) -> Sequence[Record]:
        """Under the lock."""
        return self._messages[partition.topic][partition.number][offset : offset + most]

    def end(self, partition: Partition) -> int:
        """The offset that the next message will get. Under the lock.

        Raises:
            BrokerUnavailable: there is no such partition.
        """
        if partition.number >= self.count(partition.topic):
            raise BrokerUnavailable("There is no such partition (yet).", partition=str(partition))
        return len(self._messages[partition.topic][partition.number])
