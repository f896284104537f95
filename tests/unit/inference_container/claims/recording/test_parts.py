import hashlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Partition
from inference_container.claims.recording.parts import HTTP_PREFIX, hour_prefix, http_part, may_hold, parts, statuses
from inference_container.claims.results import Forecast, Row, expired_row, http_record, ok_row
from tests.unit.inference_container.claims.recording.recording_house import CLAIM, MODEL
from tests.unit.inference_container.claims.samples import INPUT, record

FORECAST = Forecast(b'{"predictions":[]}', rows=0)


def test_a_part_is_named_by_topic_hour_of_the_message_partition_and_both_ends() -> None:
    at = 1_767_225_600_000 + 13 * 3_600_000 + 59 * 60_000
    rows = [expired_row(record(offset=offset, timestamp_ms=at), CLAIM, "d") for offset in (12, 7, 9)]
    (part,) = parts(rows)
    digest = hashlib.sha256(part.content).hexdigest()[:8]
    folder = "results/topic=inference-data/dt=2026-01-01/h=13/p=03"
    assert part.key == f"{folder}/000000000007-000000000012-{digest}.jsonl"
    assert part.offsets == (7, 9, 12)
    assert part.content == b"".join(row.line for row in sorted(rows, key=lambda row: row.offset))
    assert part.key.startswith(hour_prefix(INPUT, at))


@pytest.mark.parametrize(
    ("timestamp_ms", "folder"),
    [(-1, "dt=1970-01-01/h=00"), (2**63 - 1, "dt=9999-12-31/h=23"), (-(2**63), "dt=1970-01-01/h=00")],
)
def test_a_timestamp_that_is_none_costs_nothing(timestamp_ms: int, folder: str) -> None:
    (part,) = parts([expired_row(record(timestamp_ms=timestamp_ms), CLAIM, "d")])
    assert folder in part.key


rows = st.lists(
    st.builds(
        Row,
        partition=st.builds(Partition, st.sampled_from(["a", "b"]), st.integers(0, 2)),
        offset=st.integers(0, 50),
        timestamp_ms=st.integers(0, 3).map(lambda hour: hour * 1_800_000),
        line=st.just(b"{}\n"),
    ),
    max_size=30,
    unique_by=lambda row: (row.partition, row.offset),
)


@given(rows)
def test_parts_never_mix_partitions_or_hours_and_no_row_is_lost_or_doubled(given_: list[Row]) -> None:
    made = parts(given_)
    assert len({part.key for part in made}) == len(made)
    found = set()
    for part in made:
        assert list(part.offsets) == sorted(set(part.offsets))
        mine = [row for row in given_ if part.key.startswith(hour_prefix(row.partition, row.timestamp_ms))]
        assert sorted(row.offset for row in mine) == list(part.offsets)
        assert part.content.count(b"\n") == len(mine)
        found |= {(row.partition, row.offset) for row in mine}
    assert found == {(row.partition, row.offset) for row in given_}


@given(rows, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_never_matters(given_: list[Row], random: Random) -> None:
    shuffled = list(given_)
    random.shuffle(shuffled)
    assert parts(shuffled) == parts(given_)


offsets = st.sets(st.integers(0, 2**40), min_size=1, max_size=5)


@given(offsets, offsets)
def test_parts_that_differ_never_share_a_key(one: set[int], other: set[int]) -> None:
    (first,), (second,) = (parts(Row(INPUT, at, 0, b"%d\n" % at) for at in each) for each in (one, other))
    assert (first.key == second.key) is (one == other)


def test_a_part_that_lacks_a_row_in_its_middle_has_another_key() -> None:
    rows = [expired_row(record(offset=offset), CLAIM, "d") for offset in (7, 8, 9)]
    (whole,), (less,) = parts(rows), parts([rows[0], rows[2]])
    assert whole.key != less.key


def test_two_tellings_of_one_claim_are_both_kept_and_equal_ones_once() -> None:
    source = record(offset=7)
    done, late = ok_row(source, CLAIM, MODEL, FORECAST, "d"), expired_row(source, CLAIM, "d")
    (part,) = parts([late, done, late])
    assert part.offsets == (7,)
    assert sorted(part.content.splitlines(keepends=True)) == sorted([done.line, late.line])
    assert parts([done, late]) == [part]


def test_a_part_of_http_forecasts_is_named_by_its_process_and_the_numbers_in_it() -> None:
    rows = [
        ok_row(http_record("0a1b", number, "r-1", 1_767_225_600_000), None, None, FORECAST, "d") for number in (9, 8)
    ]
    part = http_part("0a1b", rows)
    assert part.key == "results/http/dt=2026-01-01/h=00/0a1b-000000000008-000000000009.jsonl"
    assert part.key.startswith(HTTP_PREFIX)
    assert (part.offsets, part.content) == ((8, 9), rows[1].line + rows[0].line)


@given(offsets=st.sets(st.integers(0, 500), min_size=1, max_size=20), asked=st.integers(0, 500))
def test_a_part_says_in_its_key_whether_it_may_hold_a_row_and_in_its_rows_what_became_of_it(
    offsets: set[int], asked: int
) -> None:
    (part,) = parts(expired_row(record(offset=offset), CLAIM, "default") for offset in offsets)
    there = asked in offsets
    assert statuses(part.content, f"{INPUT}-{asked}") == ({"expired"} if there else set())
    assert may_hold(part.key, asked) or not there
    assert may_hold(part.key, asked) == (min(offsets) <= asked <= max(offsets))


@pytest.mark.parametrize(
    "key", ["results/x.jsonl", "results/a-b-c.jsonl", "results/0-9-ab.parquet", "", "results/manifest.json"]
)
def test_what_is_no_part_holds_no_row(key: str) -> None:
    assert not may_hold(key, 5)
