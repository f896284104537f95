"""The log of results on a real S3 server: written by a recorder, compacted, cleared, and read all the while."""

import asyncio
from collections.abc import Iterator

import pytest

from inference_container.claims.recording.compaction import Made, clear, compact, find
from inference_container.claims.recording.log_hours import hours
from inference_container.claims.recording.recorder import LogRecorder
from inference_container.metrics_claims import ClaimMetrics
from inference_container.stores.address import S3Address
from inference_container.stores.s3 import S3Store
from serving.clock import SystemClock
from serving.metrics import Metrics
from tests.integration.inference_container.stores.test_s3_servers import emptied
from tests.unit.inference_container.claims.recording.recording_house import LateProducer, entry, row_only
from tests.unit.inference_container.stores.suite import LOGS

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]  # the first run builds the server


@pytest.fixture
def store(versity_address: S3Address) -> Iterator[S3Store]:
    with emptied(versity_address) as store:
        yield store


async def _record(store: S3Store, offsets: range) -> None:
    producer = LateProducer(lambda key: None)
    async with LogRecorder(producer, (store, LOGS), ClaimMetrics(Metrics()), SystemClock(), 0.01, 4) as room:
        await asyncio.gather(*(room.record(entry(at) if at % 3 else row_only(at)) for at in offsets))


async def test_a_row_is_found_before_and_after_its_part_became_a_table(store: S3Store) -> None:
    await _record(store, range(20))
    await asyncio.to_thread(_compact_and_clear, store, Made.NEW, 20)
    await _record(store, range(15, 30))  # a replay, and more
    await asyncio.to_thread(_compact_and_clear, store, Made.ANEW, 30)


def _compact_and_clear(store: S3Store, made: Made, rows: int) -> None:
    (found,) = hours(store, LOGS)
    before = find(store, LOGS, "inference-data-3-17")
    assert before is not None
    done = compact(store, LOGS, found)
    assert done is not None
    assert (done.made, done.manifest.rows, done.manifest.conflicts.count) == (made, rows, 0)
    assert clear(store, LOGS, found.hour) == len(found.parts)
    (found,) = hours(store, LOGS)
    assert found.parts == ()
    assert find(store, LOGS, "inference-data-3-17") == before
