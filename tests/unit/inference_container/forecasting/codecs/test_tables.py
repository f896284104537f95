import contextlib
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import (
    InvalidTimestamps,
    MalformedRequest,
    MissingColumns,
    NoData,
    NonNumericColumns,
    TooFewRows,
    TooManyRows,
)
from inference_container.forecasting.frame import MAX_ROWS
from inference_container.forecasting.messages import BodyKind, ForecastQuery, QueryOptions
from serving.errors import SluiceError
from tests.unit.inference_container.forecasting.codecs.tables import (
    FORMATS,
    PLAN,
    ROWS,
    as_table,
    columns,
    decode,
    same_frame,
)
from tests.unit.inference_container.forecasting.samples import body, sample_inferencer, sample_plan

Write = Callable[["pa.Table"], bytes]
each_format = pytest.mark.parametrize(
    ("kind", "write"), [(kind, write) for _, kind, write in FORMATS], ids=[name for name, _, _ in FORMATS]
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def times_as(kind: "pa.DataType", data: dict[str, list[object]]) -> "pa.Array":
    return pa.array([datetime.fromisoformat(str(text)) for text in data["ts"]]).cast(kind)


@each_format
def test_a_table_is_answered_like_the_same_series_in_json(kind: BodyKind, write: Write) -> None:
    data = columns()
    table = as_table(data, ts=times_as(pa.timestamp("us"), data), note=["a note"] * ROWS)
    queries = [
        ForecastQuery("req", body(data, inference_length=2)),
        ForecastQuery("req", write(table), kind, QueryOptions(inference_length=2)),
    ]
    in_json, in_table = sample_inferencer(PLAN).answer(queries).replies
    assert isinstance(in_json, bytes)
    assert isinstance(in_table, bytes)
    assert orjson.loads(in_json) == orjson.loads(in_table)
    assert len(orjson.loads(in_table)["predictions"]) == 2


@given(
    seconds=st.lists(st.integers(-62_135_596_800, 253_402_300_799), min_size=1, max_size=20, unique=True),
    zone=st.sampled_from([None, "UTC", "+05:45", "America/New_York"]),
)
def test_the_same_moments_always_make_the_same_frame_whatever_their_unit(seconds: list[int], zone: str | None) -> None:
    moments = [EPOCH + timedelta(seconds=second) for second in seconds]
    data = {name: [float(at) for at in range(len(seconds))] for name in PLAN.input.columns}
    plain = decode("json", body({**data, "ts": [moment.isoformat() for moment in moments]}))
    for unit in ("s", "ms", "us", "ns"):
        if unit == "ns" and not all(-9_000_000_000 < second < 9_000_000_000 for second in seconds):
            continue  # nanoseconds in 64 bits end in the years 1677 and 2262
        factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
        ticks = pa.array(np.array(seconds, dtype=np.int64) * factor).view(pa.timestamp(unit, zone))
        for name, kind, write in FORMATS:
            # Parquet has no seconds, and writes nanoseconds and the rest as they are.
            assert same_frame(decode(kind, write(as_table(data, ts=ticks))), plain), (name, unit)


@each_format
def test_times_may_be_text_or_dates(kind: BodyKind, write: Write) -> None:
    texts = [f"2025-03-{day:02}" for day in range(1, ROWS + 1)]
    data: dict[str, list[object]] = {**columns(), "ts": [*texts]}
    plain = decode("json", body(data))
    days = pa.array([datetime.fromisoformat(text).date() for text in texts])
    for ts in (
        data["ts"],
        pa.array(data["ts"], pa.large_string()),
        pa.array(data["ts"]).dictionary_encode(),
        days,
        days.cast(pa.date64()),
    ):
        assert same_frame(decode(kind, write(as_table(data, ts=ts))), plain)


def test_nanoseconds_are_rounded_down_to_the_microsecond_before_and_after_1970() -> None:
    ticks = pa.array(np.array([-1, 999, 1_001]), pa.timestamp("ns"))
    data = {name: [1.0, 2.0, 3.0] for name in PLAN.input.columns}
    for _, kind, write in FORMATS:
        request = decode(kind, write(as_table(data, ts=ticks)))
        assert request.frame.times.astype(np.int64).tolist() == [-1, 0, 1]


@each_format
@pytest.mark.parametrize(
    "number",
    [pa.int8(), pa.uint64(), pa.int32(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 3)],
    ids=str,
)
def test_numbers_of_every_width_are_read_and_null_is_nan(kind: BodyKind, write: Write, number: "pa.DataType") -> None:
    data = columns()
    values = [None, 1, 2, None, 4, 5, 6, 7]
    load = pa.array([None if v is None else Decimal(v) for v in values]) if pa.types.is_decimal(number) else values
    table = as_table(data, load=pa.array(load).cast(number), heat=pa.nulls(ROWS))
    frame = decode(kind, write(table)).frame
    assert np.array_equal(frame.values[:, 0], [np.nan, 1, 2, np.nan, 4, 5, 6, 7], equal_nan=True)
    assert np.isnan(frame.values[:, 1]).all()


@each_format
def test_a_table_in_pieces_is_one_table(kind: BodyKind, write: Write) -> None:
    data = columns()
    table = as_table(data, load=pa.array([None, *data["load"][1:]]))
    pieces = pa.concat_tables([table.slice(0, 3), table.slice(3, 0), table.slice(3, 5)])
    assert same_frame(decode(kind, write(pieces)), decode(kind, write(table)))


@each_format
def test_the_options_of_the_head_are_the_requests(kind: BodyKind, write: Write) -> None:
    data = columns()
    table = as_table(data).rename_columns(["when", *list(data)[1:]])
    options = QueryOptions(inference_length=3, index_col="when", quantiles=(0.9, 0.1))
    request = decode(kind, write(table), options)
    assert (request.inference_length, request.quantiles) == (3, (0.1, 0.9))
    with pytest.raises(InvalidTimestamps):
        decode(kind, write(table))


@each_format
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"ts": list(range(ROWS))}, InvalidTimestamps),
        ({"ts": [1.5] * ROWS}, InvalidTimestamps),
        ({"ts": [None, *["2025-01-01"] * 7]}, InvalidTimestamps),
        ({"ts": ["yesterday"] * ROWS}, InvalidTimestamps),
        ({"ts": pa.array([0] * ROWS, pa.timestamp("us"))}, InvalidTimestamps),
        ({"ts": pa.array([2**60 + row for row in range(ROWS)], pa.timestamp("ms"))}, InvalidTimestamps),
        ({"load": ["7"] * ROWS}, NonNumericColumns),
        ({"load": [True] * ROWS}, NonNumericColumns),
        ({"load": pa.array([0] * ROWS, pa.timestamp("us"))}, NonNumericColumns),
        ({"load": [[1.0]] * ROWS}, NonNumericColumns),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_time_or_number_is_refused(
    kind: BodyKind, write: Write, change: dict[str, object], error: type[SluiceError]
) -> None:
    with pytest.raises(error):
        decode(kind, write(as_table(columns(), **change)))


