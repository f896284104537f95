"""How fast an engine reads and writes, from steps that do both at once. Pure.

The step loop sizes its chunks and the door predicts waits from these, so they must follow a machine that others use
too: moving averages over the last dozen steps. A mixed step's time is split by what its rows would have taken alone at
the rates known so far.
"""

#: What a new observation counts, once there are many.
_WEIGHT = 0.15


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
            self._prefill.add(read / took_s)
        elif not read:
            self._decode.add(written / took_s)
        elif self.prefill and self.decode:
            slower = took_s / (read / self.prefill + written / self.decode)
            self._prefill.add(self.prefill / slower)
            self._decode.add(self.decode / slower)


class _Average:
    """Of everything at first, so that one odd beginning does not last; then more and more of the latest."""

    def __init__(self) -> None:
        self.value, self._count = 0.0, 0

    def add(self, value: float) -> None:
        self._count += 1
        self.value += (value - self.value) * max(_WEIGHT, 1 / self._count)
