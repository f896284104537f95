"""Places, records and commits as kafka-python has them, and as `ports` does. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from kafka import OffsetAndMetadata, TopicPartition  # type: ignore[import-untyped]  # ships no types; described below

from inference_container.broker.ports import Committed, Headers, Partition, Record


class Place(Protocol):
    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...


class Message(Protocol):
    """A record as the client hands it out."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int


class Kept(Protocol):
    """What the client says was committed."""

    offset: int
    metadata: str | None


def ours(place: Place) -> Partition:
    return Partition(place.topic, place.partition)


def theirs(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def record(message: Message) -> Record:
    headers: Headers = tuple((name, content or b"") for name, content in message.headers)
    return Record(ours(message), message.offset, message.key, message.value, headers, message.timestamp)


def committed(kept: Kept | None) -> Committed | None:
    return Committed(kept.offset, kept.metadata or "") if kept is not None and kept.offset >= 0 else None


def to_commit(finished: Mapping[Partition, Committed]) -> dict[TopicPartition, OffsetAndMetadata]:
    # leader_epoch is -1: the client refuses None here.
    return {theirs(place): OffsetAndMetadata(each.offset, each.note, -1) for place, each in finished.items()}
