"""How large the messages of an Arrow stream would get, told from their heads alone.

`arrow` asks before it reads. Compressed buffers begin with the size they claim to have once unpacked, and a megabyte of
zeros packed by zstd claims gigabytes; a column of nulls needs no bytes at all for any number of rows. Arrow itself
checks neither, and its Python package shows neither, so the two fields are picked out of the FlatBuffers here. Arrow
has verified their structure by the time a message is handed out; what is read beyond the end still ends in an error.
"""

import struct
from collections.abc import Iterator

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types; what leaves this room is numbers

from inference_container.errors import MalformedRequest
from inference_container.forecasting.codecs.table import MAX_TABLE_BYTES
from inference_container.forecasting.frame import refuse_too_many

_U16, _I32, _U32, _I64 = (struct.Struct(code) for code in ("<H", "<i", "<I", "<q"))
#: Positions of fields in Arrow's Message.fbs.
_HEADER_TYPE, _HEADER = 1, 2
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_DICTIONARY_DATA = 1
#: Values of the header's type.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
#: A buffer that compression would not have made smaller says so in place of its size.
_STORED = -1


def refuse_large(source: "pa.Buffer") -> None:
    """Walk over the messages of a stream without reading any column.

    Raises:
        TooManyRows: the batches claim more rows than a request may have.
        MalformedRequest: unpacked, the columns would take more than `MAX_TABLE_BYTES`.
        ValueError: not a stream of messages. Arrow raises errors of its own beside it.
    """
    rows = size = 0
    for message in pa.ipc.MessageReader.open_stream(source):
        try:
            batch, is_rows = _batch(memoryview(message.metadata))
            if batch is None:
                continue
            rows += batch.integer(_LENGTH) if is_rows else 0
            if batch.position(_COMPRESSION):
                size += sum(_unpacked_sizes(batch, memoryview(message.body)))
        except (struct.error, IndexError):
            raise ValueError("a message points outside of itself") from None
        refuse_too_many(rows)
        if size > MAX_TABLE_BYTES:
            raise MalformedRequest(
                f"The columns may take at most {MAX_TABLE_BYTES} bytes unpacked.", max_bytes=MAX_TABLE_BYTES
            )


class _Fields:
    """A table of FlatBuffers: fields behind a list of offsets, each of them optional."""

    def __init__(self, data: memoryview, at: int) -> None:
        self.data, self.at = data, at

    def position(self, field: int) -> int:
        """Where a field stands, 0 when it is left out."""
        offsets = self.at - int(_I32.unpack_from(self.data, self.at)[0])
        entry = 4 + 2 * field
        if entry >= _U16.unpack_from(self.data, offsets)[0]:
            return 0
        offset = int(_U16.unpack_from(self.data, offsets + entry)[0])
        return self.at + offset if offset else 0

    def integer(self, field: int) -> int:
        position = self.position(field)
        return int(_I64.unpack_from(self.data, position)[0]) if position else 0

    def follow(self, field: int) -> int:
        """Where the thing stands that a field points to, 0 when it is left out."""
        position = self.position(field)
        return position + int(_U32.unpack_from(self.data, position)[0]) if position else 0


def _batch(head: memoryview) -> tuple[_Fields | None, bool]:
    """The batch a message brings, if any, and whether its length counts rows (of a dictionary it does not)."""
    message = _Fields(head, int(_U32.unpack_from(head, 0)[0]))
    kind = message.position(_HEADER_TYPE)
    header = message.follow(_HEADER)
    if not kind or not header or head[kind] not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return None, False
    if head[kind] == _RECORD_BATCH:
        return _Fields(head, header), True
    data = _Fields(head, header).follow(_DICTIONARY_DATA)
    return (_Fields(head, data) if data else None), False


def _unpacked_sizes(batch: _Fields, body: memoryview) -> Iterator[int]:
    vector = batch.follow(_BUFFERS)
    count = int(_U32.unpack_from(batch.data, vector)[0]) if vector else 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", batch.data, vector + 4 + 16 * number)
        if length < _I64.size:
            continue
        if offset < 0:
            raise IndexError
        claimed = int(_I64.unpack_from(body, offset)[0])
        if claimed < _STORED:
            raise IndexError
        yield length if claimed == _STORED else claimed
