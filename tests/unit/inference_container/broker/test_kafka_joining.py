from collections.abc import Callable, Iterator

import pytest
from kafka.future import Future  # type: ignore[import-untyped]  # ships no types
from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]  # ships no types

from inference_container.broker.kafka_joining import Task, keep_finished_joins


class Group:
    """Joins as the client's coordinator does: a task that is done when it is looked at is as good as none."""

    def __init__(self, loop: NetworkSelector) -> None:
        self._join_task: Task | None = None
        self.rebalancing = self.rejoining = False
        #: Whether the topic has changed since the last assignment: a reason that may pass while the join goes on.
        self.changed = True
        self.begun: list[Future] = []
        keep_finished_joins(self, loop)

    def rebalance_in_progress(self) -> bool:
        return self.rebalancing

    def need_rejoin(self) -> bool:
        return self.changed

    async def join_group_async(self, timeout_ms: float | None = None) -> bool:
        if self._join_task is None or self._join_task.is_done:
            self.begun.append(Future())
            self._join_task = self.begun[-1]
            self.rebalancing = self.rejoining = True
        if timeout_ms == 0:
            return False
        await self._join_task  # type: ignore[misc]  # a future of the client's can be awaited
        self._join_task = None
        self.rebalancing = self.rejoining = False
        return True


@pytest.fixture
def loop() -> Iterator[NetworkSelector]:
    made = NetworkSelector()
    yield made
    made.close()


def test_a_join_that_ends_between_two_polls_is_taken_note_of_and_not_begun_again(loop: NetworkSelector) -> None:
    group = Group(loop)
    assert loop.run(group.join_group_async, 0) is False
    group.begun[0].success(b"assignment")
    assert loop.run(group.join_group_async, 1000) is True
    assert len(group.begun) == 1
    assert group._join_task is None


def test_one_that_is_under_way_is_waited_for(loop: NetworkSelector) -> None:
    group = Group(loop)
    loop.run(group.join_group_async, 0)
    loop.call_later(0.01, lambda: group.begun[0].success(b"assignment"))
    assert loop.run(group.join_group_async, 1000) is True
    assert len(group.begun) == 1


def expel(group: Group) -> None:
    group.begun[0].success(b"assignment")
    group.rebalancing = False


@pytest.mark.parametrize("spoil", [expel, lambda group: group.begun[0].failure(OSError())])
def test_what_failed_or_became_void_meanwhile_is_begun_again(
    loop: NetworkSelector, spoil: Callable[[Group], object]
) -> None:
    group = Group(loop)
    loop.run(group.join_group_async, 0)
    spoil(group)
    loop.run(group.join_group_async, 0)
    assert len(group.begun) == 2


def test_a_join_whose_reason_has_passed_is_brought_to_its_end(loop: NetworkSelector) -> None:
    group = Group(loop)
    loop.run(group.join_group_async, 0)
    group.changed = False
    assert group.need_rejoin()  # or no poll would look at it any more
    group.begun[0].success(b"assignment")
    assert loop.run(group.join_group_async, 1000) is True
    assert not group.need_rejoin()


def test_a_reason_to_join_is_one_also_while_nothing_is_under_way(loop: NetworkSelector) -> None:
    assert Group(loop).need_rejoin()
