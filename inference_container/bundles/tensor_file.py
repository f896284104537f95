"""A safetensors file as arrays that lie where the file does: nothing is copied.

`loader` hands over the verified content, read, and `opener` the same, mapped. The library of that name copies every
tensor when it reads for numpy, and workers that map one file would hold as many copies of it.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import orjson
from typing_extensions import Buffer

from inference_container.bundles.files import WEIGHTS
from inference_container.errors import BundleRefused
from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.protocol import Weights

#: Bytes of the header's length, little endian.
_LENGTH = 8
_ITEM = 4

_Span: TypeAlias = tuple[int, int]


def decode_weights(content: Buffer) -> Weights:
    """Tensors by name, views of `content`.

    Raises:
        BundleRefused: not a safetensors file of finite float32 tensors.
    """
    view = memoryview(content)
    header, start = _header(view)
    weights: dict[str, Float32Array] = {}
    spans: list[_Span] = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        span, tensor = _tensor(name, entry, view[start:])
        spans.append(span)
        weights[name] = tensor
    _refuse_holes(spans, len(view) - start)
    return weights


def _header(view: memoryview) -> tuple[Mapping[str, Any], int]:
    """The description of the tensors, and where their bytes begin."""
    start = _LENGTH + int.from_bytes(view[:_LENGTH], "little")
    if len(view) < _LENGTH or start > len(view):
        raise BundleRefused(f"{WEIGHTS} can not be read: it ends before its header does.")
    try:
        header: object = orjson.loads(view[_LENGTH:start])
    except orjson.JSONDecodeError as error:
        raise BundleRefused(f"{WEIGHTS} can not be read: its header is not JSON.") from error
    if not isinstance(header, dict):
        raise BundleRefused(f"{WEIGHTS} can not be read: its header is not an object.")
    return header, start


def _tensor(name: str, entry: object, body: memoryview) -> tuple[_Span, Float32Array]:
    match entry:
        case {"dtype": "F32", "shape": [*shape], "data_offsets": [int(begin), int(end)]} if (
            all(type(length) is int and length >= 0 for length in shape)
            and 0 <= begin <= end <= len(body)
            and end - begin == _ITEM * math.prod(shape)
        ):
            # Files of other writers need not align their tensors; numpy reads them all the same, torch does not.
            found = np.require(np.frombuffer(body[begin:end], np.float32).reshape(shape), requirements="A")
        case _:
            raise BundleRefused(f"Tensor {name[:100]} of {WEIGHTS} is not float32, or not where the header says.")
    if not bool(np.all(np.isfinite(found))):
        raise BundleRefused(f"Tensor {name[:100]} of {WEIGHTS} is not finite.")
    return (begin, end), found


def _refuse_holes(spans: list[_Span], size: int) -> None:
    """Bytes that belong to no tensor, or to two, have no business in a file of weights."""
    reached = 0
    for begin, end in sorted(spans):
        if begin != reached:
            break
        reached = end
    if reached != size:
        raise BundleRefused(f"{WEIGHTS} can not be read: its tensors do not fill it exactly.")
