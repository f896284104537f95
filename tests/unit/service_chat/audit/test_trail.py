"""The trail writes behind everybody's back: nothing waits for it, and nothing is lost without a word."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service_chat.audit.chain import Keys
from service_chat.audit.file import AuditFile, head_path
from service_chat.audit.ports import Entry
from service_chat.audit.trail import AuditTrail
from service_chat.audit.verify import read_rows, verify
from service_chat.metrics_privacy import PrivacyMetrics
from serving.clock import SystemClock
from serving.errors import DependencyFailed
from serving.metrics import Metrics

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEYS = Keys([b"k" * 32])


class House:
    def __init__(self, folder: Path, most: int = 10_000) -> None:
        self.path, self.metrics = folder / "audit.sqlite", Metrics()
        self.trail = AuditTrail(self.path, KEYS, SystemClock(), PrivacyMetrics(self.metrics), most=most, retry_s=0.01)

    def count(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"triage_audit_{name}_total") or 0.0

    async def told(self) -> list[str]:
        """Principals of triage rows, and the numbers of the lost where there is a gap."""
        rows = await asyncio.to_thread(lambda: list(read_rows(self.path)))
        return [str(row["principal"] if row["action"] == "triage" else row["detail"]) for row in rows]

    async def sound(self) -> bool:
        return (await asyncio.to_thread(verify, self.path, KEYS)).sound


def entry(number: int, at: datetime = NOW) -> Entry:
    return Entry(at, f"key-{number}", "triage", "answered")


async def test_what_was_noted_before_and_after_the_opening_is_there_in_order_at_the_end(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.trail.note(entry(0))
    async with house.trail:
        for number in range(1, 1200):
            house.trail.note(entry(number))
    assert await house.told() == [f"key-{number}" for number in range(1200)]
    assert await house.sound()
    assert (house.count("rows"), house.count("lost"), house.trail.end.seq) == (1200, 0, 1200)


async def test_a_file_that_is_busy_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    append, failures = AuditFile.append, iter(range(3))

    def busy(self: AuditFile, entries: list[Entry]) -> object:
        if next(failures, None) is not None:
            raise sqlite3.OperationalError("database is locked")
        return append(self, entries)

    monkeypatch.setattr(AuditFile, "append", busy)
    async with house.trail:
        house.trail.note(entry(1))
        house.trail.note(entry(2))
        while house.trail.waiting:
            await SystemClock().sleep(0.005)
    assert await house.told() == ["key-1", "key-2"]
    assert (house.count("failures"), house.count("lost")) == (3, 0)


async def test_a_note_that_can_not_be_written_does_not_have_rows_written_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On a full disk there may be room in SQLite's log and none for the note."""
    house = House(tmp_path)
    head_path(house.path).mkdir()
    async with house.trail:
        for number in range(3):
            house.trail.note(entry(number))
            while house.trail.waiting:
                await SystemClock().sleep(0.001)
    assert await house.told() == ["key-0", "key-1", "key-2"]
    assert [record.message for record in caplog.records].count("audit_note_failed") == 1
    assert (house.count("rows"), house.count("failures"), house.trail.end.seq) == (3, 0, 3)
    assert not await asyncio.to_thread(lambda: list(tmp_path.glob(".audit*")))


async def test_what_finds_no_room_is_counted_and_stands_as_a_gap_in_the_chain(tmp_path: Path) -> None:
    house = House(tmp_path, most=2)
    for number in range(5):
        house.trail.note(entry(number))
    assert house.count("lost") == 3
    async with house.trail:
        pass
    assert await house.told() == ["key-0", "key-1", "3"]
    assert await house.sound()


async def test_a_disk_that_stays_full_ends_in_a_count_and_not_in_a_process_that_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path)

    def full(self: AuditFile, entries: list[Entry]) -> object:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(AuditFile, "append", full)
    async with house.trail:
        house.trail.note(entry(1))
    assert house.count("lost") == 1


async def test_rows_past_their_time_leave_and_the_chain_still_verifies(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house.trail:
        for days in (90, 60, 30, 1):
            house.trail.note(entry(days, SystemClock().now() - timedelta(days=days)))
        while house.trail.waiting:
            await SystemClock().sleep(0.005)
        assert await house.trail.drop_older(45) == 2
        assert await house.trail.drop_older(45) == 0
    assert [name for name in await house.told() if name.startswith("key")] == ["key-30", "key-1"]
    assert await house.sound()


async def test_a_file_that_can_not_be_opened_keeps_the_house_from_opening(tmp_path: Path) -> None:
    (tmp_path / "audit.sqlite").mkdir()
    with pytest.raises(DependencyFailed, match=r"audit\.sqlite"):
        async with House(tmp_path).trail:
            pass


async def test_a_second_run_goes_on_where_the_first_one_ended(tmp_path: Path) -> None:
    for number in range(2):
        house = House(tmp_path)
        async with house.trail:
            assert house.trail.end.seq == number
            house.trail.note(entry(number))
    assert await house.told() == ["key-0", "key-1"]
    assert await house.sound()
