"""How often each claim was begun, counted so that it outlives the process: for the one that kills whoever works on it.

Belongs to the thread that polls, as the ledger does. The counts of what is open travel as the note that a broker keeps
beside each committed offset. After a crash they are read back, and what was begun before is a **suspect**: it is worked
alone, its count written down before it begins, so that the guilty one reaches its limit and the innocent do not.

A note costs a commit, so not every begin gets its own. One is due before the first work of an assignment, before every
suspect and after every suspect; all other commits carry the counts in passing. A killer behind the first batch may
escape the count for a while, but not for ever: each life finishes something, until what kills lies in the first batch.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from inference_container.broker.ports import Partition
from inference_container.claims.ledger import Delivery

#: A broker takes 4096 bytes by default (`offset.metadata.max.bytes`).
MAX_NOTE_BYTES = 1024
#: Counts beyond this say nothing more.
_MOST = 99
_NOTE = re.compile(r"a1((?: [0-9]{1,19}:[0-9]{1,2})+)", re.ASCII)
_ENTRY = re.compile(r"([0-9]+):([0-9]+)", re.ASCII)


def encode_note(position: int, attempts: Mapping[int, int], at_most: int = MAX_NOTE_BYTES) -> str:
    """Counts of offsets from `position` on, as `a1 <offset less position>:<count> ...`; empty for none.

    Where there is no room for all, the most suspicious stay: those begun most often, then the lowest.
    """
    open_ = [(offset, count) for offset, count in attempts.items() if offset >= position and count > 0]
    kept: list[tuple[int, str]] = []
    room = at_most - len("a1")
    for offset, count in sorted(open_, key=lambda each: (-each[1], each[0])):
        entry = f" {offset - position}:{min(count, _MOST)}"
        if len(entry) > room:
            break
        room -= len(entry)
        kept.append((offset, entry))
    return "a1" + "".join(entry for _, entry in sorted(kept)) if kept else ""


def decode_note(position: int, note: str) -> dict[int, int]:
    """What `encode_note` wrote; nothing from a note that somebody else left there."""
    if len(note) > 4096 or (found := _NOTE.fullmatch(note)) is None:
        return {}
    return {position + int(ahead): int(count) for ahead, count in _ENTRY.findall(found[1]) if int(count) > 0}


@dataclass(slots=True)
class _Counts:
    begun: dict[int, int]
    #: Begun in an earlier life or assignment, and not finished in it.
    suspects: set[int] = field(default_factory=set)
    #: Whether the broker knows what it has to know before more work begins.
    noted: bool = False


class Attempts:
    def __init__(self) -> None:
        self._counts: dict[Partition, _Counts] = {}

    def assigned(self, partition: Partition, position: int, note: str = "") -> None:
        """`note`: what lies beside the committed `position`."""
        begun = decode_note(position, note)
        self._counts[partition] = _Counts(begun, set(begun))

    def left(self, partitions: Collection[Partition]) -> None:
        """Revoked or lost."""
        for partition in partitions:
            self._counts.pop(partition, None)

    def suspect(self, partition: Partition, offset: int) -> bool:
        """Whether it has to be worked alone."""
        counts = self._counts.get(partition)
        return counts is not None and offset in counts.suspects

    def exhausted(self, partition: Partition, offset: int, most: int) -> bool:
        """Whether it is a dead letter without another try. Never before it was begun alone: in company, who was it?"""
        return self.suspect(partition, offset) and self.of(partition, offset) >= max(2, most)

    def of(self, partition: Partition, offset: int) -> int:
        counts = self._counts.get(partition)
        return counts.begun.get(offset, 0) if counts is not None else 0

    def begin(self, deliveries: Iterable[Delivery]) -> bool:
        """Counts one more try of each. Whether `notes` must be committed before the work may start."""
        due = False
        for delivery in deliveries:
            counts = self._counts.setdefault(delivery.partition, _Counts({}))
            counts.begun[delivery.offset] = counts.begun.get(delivery.offset, 0) + 1
            due |= not counts.noted or delivery.offset in counts.suspects
        return due

    def not_begun(self, deliveries: Iterable[Delivery]) -> None:
        """Takes one try back: the work was never started, or what failed was not the claim's."""
        for delivery in deliveries:
            counts = self._counts.get(delivery.partition)
            if counts is not None and counts.begun.get(delivery.offset, 0) > 0:
                counts.begun[delivery.offset] -= 1

    def finished(self, delivery: Delivery) -> None:
        counts = self._counts.get(delivery.partition)
        if counts is not None:
            counts.begun.pop(delivery.offset, None)
            if delivery.offset in counts.suspects:
                counts.suspects.remove(delivery.offset)
                # An innocent one: to be known before anything else begins, or the next death is counted against it.
                counts.noted = False

    def notes(self, positions: Mapping[Partition, int]) -> Mapping[Partition, str]:
        """What to commit beside these positions, for each of them; empty texts wipe what lies there."""
        return {
            partition: encode_note(position, counts.begun) if (counts := self._counts.get(partition)) else ""
            for partition, position in positions.items()
        }

    def noted(self, partitions: Collection[Partition]) -> None:
        """The broker has taken the notes of these."""
        for partition in partitions:
            if partition in self._counts:
                self._counts[partition].noted = True

    @property
    def held(self) -> int:
        """Offsets that are remembered; none once all is finished."""
        return sum(len(counts.begun) + len(counts.suspects) for counts in self._counts.values())
