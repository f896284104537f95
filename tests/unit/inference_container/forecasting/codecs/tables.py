"""Tables as clients write them, for the tests of the codecs that read them."""

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
from pyarrow import parquet

from inference_container.forecasting.codecs import codec_for
from inference_container.forecasting.codecs.protocol import ForecastRequest
from inference_container.forecasting.messages import BodyKind, ForecastQuery, QueryOptions
from tests.unit.inference_container.forecasting.samples import sample_data, sample_plan

PLAN = sample_plan()
ROWS = 8


def stream(table: "pa.Table", compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def file(table: "pa.Table", compression: str | None = "lz4") -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def parquet_file(table: "pa.Table", **how: object) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **how)
    return sink.getvalue()


#: A name, the kind it is sent as, and how it is written.
FORMATS: Sequence[tuple[str, BodyKind, Callable[["pa.Table"], bytes]]] = (
    ("stream", "arrow", stream),
    ("zstd stream", "arrow", lambda table: stream(table, "zstd")),
    ("feather file", "arrow", file),
    ("parquet", "parquet", parquet_file),
    ("plain parquet", "parquet", lambda table: parquet_file(table, use_dictionary=False, store_schema=False)),
    ("parquet v2 pages", "parquet", lambda table: parquet_file(table, data_page_version="2.0", compression="zstd")),
)


def columns(rows: int = ROWS) -> dict[str, list[object]]:
    return sample_data(rows)


def as_table(data: Mapping[str, object], **other: object) -> "pa.Table":
    return pa.table({**data, **other})


def decode(kind: BodyKind, body: bytes, options: QueryOptions | None = None) -> ForecastRequest:
    return codec_for(kind).decode(ForecastQuery("req", body, kind, options), PLAN)


def same_frame(one: ForecastRequest, other: ForecastRequest) -> bool:
    return np.array_equal(one.frame.times, other.frame.times) and np.array_equal(
        one.frame.values, other.frame.values, equal_nan=True
    )
