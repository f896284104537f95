"""Tensors of the Open Inference Protocol, in JSON or as bytes behind it, to columns and back.

`oip` reads and writes whole bodies with it. A tensor here is one column: its shape is `[rows]`, or `[1, rows]` from
clients that put a batch in front. What a tensor says of itself is checked before its values are looked at.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference_container.errors import InvalidTimestamps, MalformedRequest, NonNumericColumns
from inference_container.forecasting.arrays import FloatArray, TimeArray
from inference_container.forecasting.codecs.ticks import TickUnit, times_from_ticks
from inference_container.forecasting.frame import refuse_too_many
from inference_container.forecasting.protocol_names import DATATYPES, NUMBERS, TEXT
from inference_container.forecasting.timestamps import parse_times

#: FP64 is `<f8` and UINT8 is `<u1`: on the wire, bytes are little-endian.
_DTYPES: Mapping[str, "np.dtype[np.generic]"] = {
    name: np.dtype(f"<{name[0].lower()}{int(name.lstrip('FPUINT')) // 8}") for name in NUMBERS
}
_UNITS: Mapping[object, TickUnit] = {"s": "s", "ms": "ms", "us": "us", "ns": "ns"}
_LENGTH = struct.Struct("<I")
_NUMBER_TYPES = frozenset({int, float, type(None)})


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A column as it was sent: its values stand in `data` or in `raw`, and one of the two is None."""

    name: str
    datatype: str
    rows: int
    #: Whether the shape had a batch of one in front.
    batched: bool
    parameters: Mapping[str, object]
    data: Sequence[object] | None
    raw: memoryview | None

    def numbers(self) -> FloatArray:
        """(rows,), NaN for null.

        Raises:
            NonNumericColumns: text, truth values or mixed data.
            MalformedRequest: more or fewer values than the shape says.
        """
        dtype = _DTYPES.get(self.datatype)
        if dtype is None or (self.data is not None and not _NUMBER_TYPES.issuperset(map(type, self.data))):
            raise NonNumericColumns(f"Columns must hold numbers or null: {self.name}.", columns=[self.name])
        if self.raw is None:
            return np.array(self._listed(), dtype=np.float64)
        self._refuse_size(dtype.itemsize)
        return np.frombuffer(self.raw, dtype).astype(np.float64)

    def times(self, unit: object) -> TimeArray:
        """(rows,), UTC. `unit` is that of the request; the tensor's own parameter wins over it.

        Raises:
            InvalidTimestamps: neither ISO-8601 text nor whole numbers with a unit.
            MalformedRequest: more or fewer values than the shape says.
        """
        if self.datatype == TEXT:
            return parse_times(self._listed() if self.raw is None else self._texts(self.raw))
        known = _UNITS.get(self.parameters.get("unit", unit))
        if self.datatype != "INT64" or known is None:
            raise InvalidTimestamps(
                "The time tensor must be BYTES of ISO-8601 text, or INT64 with a parameter unit: s, ms, us or ns."
            )
        if self.raw is not None:
            self._refuse_size(8)
            return times_from_ticks(np.frombuffer(self.raw, "<i8").astype(np.int64), known)
        listed = self._listed()
        if not all(type(value) is int and -(2**63) <= value < 2**63 for value in listed):
            raise InvalidTimestamps("The time tensor must hold whole numbers of 64 bits.")
        return times_from_ticks(np.array(listed, dtype=np.int64), known)

    def _listed(self) -> Sequence[object]:
        listed = self.data or ()
        if len(listed) != self.rows:
            raise MalformedRequest("A tensor holds more or fewer values than its shape says.", field="data")
        return listed

    def _refuse_size(self, item: int) -> None:
        if self.raw is not None and len(self.raw) != self.rows * item:
            raise MalformedRequest("A tensor holds more or fewer bytes than its shape says.", field="binary_data_size")

    def _texts(self, raw: memoryview) -> list[object]:
        texts: list[object] = []
        at = 0
        try:
            while at < len(raw):
                begin = at + _LENGTH.size
                at = begin + int(_LENGTH.unpack_from(raw, at)[0])
                texts.append(bytes(raw[begin:at]).decode())
        except (struct.error, UnicodeDecodeError):
            raise MalformedRequest("A tensor of bytes is not text with a length in front of each.") from None
        if at != len(raw) or len(texts) != self.rows:
            raise MalformedRequest("A tensor holds more or fewer values than its shape says.")
        return texts


def read_tensors(inputs: object, rest: memoryview) -> list[Tensor]:
    """The tensors of a request, `rest` being the bytes behind its JSON part.

    Raises:
        MalformedRequest: a tensor is not described as the protocol says, or bytes are missing or left over.
        TooManyRows: a shape claims more rows than a request may have.
    """
    if not isinstance(inputs, list):
        raise MalformedRequest("inputs must be an array of tensors.", field="inputs")
    tensors: list[Tensor] = []
    for described in inputs:
        tensor, size = _tensor(described, rest)
        rest = rest[size:]
        tensors.append(tensor)
    if len(rest):
        raise MalformedRequest("There are bytes behind the last tensor.")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise MalformedRequest("Two tensors have the same name.", field="inputs")
    return tensors


def parameters_of(described: Mapping[str, object]) -> Mapping[str, object]:
    """The parameters of a request, an input or an output.

    Raises:
        MalformedRequest: not an object.
    """
    parameters = described.get("parameters", {})
    if not isinstance(parameters, dict):
        raise MalformedRequest("parameters must be an object.", field="parameters")
    return parameters


def packed_texts(texts: Sequence[str]) -> bytes:
    """Each text with its length in front, as the protocol lays out BYTES."""
    return b"".join(part for text in map(str.encode, texts) for part in (_LENGTH.pack(len(text)), text))


def _tensor(described: object, rest: memoryview) -> tuple[Tensor, int]:
    """One tensor, and how many bytes of `rest` are its own."""
    if not isinstance(described, dict):
        raise MalformedRequest("Each of inputs must be an object.", field="inputs")
    name, datatype = described.get("name"), described.get("datatype")
    if not isinstance(name, str) or datatype not in DATATYPES:
        raise MalformedRequest("A tensor must have a name and a datatype of the protocol.", field="inputs")
    rows, batched = _rows(described.get("shape"))
    parameters = parameters_of(described)
    if any(key.startswith("shared_memory") for key in parameters):
        raise MalformedRequest("Shared memory is not offered: send the values.", field="parameters")
    size, data = parameters.get("binary_data_size"), described.get("data")
    if size is None:
        return Tensor(name, str(datatype), rows, batched, parameters, _flat(data, 2 if batched else 1), None), 0
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(rest) or data is not None:
        raise MalformedRequest("binary_data_size must be the bytes of this tensor, all of them sent behind the JSON.")
    return Tensor(name, str(datatype), rows, batched, parameters, None, rest[:size]), size


def _rows(shape: object) -> tuple[int, bool]:
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise MalformedRequest("shape must be an array of whole numbers.", field="shape")
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] != 1):
        raise MalformedRequest("A tensor is one column: its shape is [rows] or [1, rows].", field="shape")
    refuse_too_many(shape[-1])
    return shape[-1], len(shape) == 2


def _flat(data: object, depth: int) -> list[object]:
    """The values in a row; a tensor of two dimensions may be written nested or not."""
    if not isinstance(data, list):
        raise MalformedRequest("data must be an array.", field="data")
    if depth == 2 and len(data) == 1 and isinstance(data[0], list):
        nested: list[object] = data[0]
        return nested
    return data
