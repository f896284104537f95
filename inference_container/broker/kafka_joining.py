"""A join that ends between two polls counts.

kafka-python joins a group in a task of its own. When a `poll` runs out of time the task goes on, and the next `poll`
looks at it again. Up to 3.0.12 at least it throws a task away that has ended meanwhile, assignment and all, and joins
once more: a rebalance that nobody asked for. With polls that wait for tens of milliseconds that is no rare thing, and
members whose polls take turns did it to each other for ever: under `cooperative-sticky` nobody got a message any more,
under `range` everybody gave everything back each time and read again what was not committed.

So a task that has ended well is laid before the client a second time, as one that is still under way.

And a join that was begun is brought to its end. The client looks at a join only while it thinks that it needs one; one
that it began because a topic had more partitions than it knew, it needs no more when it knows of them, which may be
before the join has ended. Nobody takes its assignment then, and its heartbeat stays off: the member reads nothing and
says nothing, until the group has missed it, and after that as well.
"""

from typing import Protocol

from kafka.future import Future  # type: ignore[import-untyped]  # ships no types

from inference_container.broker.kafka_listener import Loop


class Task(Protocol):
    """A future of the client's."""

    is_done: bool

    def succeeded(self) -> bool: ...
    def chain(self, future: "Task") -> object: ...


class Coordinator(Protocol):
    """The client's view of its group, as far as it is needed. All of it happens on the client's loop."""

    _join_task: Task | None
    #: From the first to the last look at a join.
    rejoining: bool

    def need_rejoin(self) -> bool:
        """Whether a `poll` is to look at a join, or begin one."""

    def rebalance_in_progress(self) -> bool:
        """From the start of a join until the client has taken note of its end."""

    async def join_group_async(self, timeout_ms: float | None = None) -> bool:
        """Joins if need be. Whether that has ended in time."""


def keep_finished_joins(coordinator: Coordinator, loop: Loop) -> None:
    """To be called once, before the first poll."""
    join, needed = coordinator.join_group_async, coordinator.need_rejoin

    def need_rejoin() -> bool:
        return coordinator.rejoining or needed()

    async def join_group_async(timeout_ms: float | None = None) -> bool:
        ended = coordinator._join_task
        # A member that was thrown out meanwhile is in no rebalance; what it was assigned is void, and it joins anew.
        if ended is not None and ended.is_done and ended.succeeded() and coordinator.rebalance_in_progress():
            again: Task = Future()
            coordinator._join_task = again
            # Not at once: the client looks first, and takes what is not done yet for one to wait for.
            loop.call_soon(lambda: ended.chain(again))
        return await join(timeout_ms=timeout_ms)

    coordinator.join_group_async = join_group_async  # type: ignore[method-assign]  # the client asks its own attribute
    coordinator.need_rejoin = need_rejoin  # type: ignore[method-assign]  # the same
