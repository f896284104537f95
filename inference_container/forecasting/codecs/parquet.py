"""Parquet bodies: one table, answered in JSON as `POST /predict` always answers.

A worker imports this, and Arrow's Parquet reader with it, when it meets the first such body. The file is opened in
memory only: no path, no file system, no data set, nothing that a footer could name. What it would take unpacked is
known before a page is unpacked.
"""

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types; `table` turns what is read into numpy
from pyarrow import parquet
from typing_extensions import override

from inference_container.errors import MalformedRequest, NoData
from inference_container.forecasting.codecs.json import JSON
from inference_container.forecasting.codecs.parquet_pages import Chunk, PageBudget
from inference_container.forecasting.codecs.protocol import AnswerContext, Codec, Forecast, ForecastRequest
from inference_container.forecasting.codecs.table import is_text, needed_columns, readable, request_from_table
from inference_container.forecasting.frame import refuse_too_many
from inference_container.forecasting.messages import ForecastQuery
from inference_container.forecasting.plan import ForecastPlan

_WHAT = "a Parquet file"
#: Texts and lists in a footer, in bytes and entries: those of an honest one are far shorter.
_THRIFT_TEXT, _THRIFT_LIST = 1024 * 1024, 100_000
#: Row groups of one request; an honest writer makes one.
_MAX_GROUPS = 100


class ParquetCodec(Codec):
    """Columns beyond the needed ones are neither unpacked nor looked at."""

    @override
    def decode(self, query: ForecastQuery, plan: ForecastPlan) -> ForecastRequest:
        if not query.body:
            raise NoData("The request holds no data: send a table.")
        file = readable(lambda: _open(query.body, None), _WHAT)
        schema = readable(lambda: file.schema_arrow, _WHAT)
        time, columns = needed_columns(schema, plan.input, query.options.index_col if query.options else None)
        wanted = sorted({time, *columns})
        groups = readable(lambda: _groups_within_bounds(query.body, file.metadata, wanted), _WHAT)
        if is_text(schema.field(time).type):
            # Kept as the dictionary that it is in the file: written out, one long entry would be copied for each row.
            file = readable(lambda: _open(query.body, time), _WHAT)
        table = readable(lambda: file.read_row_groups(groups, columns=wanted, use_threads=False), _WHAT)
        return request_from_table(table, time, columns, query.options)

    @override
    def encode(self, query: ForecastQuery, forecast: Forecast, context: AnswerContext) -> bytes:
        return JSON.encode(query, forecast, context)


PARQUET = ParquetCodec()


def _open(body: bytes, text_column: str | None) -> "parquet.ParquetFile":
    return parquet.ParquetFile(
        pa.BufferReader(body),
        read_dictionary=[] if text_column is None else [text_column],
        memory_map=False,
        pre_buffer=False,
        # Old writers count nanoseconds in 96 bits; ours end in 2262, and beyond that they would wrap around.
        coerce_int96_timestamp_unit="us",
        thrift_string_size_limit=_THRIFT_TEXT,
        thrift_container_size_limit=_THRIFT_LIST,
    )


def _groups_within_bounds(body: bytes, metadata: "parquet.FileMetaData", names: list[str]) -> list[int]:
    """The row groups that hold rows; an empty one may not even say where its pages are."""
    if metadata.num_row_groups > _MAX_GROUPS:
        raise MalformedRequest(f"The file may have at most {_MAX_GROUPS} row groups.")
    all_groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if not all_groups:
        return []
    # Not asked of `metadata.schema`: each holds the other from then on, and only the garbage collector ends that, which
    # looks so rarely in a worker that half a gigabyte of footers would wait for it.
    paths = [all_groups[0].column(leaf).path_in_schema for leaf in range(metadata.num_columns)]
    # The reader takes a dotted name for a member of the column before the dot, and would read it along.
    dotted = [path for path in paths if "." in path]
    if any(path.startswith(f"{name}.") for path in dotted for name in names):
        raise MalformedRequest("A column has the name of a needed one, a dot, and more: which is meant is not clear.")
    leaves = [leaf for leaf, path in enumerate(paths) if path in names]
    sizes = [group.num_rows for group in all_groups]
    if any(rows < 0 for rows in sizes):
        raise ValueError("a row group with less than no rows")
    refuse_too_many(max(sum(sizes), metadata.num_rows))
    groups = [number for number, rows in enumerate(sizes) if rows]
    budget = PageBudget(body)
    for number in groups:
        for leaf in leaves:
            budget.spend(_chunk(all_groups[number].column(leaf)))
    return groups


def _chunk(column: "parquet.ColumnChunkMetaData") -> Chunk:
    start, dictionary = column.data_page_offset, column.dictionary_page_offset
    if dictionary is not None and 0 < dictionary < start:
        start = dictionary
    return Chunk(start, column.total_compressed_size)
