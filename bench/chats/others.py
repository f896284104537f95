"""Was the machine ours alone? What everybody else on it took of its time while a part was measured.

Called by `bench.triage`. Threads that wait for each other suffer from a neighbour far more than his share says, and not
all servers suffer alike: a comparison on a busy machine is a comparison of something else, and must say so.
"""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

#: Above it a run's figures should not be quoted.
QUIET = 0.05
#: Of the first line of /proc/stat: idle and iowait are nobody's.
_IDLE = (3, 4)
#: Guest time is counted in user time already.
_COLUMNS = 8
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Seconds of processor time up to now."""

    at: float
    everybody: float
    ourselves: float  #: this process, and its descendants that have ended

    def share_since(self, before: "Ledger", cores: int) -> float:
        """Of the machine's time since then, what others took: other processes, and a hypervisor's other guests."""
        others = (self.everybody - before.everybody) - (self.ourselves - before.ourselves)
        return max(0.0, others / ((self.at - before.at) * cores))


def ledger() -> Ledger:
    """Read it while no server runs: a child's time is known to its parent only when it has ended."""
    busy = busy_ticks(Path("/proc/stat").read_text()) / _TICKS_PER_S
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Ledger(time.monotonic(), busy, sum(each.ru_utime + each.ru_stime for each in used))


def busy_ticks(stat: str) -> int:
    """Of all cores together, time stolen by the hypervisor included."""
    columns = [int(each) for each in stat.split("\n", 1)[0].split()[1 : _COLUMNS + 1]]
    return sum(ticks for number, ticks in enumerate(columns) if number not in _IDLE)


def in_words(shares: dict[str, float]) -> str:
    """By part."""
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    verdict = "quiet enough" if max(shares.values(), default=0.0) <= QUIET else "TOO BUSY to quote these figures"
    return f"What others took of the machine meanwhile: {told}; {verdict}."
