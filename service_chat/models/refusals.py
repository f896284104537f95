"""What a source sent with a wrong hash is not fetched again at once. Called by `store`, under its lock.

An engine that can not load is started again every half minute: without this memory it would move the same wrong
gigabyte each time. The note lies beside the file, so it outlives the process and the pod where the cache does. Another
expected hash, or the note removed, and the next fetch begins at once.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_FIRST_WAIT_S = 15 * 60.0
_LONGEST_WAIT_S = 8 * 3600.0


@dataclass(frozen=True, slots=True)
class Refusal:
    times: int  #: in a row
    until: float  #: seconds since 1970: before that nothing is fetched
    sentence: str  #: what was wrong

    @property
    def when(self) -> str:
        return f"it is not fetched again before {datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M} UTC"


class Refusals:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now`: seconds since 1970. Not the monotonic clock, which begins anew with the machine."""
        self._now = now

    def standing(self, path: Path, wanted: str | None) -> Refusal | None:
        """Why the file at `path`, with the hash `wanted` from our side, is not to be fetched now."""
        found = self._read(path, wanted)
        # A clock that was set back must not turn hours into years.
        return found if found and 0 < found.until - self._now() <= _LONGEST_WAIT_S else None

    def note(self, path: Path, wanted: str | None, sentence: str) -> Refusal:
        """Remembers one more wrong file. The waits double from a quarter of an hour to eight hours."""
        before = self._read(path, wanted)
        times = before.times + 1 if before else 1
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(times - 1, 30))
        refusal = Refusal(times, self._now() + wait, sentence)
        text = json.dumps({"wanted": wanted, "times": times, "until": refusal.until, "sentence": sentence})
        with suppress(OSError):  # not remembered is fetched again: dearer, not wrong
            note_of(path).write_text(text)
        return refusal

    def forget(self, path: Path) -> None:
        note_of(path).unlink(missing_ok=True)

    def _read(self, path: Path, wanted: str | None) -> Refusal | None:
        with suppress(OSError, ValueError, KeyError, TypeError, OverflowError):
            note = json.loads(note_of(path).read_text())
            if note["wanted"] == wanted:
                return Refusal(int(note["times"]), float(note["until"]), str(note["sentence"]))
        return None


def note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.refused")
