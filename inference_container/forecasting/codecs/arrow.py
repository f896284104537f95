"""Arrow IPC bodies, as a stream or as a file: one table, answered in JSON as `POST /predict` always answers.

A worker imports this, and Arrow with it, when it meets the first such body. A file is a stream between a magic word and
a footer, and the footer adds nothing that a reader from front to back needs, so both are read as a stream.
"""

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types; `table` turns what is read into numpy
from typing_extensions import override

from inference_container.errors import NoData
from inference_container.forecasting.codecs.arrow_messages import refuse_large
from inference_container.forecasting.codecs.json import JSON
from inference_container.forecasting.codecs.protocol import AnswerContext, Codec, Forecast, ForecastRequest
from inference_container.forecasting.codecs.table import needed_columns, readable, request_from_table
from inference_container.forecasting.messages import ForecastQuery
from inference_container.forecasting.plan import ForecastPlan

_WHAT = "an Arrow IPC stream or file"
_FILE_MAGIC = b"ARROW1"
#: The magic word is padded to the alignment of a message.
_FILE_HEAD = 8


class ArrowCodec(Codec):
    """Columns beyond the needed ones are neither unpacked nor looked at."""

    @override
    def decode(self, query: ForecastQuery, plan: ForecastPlan) -> ForecastRequest:
        if not query.body:
            raise NoData("The request holds no data: send a table.")
        # Sliced before Arrow sees it: its own slice raises on a body that ends within the head.
        head = _FILE_HEAD if query.body.startswith(_FILE_MAGIC) else 0
        source = pa.py_buffer(memoryview(query.body)[head:])
        readable(lambda: refuse_large(source), _WHAT)
        schema = readable(lambda: pa.ipc.open_stream(source).schema, _WHAT)
        time, columns = needed_columns(schema, plan.input, query.options.index_col if query.options else None)
        fields = sorted({schema.get_field_index(name) for name in (time, *columns)})
        # One thread: the process has one core, and the network waits for none of Arrow's own.
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
        table = readable(lambda: pa.ipc.open_stream(source, options=options).read_all(), _WHAT)
        return request_from_table(table, time, columns, query.options)

    @override
    def encode(self, query: ForecastQuery, forecast: Forecast, context: AnswerContext) -> bytes:
        return JSON.encode(query, forecast, context)


ARROW = ArrowCodec()
