import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.broker.ports import Partition
from inference_container.claims.recording.compaction import Made, clear, compact, find
from inference_container.claims.recording.log_hours import MANIFEST, Hour, hour_of, hours, listed, read_manifest
from inference_container.claims.recording.log_table import Fields, fields_of, place_of, read_table
from inference_container.claims.recording.parts import http_part, parts
from inference_container.claims.results import Forecast, Row, dead_row, expired_row, http_record, ok_row
from inference_container.errors import ObjectChanged
from inference_container.stores.ports import ObjectInfo
from serving.errors import DependencyFailed
from tests.unit.inference_container.claims.recording.recording_house import BUCKET, CLAIM, HOUR_MS, MODEL, LogStore
from tests.unit.inference_container.claims.samples import INPUT, record

AT = 1_767_225_600_000
HOUR = Hour("topic=inference-data", datetime(2026, 1, 1, tzinfo=UTC))


def ok(offset: int, value: object = 1.5, partition: Partition = INPUT, at_ms: int = AT) -> Row:
    source = record(offset=offset, partition=partition, timestamp_ms=at_ms)
    return ok_row(source, CLAIM, MODEL, Forecast(orjson.dumps({"predictions": [value]}), 1), "default")


def late(offset: int) -> Row:
    return expired_row(record(offset=offset), CLAIM, "default")


def put(store: LogStore, *rows: Row) -> None:
    for part in parts(rows):
        store.put(BUCKET, part.key, part.content)


def table(store: LogStore, hour: Hour = HOUR) -> list[Fields]:
    manifest, _ = read_manifest(store, BUCKET, hour)
    found: list[Fields] = []
    with tempfile.TemporaryDirectory() as folder:
        for file in manifest.files:
            store.fetch(BUCKET, file.key, Path(folder) / "f")
            found += read_table(Path(folder) / "f")
    return found


def keys(store: LogStore) -> list[str]:
    return [info.key for info in store.list(BUCKET, "results/")]


@contextmanager
def opened() -> Iterator[LogStore]:
    with tempfile.TemporaryDirectory() as folder:
        store = LogStore(Path(folder))
        yield store
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path / "objects")


def test_an_hour_becomes_one_sorted_table_with_a_manifest(store: LogStore, tmp_path: Path) -> None:
    put(store, ok(9), ok(7), ok(1, partition=Partition("inference-data", 4)))
    put(store, ok(8), dead_row(record(offset=10, key=b"\xff"), None, "not_json", "default"))
    done = compact(store, BUCKET, listed(store, BUCKET, HOUR))
    assert done is not None
    assert done.made is Made.NEW
    manifest = done.manifest
    assert manifest == read_manifest(store, BUCKET, HOUR)[0]
    assert (manifest.rows, manifest.status) == (5, {"dead_letter": 1, "ok": 4})
    assert {name: (each.first, each.last) for name, each in manifest.offsets.items()} == {
        "inference-data-3": (7, 10),
        "inference-data-4": (1, 1),
    }
    assert {entry.key for entry in manifest.parts} == {key for key in keys(store) if key.endswith(".jsonl")}
    assert len(manifest.parts) == 3
    (file,) = manifest.files
    store.fetch(BUCKET, file.key, tmp_path / "table")
    whole = parquet.ParquetFile(tmp_path / "table")
    assert whole.metadata.row_group(0).column(0).compression == "ZSTD"
    columns = whole.read().to_pydict()
    whole.close()
    assert columns["source"] == [f"inference-data-{place}" for place in ("3-7", "3-8", "3-9", "3-10", "4-1")]
    assert columns["offset"] == [7, 8, 9, 10, 1]
    assert columns["timestamp"][0] == datetime(2026, 1, 1, tzinfo=UTC)
    assert orjson.loads(columns["forecast"][0]) == {"predictions": [1.5]}
    assert columns["reason"] == [None, None, None, "not_json", None]


def test_compacting_again_changes_nothing(store: LogStore) -> None:
    put(store, ok(7), ok(8))
    compact(store, BUCKET, listed(store, BUCKET, HOUR))
    before = [(info.key, info.etag) for info in store.list(BUCKET, "results/")]
    again = compact(store, BUCKET, listed(store, BUCKET, HOUR))
    assert again is not None
    assert again.made is Made.ALREADY
    assert [(info.key, info.etag) for info in store.list(BUCKET, "results/")] == before


def test_parts_go_only_once_the_table_is_there_and_only_those_that_are_in_it(store: LogStore) -> None:
    put(store, ok(7), ok(8))
    compact(store, BUCKET, listed(store, BUCKET, HOUR))
    put(store, ok(9))
    assert clear(store, BUCKET, HOUR) == 1
    assert len(listed(store, BUCKET, HOUR).parts) == 1
    assert {row["source"] for row in table(store)} == {"inference-data-3-7", "inference-data-3-8"}
    assert clear(store, BUCKET, HOUR) == 0


