"""Which dead letters of one partition were replayed: so that none is sent a second time, whatever was chosen before.

Pure. A replay may take letters of one reason and leave others between them, so a bare offset does not say what was
done. What lies beyond it is a bitmap in the note that a commit keeps beside the offset; a letter that is being sent is
in the note before it is sent, and whoever finds it there knows that nobody knows whether it arrived.
"""

import base64
import binascii
import zlib
from dataclasses import dataclass, replace
from typing import Self

from serving.errors import InvalidInput

#: Characters; brokers take 4096 unless told otherwise.
LONGEST_NOTE = 4000
_FORM = "replay1"
#: Offsets that a bitmap may span: one made by somebody else must not unpack to all the memory there is.
_WIDEST = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReplayMarks:
    base: int = 0  #: what is committed: all before it are replayed, or gone
    done: frozenset[int] = frozenset()  #: replayed, behind `base`
    sending: int | None = None  #: perhaps replayed

    @classmethod
    def read(cls, offset: int, note: str) -> Self:
        """What `note` wrote.

        Raises:
            InvalidInput: The note is not of this form: something else commits for this group.
        """
        if not note:
            return cls(offset)
        try:
            form, bits, sending = note.split(":")
            done = _unpacked(bits, offset)
            marks = cls(offset, done, int(sending) if sending else None)
        except (ValueError, zlib.error, binascii.Error):
            raise InvalidInput("The note beside the group's offset is none of ours.") from None
        if form != _FORM:
            raise InvalidInput("The note beside the group's offset is of another version.")
        return marks

    def note(self) -> str:
        """
        Raises:
            InvalidInput: It is longer than a broker keeps.
        """
        if not self.done and self.sending is None:
            return ""
        note = f"{_FORM}:{_packed(self.done, self.base)}:{'' if self.sending is None else self.sending}"
        if len(note) > LONGEST_NOTE:
            raise InvalidInput(
                "Too many letters were left out between those that were replayed: replay those in front first."
            )
        return note

    def has(self, offset: int) -> bool:
        """Whether it was replayed for certain."""
        return offset < self.base or offset in self.done

    def from_first(self, offset: int) -> "ReplayMarks":
        """Known that nothing lies before `offset` any more."""
        return self._settled(max(self.base, offset), self.done, self.sending)

    def begin(self, offset: int) -> "ReplayMarks":
        return replace(self, sending=offset)

    def end(self, offset: int) -> "ReplayMarks":
        """It was replayed, or is to count as replayed."""
        return self._settled(self.base, self.done | {offset}, None)

    def not_sent(self) -> "ReplayMarks":
        return replace(self, sending=None)

    @staticmethod
    def _settled(base: int, done: frozenset[int], sending: int | None) -> "ReplayMarks":
        while base in done:
            base += 1
        beyond = frozenset(offset for offset in done if offset > base)
        return ReplayMarks(base, beyond, sending if sending is not None and sending >= base else None)


def _packed(done: frozenset[int], base: int) -> str:
    bits = bytearray((max(done, default=base) - base) // 8 + 1)
    for offset in done:
        place, bit = divmod(offset - base, 8)
        bits[place] |= 1 << bit
    return base64.b64encode(zlib.compress(bytes(bits), 9)).decode()


def _unpacked(text: str, base: int) -> frozenset[int]:
    bits = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _WIDEST // 8)
    return frozenset(
        base + 8 * place + bit for place, byte in enumerate(bits) if byte for bit in range(8) if byte >> bit & 1
    )
