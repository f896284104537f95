"""How often each claim was begun, counted so that it outlives the process: for the one that kills whoever works on it.

Belongs to the thread that polls, as the ledger does. The counts of what is open travel as the note that a broker keeps
beside each committed offset. After a crash they are read back, and what was begun before is a **suspect**: it is worked
alone, its count written down before it begins, so that the guilty one reaches its limit and the innocent do not.

A partition that leaves a process that lives takes notes with it of work that killed nobody. Should it come back to the
same process, the tries that this one had begun are taken off again: else a group that keeps changing, or commits that
are refused, would count like deaths, and put innocent claims aside.

A note costs a commit, so not every begin gets its own. One is due before the first work of an assignment, before every
suspect and after every suspect; all other commits carry the counts in passing. A killer behind the first batch may
escape the count for a while, but not for ever: each life finishes something, until what kills lies in the first batch.

A suspect of which it is known what it becomes is **innocent** of the deaths before that. This is written down before
anybody hears what it became: else the next deaths could count it out, and it were a result and a dead letter as well.
Its count goes on from `_INNOCENT`, so one that kills whoever records it is found too, some lives later.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from inference_container.broker.ports import Partition
from inference_container.claims.consuming.ledger import Delivery

#: A broker takes 4096 bytes by default (`offset.metadata.max.bytes`).
MAX_NOTE_BYTES = 1024
#: Counts beyond this say nothing more.
_MOST = 99
#: Added to the count of an innocent one; and how many more tries it has than others. Both fit below `_MOST`.
_INNOCENT, _PATIENCE = 50, 3
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
    #: What the note of this assignment said, less what was forgiven; and what was begun since, taken back or not.
    inherited: dict[int, int] = field(default_factory=dict)
    own: dict[int, int] = field(default_factory=dict)
    #: Whether the broker knows what it has to know before more work begins.
    noted: bool = False


class Attempts:
    def __init__(self) -> None:
        self._counts: dict[Partition, _Counts] = {}
        #: Of partitions that have left: what was inherited and begun of what was not finished.
        self._forgiven: dict[Partition, dict[int, tuple[int, int]]] = {}

    def assigned(self, partition: Partition, position: int, note: str = "") -> None:
        """`note`: what lies beside the committed `position`."""
        forgiven = self._forgiven.pop(partition, {})
        told = decode_note(position, note)
        # How many of our own tries the note counts is not known; what was there before us is, and stays.
        less = {each: max(before, told[each] - own) for each, (before, own) in forgiven.items() if each in told}
        begun = {offset: count for offset, count in {**told, **less}.items() if count > 0}
        self._counts[partition] = _Counts(begun, set(begun), dict(begun))

    def left(self, partitions: Collection[Partition], forgiven: bool = False) -> None:
        """Revoked or lost.

        Args:
            forgiven: for a reason that was none of the claims'; what was begun is not held against them here.
        """
        for partition in partitions:
            counts = self._counts.pop(partition, None)
            self._forgiven.pop(partition, None)
            if forgiven and counts is not None and counts.own:
                own = counts.own.items()
                self._forgiven[partition] = {each: (counts.inherited.get(each, 0), begun) for each, begun in own}

    def suspect(self, partition: Partition, offset: int) -> bool:
        """Whether it has to be worked alone."""
        counts = self._counts.get(partition)
        return counts is not None and offset in counts.suspects

    def exhausted(self, partition: Partition, offset: int, most: int) -> bool:
        """Whether it is a dead letter without another try. Never before it was begun alone: in company, who was it?"""
        counts = self._counts.get(partition)
        if counts is None or offset not in counts.suspects:
            return False
        return max(2, most) <= counts.begun.get(offset, 0) < _INNOCENT or self.hopeless(partition, offset, most)

    def hopeless(self, partition: Partition, offset: int, most: int) -> bool:
        """Whether it is one although nobody died of it once: it has had many more tries."""
        counts = self._counts.get(partition)
        return counts is not None and counts.begun.get(offset, 0) >= min(_INNOCENT + _PATIENCE * max(2, most), _MOST)

    def of(self, partition: Partition, offset: int) -> int:
        counts = self._counts.get(partition)
        return counts.begun.get(offset, 0) % _INNOCENT if counts is not None else 0

    def innocent(self, delivery: Delivery) -> None:
        """It is known what it becomes. To be noted before anybody is told of that."""
        counts = self._counts.get(delivery.partition)
        if counts is not None and 0 < counts.begun.get(delivery.offset, 0) < _INNOCENT:
            counts.begun[delivery.offset] += _INNOCENT

    def begin(self, deliveries: Iterable[Delivery]) -> bool:
        """Counts one more try of each. Whether `notes` must be committed before the work may start."""
        due = False
        for delivery in deliveries:
            counts = self._counts.setdefault(delivery.partition, _Counts({}))
            counts.begun[delivery.offset] = counts.begun.get(delivery.offset, 0) + 1
            counts.own[delivery.offset] = counts.own.get(delivery.offset, 0) + 1
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
            counts.own.pop(delivery.offset, None)
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