def test_a_part_that_comes_late_is_merged_into_the_table(store: LogStore) -> None:
    put(store, ok(7), late(8))
    compact(store, BUCKET, listed(store, BUCKET, HOUR))
    clear(store, BUCKET, HOUR)
    (old,) = [key for key in keys(store) if key.endswith(".parquet")]
    put(store, ok(8), late(7))
    done = compact(store, BUCKET, listed(store, BUCKET, HOUR))
    assert done is not None
    assert done.made is Made.ANEW
    assert done.manifest.superseded == (old,)
    assert clear(store, BUCKET, HOUR) == 1
    assert len(keys(store)) == 2
    assert old not in keys(store)
    assert [(row["source"], row["status"]) for row in table(store)] == [
        ("inference-data-3-7", "ok"),
        ("inference-data-3-8", "ok"),
    ]


def test_sources_that_were_answered_twice_and_not_alike_are_told_and_keep_their_parts(store: LogStore) -> None:
    put(store, ok(7, 1.5), ok(8))
    put(store, ok(7, 2.5))
    for made in (Made.NEW, Made.ALREADY):
        done = compact(store, BUCKET, listed(store, BUCKET, HOUR))
        assert done is not None
        assert done.made is made
        assert (done.manifest.conflicts.count, done.manifest.conflicts.sources) == (1, ("inference-data-3-7",))
        assert done.manifest.rows == 2
    with pytest.raises(DependencyFailed, match="conflict"):
        clear(store, BUCKET, HOUR)
    assert len(listed(store, BUCKET, HOUR).parts) == 2


@pytest.mark.parametrize("content", [b"not json\n", b"[]\n", b"{}\n", b'{"source":"a-1-2","status":"ok"}\n'])
def test_a_part_that_is_none_stops_the_hour_before_anything_is_put(store: LogStore, content: bytes) -> None:
    put(store, ok(7))
    store.put(BUCKET, f"{HOUR.prefix}p=03/000000000001-000000000001-0.jsonl", content)
    with pytest.raises(DependencyFailed, match="000000000001"):
        compact(store, BUCKET, listed(store, BUCKET, HOUR))
    assert all(key.endswith(".jsonl") for key in keys(store))


def test_a_table_that_was_spoilt_costs_no_part(store: LogStore) -> None:
    put(store, ok(7))
    done = compact(store, BUCKET, listed(store, BUCKET, HOUR))
    assert done is not None
    store.put(BUCKET, done.manifest.files[0].key, b"spoilt")
    with pytest.raises(DependencyFailed, match="manifest says"):
        clear(store, BUCKET, HOUR)
    store.remove(BUCKET, done.manifest.files[0].key)
    with pytest.raises(DependencyFailed, match="missing"):
        clear(store, BUCKET, HOUR)
    assert len(listed(store, BUCKET, HOUR).parts) == 1


def test_of_two_who_compact_at_once_one_is_refused(store: LogStore) -> None:
    put(store, ok(7))
    seen = listed(store, BUCKET, HOUR)
    put(store, ok(8))
    compact(store, BUCKET, listed(store, BUCKET, HOUR))
    with pytest.raises(ObjectChanged):
        compact(store, BUCKET, seen)
    assert len(table(store)) == 2


def test_a_part_that_changed_since_it_was_listed_is_not_taken_for_the_one_that_was(store: LogStore) -> None:
    put(store, ok(7))
    seen = listed(store, BUCKET, HOUR)
    store.put(BUCKET, seen.parts[0].key, ok(8).line)
    with pytest.raises(ObjectChanged):
        compact(store, BUCKET, seen)


def test_a_large_hour_becomes_several_files(store: LogStore) -> None:
    put(store, *(ok(offset) for offset in range(2500)))
    done = compact(store, BUCKET, listed(store, BUCKET, HOUR), most_file_bytes=1)
    assert done is not None
    assert [file.rows for file in done.manifest.files] == [1000, 1000, 500]
    assert [row["source"] for row in table(store)] == [f"inference-data-3-{offset}" for offset in range(2500)]


def test_fields_of_a_later_version_come_through(store: LogStore) -> None:
    fields = orjson.loads(ok(7).line) | {"trace": {"a": [1, None]}, "weight": 0.5}
    store.put(BUCKET, f"{HOUR.prefix}p=03/000000000007-000000000007-0.jsonl", orjson.dumps(fields) + b"\n")
    compact(store, BUCKET, listed(store, BUCKET, HOUR))
    assert table(store) == [fields]