@each_format
def test_columns_that_are_missing_or_stand_there_twice_are_named(kind: BodyKind, write: Write) -> None:
    data = columns()
    with pytest.raises(MissingColumns) as missing:
        decode(kind, write(as_table({"ts": data["ts"], "x": data["load"]})))
    assert missing.value.details["missing_columns"] == ["heat", "load"]
    twice = as_table(data).append_column("load", pa.array(data["load"]))
    with pytest.raises(MalformedRequest) as refusal:
        decode(kind, write(twice))
    assert refusal.value.details["columns"] == ["load"]


@each_format
def test_an_empty_table_is_a_short_series_and_an_empty_body_no_data(kind: BodyKind, write: Write) -> None:
    with pytest.raises(NoData):
        decode(kind, b"")
    empty = as_table(columns(), ts=times_as(pa.timestamp("us"), columns())).slice(0, 0)
    assert len(decode(kind, write(empty)).frame.times) == 0
    (reply,) = sample_inferencer(PLAN).answer([ForecastQuery("req", write(empty), kind)]).replies
    assert isinstance(reply, TooFewRows)


@each_format
def test_more_rows_than_a_request_may_have_are_refused(kind: BodyKind, write: Write) -> None:
    rows = MAX_ROWS + 1
    table = as_table({"ts": pa.array(range(rows), pa.timestamp("s")), "load": pa.nulls(rows), "heat": pa.nulls(rows)})
    with pytest.raises(TooManyRows):
        decode(kind, write(table))


@each_format
@given(data=st.data())
def test_broken_bytes_never_do_more_than_fail_typed(kind: BodyKind, write: Write, data: st.DataObject) -> None:
    series = columns()
    whole = bytearray(write(as_table(series, ts=pa.array(series["ts"]).dictionary_encode())))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SluiceError):
        decode(kind, bytes(whole[: data.draw(st.integers(1, len(whole)))]))


def test_a_worker_never_imports_pandas_for_a_table(tmp_path: Path) -> None:
    data = columns()
    for _, kind, write in FORMATS:
        (tmp_path / f"{kind}.bin").write_bytes(write(as_table(data, load=pa.array([None, *data["load"][1:]]))))
    program = f"""
import sys
from pathlib import Path
from inference_container.forecasting.codecs import codec_for
from inference_container.forecasting.messages import ForecastQuery
from tests.unit.inference_container.forecasting.samples import sample_plan
assert "pyarrow" not in sys.modules
for kind in ("arrow", "parquet"):
    body = Path({str(tmp_path)!r}, kind + ".bin").read_bytes()
    codec_for(kind).decode(ForecastQuery("req", body, kind), sample_plan())
assert "pyarrow" in sys.modules
assert "pyarrow.dataset" not in sys.modules
assert "pandas" not in sys.modules
"""
    root = Path(__file__).parents[5]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, timeout=30)


@pytest.mark.parametrize("end", range(6, 9))
def test_a_file_that_ends_within_its_magic_word_is_malformed(end: int) -> None:
    (reply,) = sample_inferencer(sample_plan()).answer([ForecastQuery("r", b"ARROW1\0\0"[:end], "arrow")]).replies
    assert isinstance(reply, MalformedRequest)
