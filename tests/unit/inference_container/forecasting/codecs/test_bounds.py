import gc
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.errors import InvalidTimestamps, MalformedRequest, TooManyRows
from inference_container.forecasting.codecs.parquet_pages import Chunk, PageBudget
from inference_container.forecasting.codecs.table import MAX_TABLE_BYTES
from inference_container.forecasting.messages import BodyKind
from tests.unit.inference_container.forecasting.codecs.tables import (
    ROWS,
    as_table,
    columns,
    decode,
    file,
    parquet_file,
    same_frame,
    stream,
)

#: As text of times: nothing that a person would send, and nearly nothing once it is packed.
LONG = "2025-03-01" + " " * (2 * MAX_TABLE_BYTES // ROWS)


@contextmanager
def little_memory() -> Iterator[None]:
    """Arrow allocates less than a tenth of what a bomb would take."""
    usual = pa.default_memory_pool()
    watched = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(watched)
    try:
        yield
    finally:
        pa.set_memory_pool(usual)
    assert watched.max_memory() < MAX_TABLE_BYTES // 10


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("arrow", stream(as_table(columns(), ts=[LONG] * ROWS), "zstd")),
        ("arrow", file(as_table(columns(), ts=[LONG] * ROWS))),
        ("parquet", parquet_file(as_table(columns(), ts=[LONG] * ROWS), compression="zstd", use_dictionary=False)),
    ],
    ids=["zstd stream", "lz4 file", "zstd parquet"],
)
def test_what_would_grow_too_large_is_refused_before_it_is_unpacked(kind: BodyKind, body: bytes) -> None:
    assert len(body) < 1024 * 1024
    with little_memory(), pytest.raises(MalformedRequest, match="unpacked"):
        decode(kind, body)


def test_one_long_text_named_by_every_row_is_never_written_out() -> None:
    rows = 90_000
    numbers = {"load": np.zeros(rows), "heat": np.zeros(rows)}
    text = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int8), pa.array(["2025-03-01" + " " * 100_000]))
    for kind, body in (
        ("arrow", stream(pa.table({"ts": text, **numbers}))),
        ("parquet", parquet_file(pa.table({"ts": text, **numbers}), compression="zstd")),
        ("parquet", parquet_file(pa.table({"ts": text, **numbers}), compression="zstd", store_schema=False)),
    ):
        with little_memory(), pytest.raises(InvalidTimestamps):
            decode("arrow" if kind == "arrow" else "parquet", body)


def test_texts_that_each_repeat_the_one_before_are_not_read() -> None:
    body = parquet_file(as_table(columns()), use_dictionary=False, column_encoding={"ts": "DELTA_BYTE_ARRAY"})
    with pytest.raises(MalformedRequest, match="DELTA_BYTE_ARRAY"):
        decode("parquet", body)


def test_rows_that_need_no_bytes_are_counted_before_they_are_read() -> None:
    nothing = pa.Table.from_batches([pa.RecordBatch.from_arrays([pa.nulls(10**8)], ["load"])])
    body = stream(nothing)
    assert len(body) < 1000
    with pytest.raises(TooManyRows):
        decode("arrow", body)


def test_a_column_that_nobody_asked_for_may_be_of_any_size_that_a_body_may_have() -> None:
    data = columns()
    extra = as_table(data, note=pa.array(["x" * 1_000_000] * ROWS))
    for kind, body in (("parquet", parquet_file(extra)), ("arrow", stream(extra))):
        assert same_frame(
            decode("arrow" if kind == "arrow" else "parquet", body), decode("arrow", stream(as_table(data)))
        )


MARK = "loaded-by-a-pickle"


class Evil:
    """Pickled, it leaves a mark when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"__import__('sys').modules.__setitem__({MARK!r}, None)",)


@pytest.mark.parametrize("name", [b"arrow.py_extension_type", b"arrow.json", b"a.name.nobody.knows"])
@pytest.mark.parametrize("column", ["ts", "note"])
def test_pickled_metadata_is_never_loaded(name: bytes, column: str) -> None:
    metadata = {b"ARROW:extension:name": name, b"ARROW:extension:metadata": pickle.dumps(Evil())}
    table = as_table(columns(), note=["x"] * ROWS)
    fields = [
        pa.field(field.name, field.type, metadata=metadata if field.name == column else None) for field in table.schema
    ]
    table = pa.Table.from_arrays(table.columns, schema=pa.schema(fields, metadata={b"pandas": b"{broken"}))
    for kind, body in (("arrow", stream(table)), ("parquet", parquet_file(table))):
        try:
            decode("arrow" if kind == "arrow" else "parquet", body)
        except (MalformedRequest, InvalidTimestamps):
            assert name != b"a.name.nobody.knows"
    assert MARK not in sys.modules


def compact(*fields: tuple[int, int]) -> bytes:
    """A Thrift struct of 32-bit integers below 64 or equal to 2**31 - 1, by field number."""
    out, last = bytearray(), 0
    for number, value in fields:
        out += bytes([(number - last) << 4 | 5])
        zigzag = value << 1
        while zigzag > 0x7F:
            out.append(zigzag & 0x7F | 0x80)
            zigzag >>= 7
        out.append(zigzag)
        last = number
    return bytes(out) + b"\0"


def test_a_page_is_believed_by_its_own_head_and_not_by_the_footer() -> None:
    page = compact((1, 0), (2, 2**31 - 1), (3, 4)) + b"tiny"
    with pytest.raises(MalformedRequest, match="unpacked"):
        PageBudget(page).spend(Chunk(0, len(page)))
    honest = compact((1, 0), (2, 40), (3, 4)) + b"tiny"
    PageBudget(honest * 3).spend(Chunk(len(honest), len(honest)))


def test_a_million_empty_pages_are_refused_long_before_the_last() -> None:
    pages = compact((1, 0), (2, 0), (3, 0)) * 200_000
    with pytest.raises(MalformedRequest, match="pages"):
        PageBudget(pages).spend(Chunk(0, len(pages)))


@given(st.binary(max_size=200), st.integers(-5, 300), st.integers(-5, 300))
def test_bytes_that_are_no_pages_never_raise_anything_unforeseen(body: bytes, start: int, length: int) -> None:
    try:
        PageBudget(body).spend(Chunk(start, length))
    except (ValueError, MalformedRequest, TooManyRows):
        assert length != 0 or not 0 <= start <= len(body)


def test_a_parquet_body_leaves_nothing_that_only_the_garbage_collector_ends() -> None:
    body = parquet_file(as_table(columns()))
    decode("parquet", body)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            decode("parquet", body)
        assert gc.collect() < 20
    finally:
        gc.enable()