def test_hours_are_found_one_by_one_and_other_objects_are_let_be(store: LogStore) -> None:
    put(store, ok(7), ok(8, at_ms=AT + HOUR_MS), ok(1, partition=Partition("other", 0)))
    part = http_part("0a1b", [ok_row(http_record("0a1b", 0, "r", AT), None, None, Forecast(b"{}", 0), "d")])
    store.put(BUCKET, part.key, part.content)
    for key in ("results/readme", "results/topic=a/dt=2026-13-01/h=00/p=00/x.jsonl", "results/topic=a/x.jsonl"):
        store.put(BUCKET, key, b"")
    assert [str(found.hour) for found in hours(store, BUCKET)] == [
        "http 2026-01-01T00",
        "topic=inference-data 2026-01-01T00",
        "topic=inference-data 2026-01-01T01",
        "topic=other 2026-01-01T00",
    ]
    assert [found.hour.stream for found in hours(store, BUCKET, "topic=other")] == ["topic=other"]


def test_forecasts_over_http_are_compacted_and_found_too(store: LogStore) -> None:
    rows = [ok_row(http_record("0a1b", n, "r", AT), None, None, Forecast(b'{"a":1}', 0), "d") for n in range(3)]
    part = http_part("0a1b", rows)
    store.put(BUCKET, part.key, part.content)
    before = find(store, BUCKET, "http-0a1b-0-1")
    assert before == orjson.loads(rows[1].line)
    hour = Hour("http", HOUR.begins)
    compact(store, BUCKET, listed(store, BUCKET, hour))
    clear(store, BUCKET, hour)
    assert not listed(store, BUCKET, hour).parts
    assert find(store, BUCKET, "http-0a1b-0-1") == before
    assert find(store, BUCKET, "http-0a1b-0-3") is None


def test_only_parts_that_may_hold_a_source_are_read(store: LogStore) -> None:
    put(store, ok(7), ok(8))
    put(store, ok(9))
    put(store, ok(8, partition=Partition("inference-data", 4)))
    read: list[str] = []
    get = store.get

    def watched(bucket: str, key: str, at_most: int) -> tuple[ObjectInfo, bytes]:
        read.append(key)
        return get(bucket, key, at_most)

    store.get = watched  # type: ignore[method-assign]  # watched
    assert find(store, BUCKET, "inference-data-3-8") is not None
    assert len(read) == 1
    assert find(store, BUCKET, "nothing") is None


@pytest.mark.parametrize("key", ["results/http/dt=2026-01-01/h=24/x.jsonl", "results/a/dt=2026-01-01/h=00/x", "x"])
def test_what_is_no_hour_is_none(key: str) -> None:
    assert hour_of(key) is None


@pytest.mark.parametrize("source", ["", "a", "a-1", "-1-2", "a-1-", "a-x-1", "a-1-" + "9" * 19, "a-²-1"])
def test_what_is_no_source_has_no_place(source: str) -> None:
    assert place_of(source) is None


told = st.lists(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["ok", "expired", "dead"])), min_size=1, max_size=6),
    min_size=1,
    max_size=6,
)


def _row(offset: int, status: str) -> Row:
    if status == "dead":
        return dead_row(record(offset=offset), CLAIM, "wrong_schema", "default")
    return ok(offset) if status == "ok" else late(offset)


@settings(max_examples=25)
@given(told, st.integers(0, 6), st.booleans())
def test_no_source_is_ever_lost_and_the_best_row_of_each_stays(
    batches: Sequence[Sequence[tuple[int, str]]], cut: int, remove: bool
) -> None:
    """Compacted half way, perhaps cleared, and compacted again with what came later."""
    ranks = ["ok", "expired", "dead"]
    best = {
        offset: min((s for b in batches for o, s in b if o == offset), key=ranks.index)
        for b in batches
        for offset, _ in b
    }
    with opened() as store:
        for some in (batches[:cut], batches[cut:]):
            for batch in some:
                put(store, *(_row(offset, status) for offset, status in batch))
            done = compact(store, BUCKET, listed(store, BUCKET, HOUR))
            if done is not None and remove:
                clear(store, BUCKET, HOUR)
        assert table(store) == [fields_of(_row(offset, status).line) for offset, status in sorted(best.items())]
        for offset, status in best.items():
            assert find(store, BUCKET, f"inference-data-3-{offset}") == fields_of(_row(offset, status).line)
        left = listed(store, BUCKET, HOUR).parts
        assert bool(left) is not remove
        assert HOUR.prefix + MANIFEST in keys(store)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=15, unique=True), st.integers(1, 5), st.integers(1, 5))
def test_the_same_rows_always_make_the_same_table_however_they_were_cut(
    offsets: list[int], one: int, other: int
) -> None:
    made = []
    for size in (one, other):
        with opened() as store:
            for at in range(0, len(offsets), size):
                put(store, *(ok(offset) for offset in offsets[at : at + size]))
            done = compact(store, BUCKET, listed(store, BUCKET, HOUR))
            assert done is not None
            made.append(done.manifest.files)
    assert made[0] == made[1]
