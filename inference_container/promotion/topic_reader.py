"""A thread that reads one topic with a consumer of its own, and goes on whatever happens to the broker.

`listener` starts two. After an error the consumer is closed and another one made: whatever was not committed is read
again, so no message is passed by because of what went wrong behind it.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from typing_extensions import override

from inference_container import events_claims
from inference_container.broker.ports import Broker, Committed, Consumer, Membership, Partition, Rebalance, Record
from inference_container.errors import BrokerUnavailable, CommitRefused
from serving.errors import SluiceError
from serving.events import unexpected_error

#: Messages of one poll, and how long it waits for a first one: also how long `stop` may take to be seen.
_MOST, _WAIT_S = 200, 0.2
#: Seconds between two tries, doubled from the first to the last.
_FIRST_AFTER_S, _LAST_AFTER_S = 0.5, 30.0


class Handle(Protocol):
    def __call__(self, records: Sequence[Record]) -> None:
        """Called on the thread; returns when nothing more is to be done with them.

        Raises:
            SluiceError: They are to be read again.
        """


class TopicReader:
    def __init__(self, name: str, broker: Broker, membership: Membership, handle: Handle, commits: bool) -> None:
        """
        Args:
            commits: whether what was handled is committed, so that nobody of the group is given it again.
        """
        self._broker, self._membership, self._handle = broker, membership, handle
        self._place = _Place(commits)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait. Idempotent, from any thread."""
        self._stop.set()

    def join(self, wait_s: float) -> bool:
        """Whether it has ended within `wait_s`."""
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        after_s = _FIRST_AFTER_S
        while not self._stop.is_set():
            turns = 0
            try:
                self._place.forget()
                consumer = self._broker.consumer(self._membership, self._place)
                try:
                    while not self._stop.is_set():
                        self._turn(consumer)
                        turns += 1
                finally:
                    with suppress(SluiceError):
                        consumer.close()
            except SluiceError as error:
                after_s = _FIRST_AFTER_S if turns else min(2 * after_s, _LAST_AFTER_S)
                events_claims.promotion_listener_error(code=error.code, reason=error.message, after_s=after_s)
            except Exception as error:  # a thread that ended would be missed by nobody
                after_s = min(2 * after_s, _LAST_AFTER_S)
                unexpected_error(error_type=type(error).__name__, at="promotion.topic_reader")
            else:
                return
            self._stop.wait(after_s)

    def _turn(self, consumer: Consumer) -> None:
        records = consumer.poll(_MOST, _WAIT_S)
        if records:
            self._handle(records)
            self._place.done(records)
        self._place.commit(consumer)


class _Place(Rebalance):
    """Up to where the topic was handled. Lives on the thread that polls."""

    def __init__(self, commits: bool) -> None:
        self._commits = commits
        self._uncommitted: dict[Partition, int] = {}

    def forget(self) -> None:
        self._uncommitted.clear()

    def done(self, records: Sequence[Record]) -> None:
        if self._commits:
            self._uncommitted |= {record.partition: record.offset + 1 for record in records}

    def commit(self, consumer: Consumer) -> None:
        if not self._uncommitted:
            return
        try:
            consumer.commit(self._uncommitted)
        except BrokerUnavailable:
            return  # a rebalance goes on, or worse: the next poll tells
        except CommitRefused:
            pass  # somebody else has them and will read them once more
        self._uncommitted.clear()

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return {}

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        mine = self._uncommitted
        return {each: Committed(mine.pop(each)) for each in partitions if each in mine}

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        for each in partitions:
            self._uncommitted.pop(each, None)
