"""Three bugs that services of this kind have had, planted into the ports of a real one: the schedule must find each.

Each is what a hasty hand would write. `commit-polled` commits what was handed out and not what is finished (a bare
`commit()` does). `no-rewind` goes on reading where it had read to when a partition comes straight back (the client
itself does). `drop-on-full` fetches without asking for room and throws away what has none.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from inference_container.broker.ports import Committed, Consumer, Partition, Rebalance, Record
from tests.chaos.orders import Plant

#: How many more than fit a careless poll asks for.
_TOO_MANY = 16


@dataclass(slots=True)
class Seed:
    """A bug of one consumer. `polled`: the next offset of each partition, had all that was handed out been finished."""

    rebalance: Callable[[Rebalance], Rebalance] = lambda inner: inner
    consumer: Callable[[Consumer], Consumer] = lambda inner: inner
    polled: dict[Partition, int] = field(default_factory=dict)


def no_seed(assignor: str) -> Seed:
    return Seed()


def planted(plant: Plant) -> Callable[[str], Seed]:
    """What makes the bug for a consumer with this assignor."""
    match plant:
        case "":
            return no_seed
        case "commit-polled":
            return _commit_polled
        case "no-rewind":
            return _no_rewind
        case "drop-on-full":
            return lambda assignor: Seed(consumer=_DropsOnFull)


def _commit_polled(assignor: str) -> Seed:
    seed = Seed()
    seed.rebalance = lambda inner: _RevokesPolled(inner, seed.polled)
    seed.consumer = lambda inner: _CommitsPolled(inner, seed.polled)
    return seed


def _no_rewind(assignor: str) -> Seed:
    if assignor != "range":
        return Seed()  # where partitions stay with their member, nothing comes straight back
    seed = Seed()
    seed.rebalance = lambda inner: _GoesOn(inner, seed.polled)
    seed.consumer = lambda inner: _Remembers(inner, seed.polled)
    return seed


class Through(Consumer):
    """All calls go to `inner`."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        return self._inner.poll(most, wait_s)

    @override
    def pause(self, partitions: Collection[Partition]) -> None:
        self._inner.pause(partitions)

    @override
    def resume(self, partitions: Collection[Partition]) -> None:
        self._inner.resume(partitions)

    @property
    @override
    def assigned(self) -> frozenset[Partition]:
        return self._inner.assigned

    @property
    @override
    def paused(self) -> frozenset[Partition]:
        return self._inner.paused

    @override
    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        self._inner.commit(offsets, notes)

    @override
    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        return self._inner.committed(partitions)

    @override
    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return self._inner.end_offsets(partitions)

    @override
    def close(self) -> None:
        self._inner.close()


class _Remembers(Through):
    def __init__(self, inner: Consumer, polled: dict[Partition, int]) -> None:
        super().__init__(inner)
        self._polled = polled

    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        found = super().poll(most, wait_s)
        self._polled |= {record.partition: record.offset + 1 for record in found}
        return found


class _CommitsPolled(_Remembers):
    @override
    def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str] = {}) -> None:
        super().commit({each: self._polled.get(each, offset) for each, offset in offsets.items()})


class _RevokesPolled(Rebalance):
    def __init__(self, inner: Rebalance, polled: dict[Partition, int]) -> None:
        self._inner, self._polled = inner, polled

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        for partition in partitions:
            self._polled.pop(partition, None)
        return self._inner.assigned(partitions)

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        self._inner.revoked(partitions)
        return {each: Committed(self._polled[each]) for each in partitions if each in self._polled}

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        self._inner.lost(partitions)


class _GoesOn(Rebalance):
    """Says of what comes straight back that it goes on behind what was handed out last."""

    def __init__(self, inner: Rebalance, polled: dict[Partition, int]) -> None:
        self._inner, self._polled = inner, polled
        self._just_left: frozenset[Partition] = frozenset()

    @override
    def assigned(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        begin = self._inner.assigned(partitions)
        back = {each: self._polled[each] for each in self._just_left & set(partitions) if each in self._polled}
        for partition in set(partitions) - back.keys():
            self._polled.pop(partition, None)
        return {**begin, **back}

    @override
    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Committed]:
        self._just_left = frozenset(partitions)
        return self._inner.revoked(partitions)

    @override
    def lost(self, partitions: Collection[Partition]) -> None:
        self._just_left = frozenset()
        self._polled.clear()
        self._inner.lost(partitions)


class _DropsOnFull(Through):
    @override
    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        return super().poll(most + _TOO_MANY if most > 0 else most, wait_s)[: max(most, 0)]
