"""Kafka's own answers to commits, with other numbers in them: what the client does with an error is then real.

A broker gives these errors only in moments that no test can hit at will. So the answer is changed where the client has
just read it; all that follows, from a new search for the coordinator to joining anew, is the client's and ours.
"""

from collections.abc import Mapping
from typing import Protocol

from kafka.coordinator.consumer import ConsumerCoordinator  # type: ignore[import-untyped]  # ships no types

from tests.chaos.orders import Steering


class _Partition(Protocol):
    error_code: int


class _Topic(Protocol):
    partitions: list[_Partition]


class _Answer(Protocol):
    topics: list[_Topic]


def spoil_commits(steering: Steering) -> None:
    """For the rest of this process."""
    handle = ConsumerCoordinator._handle_offset_commit_response

    def spoiled(self: object, offsets: Mapping[object, object], sent: float, answer: _Answer) -> None:
        if error := steering.spoils_commit():
            for topic in answer.topics:
                for partition in topic.partitions:
                    partition.error_code = error
        handle(self, offsets, sent, answer)

    ConsumerCoordinator._handle_offset_commit_response = spoiled
