"""Row 15: hours of it (here, minutes: CHAOS_SOAK_S) leave the memory as it was and nothing remembered at rest."""

import os
import time
from pathlib import Path

import pytest

from tests.chaos.conftest import SceneOf
from tests.chaos.marks import LONG
from tests.chaos.workload import Workload
from tests.integration.processes import descendants, eventually

SOAK_S = float(os.environ.get("CHAOS_SOAK_S", "45"))

pytestmark = [pytest.mark.timeout(2 * SOAK_S + 600), *LONG]


def resident(pid: int) -> int:
    """Bytes of the process and its children."""
    pids = {pid, *descendants(pid)}
    return sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in pids) * os.sysconf("SC_PAGE_SIZE")


def test_row_15_memory_is_flat_and_at_rest_nothing_is_remembered(scene_of: SceneOf, work: Workload) -> None:
    scene = scene_of()
    member = scene.join()
    assert member.service is not None
    begun, samples = time.monotonic(), []
    while (now := time.monotonic() - begun) < SOAK_S:
        scene.send(work.messages(200))
        # At the service's own pace, whatever else the machine does: a backlog that grows would be no long run's state.
        eventually(lambda: len(scene.expected) - member.seen.get("finished", 0) < 400, 120, scene.tail)
        if now > SOAK_S / 3:  # what is filled once (imports, caches, the last results) is filled by then
            samples.append(resident(member.service.process.pid))
        time.sleep(0.5)
    scene.until_done(120)
    third = len(samples) // 3
    early, late = sum(samples[:third]) / third, sum(samples[-third:]) / third
    assert late <= early * 1.05, f"{early / 1e6:.0f} MB, later {late / 1e6:.0f} MB"
    eventually(lambda: member.seen.get("remembered") == 0, 20, lambda: str(member.seen))
    assert scene.leave() == [0]
    books = scene.reconcile()
    assert not books.problems, books
    assert not books.duplicates, books
