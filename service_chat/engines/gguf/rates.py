"""How fast an engine reads and writes, from steps that do both at once. Pure.

The door predicts waits from these, so they must follow a machine that others use too: moving averages over some dozen
steps. A mixed step's time is split by what its rows would have taken alone at the rates known so far.
"""

_WEIGHT = 0.15


class Rates:
    def __init__(self) -> None:
        self.prefill = 0.0  #: prompt tokens per second; 0 until known
        self.decode = 0.0  #: tokens written per second, by all together; 0 until known

    def note(self, read: int, written: int, rows: int, took_s: float) -> None:
        """A step of `took_s` seconds read `read` prompt tokens; its `rows` other rows brought `written` tokens."""
        if took_s <= 0:
            return
        if not rows:
            self.prefill = _mixed(self.prefill, read / took_s)
        elif not read:
            self.decode = _mixed(self.decode, written / took_s)
        elif self.prefill and self.decode:
            reading, writing = read / self.prefill, written / self.decode
            share = took_s / (reading + writing) if reading + writing else 1.0
            self.prefill, self.decode = (
                _mixed(self.prefill, self.prefill / share),
                _mixed(self.decode, self.decode / share),
            )


def _mixed(before: float, now: float) -> float:
    return now if not before else (1 - _WEIGHT) * before + _WEIGHT * now
