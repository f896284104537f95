"""From the bytes of tokens to text that may be shown: whole characters only, and nothing of a stop string. Pure.

Called by `generation` for each token. A character may be spread over several tokens, and so may a stop string: what
could still become part of one is held back until the next token tells.
"""

import codecs
from collections.abc import Sequence


class TextStream:
    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.stopped = False  #: a stop string came; there is no more text

    def feed(self, piece: bytes) -> str:
        """The text that became certain with `piece`, often none."""
        return self._take(self._decoder.decode(piece))

    def finish(self) -> str:
        """What was held back, now that no token follows. Half a character becomes U+FFFD."""
        rest = self._take(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        return rest + held

    def _take(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        cut = self._first_stop()
        if cut is not None:
            shown, self._held, self.stopped = self._held[:cut], "", True
            return shown
        keep = self._undecided()
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def _first_stop(self) -> int | None:
        """Where the stop string begins that is complete first: the same one however the text was cut into pieces."""
        found = [(at + len(text), at) for text in self._stop if (at := self._held.find(text)) >= 0]
        return min(found)[1] if found else None

    def _undecided(self) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        longest = 0
        for text in self._stop:
            for length in range(min(len(text) - 1, len(self._held)), longest, -1):
                if self._held.endswith(text[:length]):
                    longest = length
                    break
        return longest
