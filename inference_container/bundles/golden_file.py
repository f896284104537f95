"""`golden.json`: its fields and their bounds.

`writer` encodes what `golden.record_golden` found, `sealing` decodes it again. Unknown keys are refused.
"""

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inference_container.bundles.files import GOLDEN
from inference_container.bundles.sealed import Cell, Golden, GoldenWindow
from inference_container.errors import BundleRefused

_CLOSED = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Window(BaseModel):
    model_config = _CLOSED

    data: dict[str, list[Cell]]
    expected: dict[str, list[float]]


class _File(BaseModel):
    model_config = _CLOSED

    windows: tuple[_Window, ...] = Field(min_length=2, max_length=8)
    tolerance: float = Field(gt=0, le=0.01)


def encode_golden(golden: Golden) -> bytes:
    """The bytes of the file; the same windows give the same bytes, which the bundle's identity rests on."""
    windows = tuple(_Window(data=dict(each.data), expected=dict(each.expected)) for each in golden.windows)
    fields = _File(windows=windows, tolerance=golden.tolerance).model_dump(mode="json")
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decode_golden(encoded: bytes | bytearray) -> Golden:
    """Read `golden.json`.

    Raises:
        BundleRefused: the file does not hold golden windows.
    """
    try:
        found = _File.model_validate_json(encoded)
    except ValidationError as error:
        raise BundleRefused(f"{GOLDEN} is not valid: {error.errors()[0]['msg']}.") from error
    return Golden(tuple(GoldenWindow(window.data, window.expected) for window in found.windows), found.tolerance)
