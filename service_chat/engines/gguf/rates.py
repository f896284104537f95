"""How fast an engine reads and writes, from steps that do both at once. Pure.

The step loop sizes its chunks and the door predicts waits from these, so they must follow a machine that others use
too: tokens over seconds, both of the last few seconds of work. A mean of each step's own speed would be too hopeful: a
step that took ten times as long would count as one slow step among many, not for the time that it took. A mixed step's
time is split by what its rows would have taken alone at the rates known so far.
"""

import math

#: Seconds of work after which what was seen counts a third (1/e) of what it did.
_MEMORY_S = 3.0


class Rates:
    def __init__(self) -> None:
        self._prefill, self._decode = _Average(), _Average()

    @property
    def prefill(self) -> float:
        """Prompt tokens per second; 0 until known."""
        return self._prefill.value

    @property
    def decode(self) -> float:
        """Tokens written per second, by all together; 0 until known."""
        return self._decode.value

    def note(self, read: int, written: int, took_s: float) -> None:
        """A step of `took_s` seconds read `read` prompt tokens and brought `written` tokens of answers that went on."""
        if took_s <= 0 or not (read or written):
            return
        if not written:
            self._prefill.add(read, took_s)
        elif not read:
            self._decode.add(written, took_s)
        elif self.prefill and self.decode:
            alone_s = read / self.prefill, written / self.decode
            slower = took_s / sum(alone_s)
            self._prefill.add(read, alone_s[0] * slower)
            self._decode.add(written, alone_s[1] * slower)


class _Average:
    """Tokens over the seconds that they took. Each goes by the time spent on its own kind of work."""

    def __init__(self) -> None:
        self._tokens = self._seconds = 0.0

    @property
    def value(self) -> float:
        return self._tokens / self._seconds if self._seconds else 0.0

    def add(self, tokens: float, took_s: float) -> None:
        # One odd step, like the first after a load from a slow disk, counts no more than all that is remembered.
        counted_s = min(took_s, _MEMORY_S)
        kept = math.exp(-counted_s / _MEMORY_S)
        self._tokens = self._tokens * kept + tokens * counted_s / took_s
        self._seconds = self._seconds * kept + counted_s
