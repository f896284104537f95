"""From the client's IO thread to the thread that polls: rebalances are told where `ports` promises it.

kafka-python calls its listeners on the thread of its event loop, where nothing may block, while the thread that polls
waits inside `poll`. So the client's `poll` runs on a helper, and the thread that polls waits here instead: for the
records, or for a question about a rebalance. The listener waits for the answer as a coroutine, so the loop stays free:
heartbeats go on, and the answer itself may commit and ask what is committed, with the plain blocking calls.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal, Protocol, TypeVar

from kafka.consumer.subscription_state import (  # type: ignore[import-untyped]  # ships no types
    AsyncConsumerRebalanceListener,
)
from kafka.future import Future as LoopFuture  # type: ignore[import-untyped]  # ships no types
from typing_extensions import override

from inference_container.broker.kafka_messages import Place, ours
from inference_container.broker.ports import Partition
from serving.crew import Crew

Change = Literal["assigned", "revoked", "lost"]
Answer = Callable[[Change, frozenset[Partition]], None]
_T = TypeVar("_T")


class Loop(Protocol):
    """The client's event loop, as far as it is needed."""

    def call_soon(self, callback: Callable[[], object]) -> object:
        """On the loop's own thread."""

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> object: ...


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
        #: What the thread that polls has to hear: questions, and which work is done.
        self._heard: SimpleQueue[object] = SimpleQueue()
        # Not a pool of the standard library's: the interpreter would wait for a farewell that no broker answers.
        self._helper = Crew(1, name)

    def listener(self, loop: Loop) -> "Listener":
        return Listener(loop, self._heard.put)

    def drive(self, work: Callable[[], _T]) -> _T:
        """Runs `work` on the helper and answers here what it leads to, until it is done.

        What was left by an interrupt (Ctrl-C in the middle of a poll) goes on, and is brought to its end by the next
        call, which is the close.
        """
        done = self._helper.submit(work)
        done.add_done_callback(self._heard.put)
        while (heard := self._heard.get()) is not done:
            if isinstance(heard, _Question):
                try:
                    self._answer(heard.change, heard.partitions)
                finally:
                    heard.answered()
        return done.result()

    def close(self) -> None:
        self._helper.shutdown(wait=False)


class Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # the client ships no types
    """Called by the client on its event loop; only during a `poll` or a `close`, that is, during a `drive`."""

    def __init__(self, loop: Loop, ask: Callable[[_Question], object]) -> None:
        self._loop = loop
        self._put = ask

    @override
    async def on_partitions_assigned(self, assigned: Collection[Place]) -> None:
        await self._ask("assigned", assigned)

    @override
    async def on_partitions_revoked(self, revoked: Collection[Place]) -> None:
        await self._ask("revoked", revoked)

    @override
    async def on_partitions_lost(self, lost: Collection[Place]) -> None:
        await self._ask("lost", lost)

    async def _ask(self, change: Change, partitions: Collection[Place]) -> None:
        meant = frozenset(map(ours, partitions))
        if not meant:
            return
        answered = LoopFuture()

        def wake() -> None:
            answered.success(None)

        def from_afar() -> None:
            # Through the loop's own door: completing the future on another thread would not wake its select().
            self._loop.call_soon_threadsafe(wake)

        self._put(_Question(change, meant, from_afar))
        await answered
