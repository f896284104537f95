"""From the client's IO thread to the thread that polls: rebalances are told where `ports` promises it.

kafka-python calls its listeners on the thread of its event loop, where nothing may block, while the thread that polls
waits inside `poll`. So the client's `poll` runs on a helper, and the thread that polls waits here instead: for the
records, or for a question about a rebalance. The listener waits for the answer as a coroutine, so the loop stays free:
heartbeats go on, and the answer itself may commit and ask what is committed, with the plain blocking calls.
"""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Literal, Protocol, TypeVar

from kafka.consumer.subscription_state import (  # type: ignore[import-untyped]  # ships no types
    AsyncConsumerRebalanceListener,
)
from kafka.future import Future as LoopFuture  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from inference_container.broker.ports import Partition
from inference_container.errors import BrokerUnavailable

Change = Literal["assigned", "revoked", "lost"]
Answer = Callable[[Change, frozenset[Partition]], None]
_T = TypeVar("_T")


class TopicPartitionLike(Protocol):
    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...


class Loop(Protocol):
    """The client's event loop, as far as it is needed."""

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> object: ...


@dataclass(frozen=True, slots=True)
class _Question:
    change: Change
    partitions: frozenset[Partition]
    answered: Callable[[], None]


class Bridge:
    """Belongs to one consumer and the thread that polls it."""

    def __init__(self, answer: Answer, name: str) -> None:
        """`answer`: called on the thread that calls `drive`; must not raise."""
        self._answer = answer
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._helper = ThreadPoolExecutor(1, thread_name_prefix=name)

    def listener(self, loop: Loop) -> "Listener":
        return Listener(loop, self._questions)

    def drive(self, work: Callable[[], _T], timeout_s: float | None = None) -> _T:
        """Runs `work` on the helper and answers here what it leads to, until it is done.

        Raises:
            BrokerUnavailable: nothing came for `timeout_s`. The work goes on, and nothing more may be driven.
        """
        done = self._helper.submit(work)
        done.add_done_callback(lambda _: self._questions.put(None))
        while (question := self._next(timeout_s)) is not None:
            try:
                self._answer(question.change, question.partitions)
            finally:
                question.answered()
        return done.result()

    def _next(self, timeout_s: float | None) -> _Question | None:
        try:
            return self._questions.get(timeout=timeout_s)
        except Empty as failure:
            raise BrokerUnavailable from failure

    def close(self) -> None:
        self._helper.shutdown(wait=False)


class Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # the client ships no types
    """Called by the client on its event loop; only during a `poll` or a `close`, that is, during a `drive`."""

    def __init__(self, loop: Loop, questions: "SimpleQueue[_Question | None]") -> None:
        self._loop = loop
        self._questions = questions

    @override
    async def on_partitions_assigned(self, assigned: Collection[TopicPartitionLike]) -> None:
        await self._ask("assigned", assigned)

    @override
    async def on_partitions_revoked(self, revoked: Collection[TopicPartitionLike]) -> None:
        await self._ask("revoked", revoked)

    @override
    async def on_partitions_lost(self, lost: Collection[TopicPartitionLike]) -> None:
        await self._ask("lost", lost)

    async def _ask(self, change: Change, partitions: Collection[TopicPartitionLike]) -> None:
        ours = frozenset(Partition(each.topic, each.partition) for each in partitions)
        if not ours:
            return
        answered = LoopFuture()

        def wake() -> None:
            answered.success(None)

        def from_afar() -> None:
            # Through the loop's own door: completing the future on another thread would not wake its select().
            self._loop.call_soon_threadsafe(wake)

        self._questions.put(_Question(change, ours, from_afar))
        await answered
