"""How large the pages of a Parquet file would get, told from their heads alone.

`parquet` asks before it reads. The footer says sizes too, but a page is unpacked by what its own head says, and the two
need not agree: one kilobyte of zstd can claim two gigabytes. The heads are Thrift structs in the compact protocol,
read here as far as three numbers of each.
"""

from dataclasses import dataclass
from typing import TypeAlias

from inference_container.errors import MalformedRequest
from inference_container.forecasting.codecs.table import MAX_TABLE_BYTES
from inference_container.forecasting.frame import refuse_too_many

#: Integers and structs by field number; what else a struct holds is stepped over.
_Struct: TypeAlias = "dict[int, int | _Struct]"

#: A file of the rows that a request may have needs a few; reading a million empty ones would take seconds.
_MAX_PAGES = 2_000
#: Field numbers in Parquet's PageHeader.
_UNPACKED, _PACKED, _DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 2, 3, 5, 7, 8
_VALUES = 1
_ENCODING, _ENCODING_V2 = 2, 4
#: Each text repeats the start of the one before: small pages, no bound on what comes out.
_DELTA_BYTE_ARRAY = 7
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """The pages of one column in one row group: where they start, how many bytes they take packed."""

    start: int
    length: int


class PageBudget:
    """What all chunks of a file may take together. One per file; `spend` on each chunk before any is read."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._bytes = MAX_TABLE_BYTES
        self._pages = _MAX_PAGES

    def spend(self, chunk: Chunk) -> None:
        """Walk over the pages of a chunk.

        Raises:
            TooManyRows: a page claims more values than a request may have rows.
            MalformedRequest: too many pages, too large once unpacked, or of an encoding without a bound.
            ValueError: not a row of pages.
        """
        at, end = chunk.start, chunk.start + chunk.length
        if not 0 <= at <= end <= len(self._body):
            raise ValueError("a column chunk lies outside of the file")
        while at < end:
            try:
                head, behind = _struct(self._body, at)
            except IndexError:
                raise ValueError("the file ends in the head of a page") from None
            packed, unpacked = head.get(_PACKED, -1), head.get(_UNPACKED, -1)
            if not isinstance(packed, int) or not isinstance(unpacked, int) or packed < 0 or unpacked < 0:
                raise ValueError("a page has no size")
            _refuse_page(head)
            self._bytes -= unpacked
            self._pages -= 1
            if self._bytes < 0 or self._pages < 0:
                raise MalformedRequest(
                    f"The columns may take at most {MAX_TABLE_BYTES} bytes unpacked, in at most {_MAX_PAGES} pages.",
                    max_bytes=MAX_TABLE_BYTES,
                )
            at = behind + packed


def _refuse_page(head: _Struct) -> None:
    for field, encoding in ((_DATA_PAGE, _ENCODING), (_DATA_PAGE_V2, _ENCODING_V2), (_DICTIONARY_PAGE, _ENCODING)):
        page = head.get(field)
        if not isinstance(page, dict):
            continue
        values = page.get(_VALUES, 0)
        refuse_too_many(values if isinstance(values, int) else 0)
        if page.get(encoding) == _DELTA_BYTE_ARRAY:
            raise MalformedRequest(
                "The encoding DELTA_BYTE_ARRAY is not read; write the column PLAIN or by dictionary."
            )


def _struct(data: bytes, at: int, depth: int = 0) -> tuple[_Struct, int]:
    """A struct of Thrift's compact protocol that begins at `at`, and where it ends.

    In one function and not in many small ones: a table of a dozen columns has two dozen heads, and to walk over them
    byte by byte took longer than to read the table.

    Raises:
        IndexError: the data end in it.
        ValueError: it is none.
    """
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    found: _Struct = {}
    field = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            field += head >> 4  # the step from the last field's number
        else:  # it did not fit, and follows in full
            number, at = _varint(data, at)
            field = (number >> 1) ^ -(number & 1)
        match head & 0x0F:
            case 4 | 5 | 6:
                value = data[at]
                if value < 0x80:
                    at += 1
                else:
                    value, at = _varint(data, at)
                found[field] = (value >> 1) ^ -(value & 1)
            case 8:
                length, at = _varint(data, at)
                at += length
            case 12:
                found[field], at = _struct(data, at, depth + 1)
            case 1 | 2:  # true and false need no bytes
                pass
            case 3:
                at += 1
            case 7:
                at += 8
            case _:  # no head of a page has lists, sets or maps
                raise ValueError("an unknown kind of field")
    return found, at + 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("an integer without an end")
