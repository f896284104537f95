"""The last results: newest first, bounded, and nothing of what was not recorded."""

from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from inference_container.broker.ports import Partition, Record
from inference_container.claims.messages import Claim
from inference_container.claims.ports import Entry, Recorder
from inference_container.claims.recording.recent import RecentResults
from inference_container.claims.results import Forecast, ModelName, dead_row, expired_row, ok_row
from inference_container.errors import StoreUnavailable

pytestmark = pytest.mark.anyio


@dataclass
class Accepting(Recorder):
    refused: bool = False
    seen: list[Entry] = field(default_factory=list)

    @override
    async def record(self, entry: Entry) -> None:
        if self.refused:
            raise StoreUnavailable
        self.seen.append(entry)

    @override
    async def became(self, record: Record) -> frozenset[str]:
        return frozenset({record.source})


def expired(offset: int) -> Entry:
    record = Record(Partition("inference-data", 3), offset, b"k", b"{}", (), 1_700_000_000_000)
    return Entry(expired_row(record, Claim(1, "processed-data", "a.parquet"), "default"), None)


async def test_the_newest_stands_first_and_the_oldest_are_forgotten() -> None:
    recent = RecentResults(Accepting(), most=3)
    for offset in range(5):
        await recent.record(expired(offset))
    assert [each.source for each in recent.latest()] == [f"inference-data-3-{n}" for n in (4, 3, 2)]
    assert recent.latest()[0].status == "expired"
    assert recent.latest()[0].object_key == "a.parquet"


async def test_a_forecast_of_any_length_is_not_kept() -> None:
    recent = RecentResults(Accepting())
    record = Record(Partition("inference-data", 1), 4, None, b"{}", (), 0)
    claim = Claim(1, "processed-data", 'odd","forecast":.parquet')
    long = Forecast(b'{"predictions":[' + b",".join([b'{"temp":1.0}'] * 10_000) + b"]}", 10_000)
    await recent.record(Entry(ok_row(record, claim, ModelName("b", "gru", "m"), long, "default"), None))
    (kept,) = recent.latest()
    assert (kept.rows, kept.object_key, kept.model_id) == (10_000, claim.key, "b")
    assert sum(map(len, recent._lines)) < 1000


async def test_a_dead_letter_says_why() -> None:
    recent = RecentResults(Accepting())
    record = Record(Partition("inference-data", 0), 7, None, b"?", (), 0)
    await recent.record(Entry(dead_row(record, None, "not_json", "default"), None))
    assert recent.latest()[0].reason == "not_json"
    assert recent.latest()[0].claim_id is None


async def test_what_could_not_be_recorded_is_not_shown() -> None:
    recent = RecentResults(Accepting(refused=True))
    with pytest.raises(StoreUnavailable):
        await recent.record(expired(1))
    assert recent.latest() == []
