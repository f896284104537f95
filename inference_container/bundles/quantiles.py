"""`quantiles.json` of a bundle: how far truths lay from forecasts in windows that the network was not fitted to.

`training` writes it, `sealing` reads it and hands the plan to the forecast. A bundle may do without; it then answers
single values only. Unknown keys are refused by name, as in the manifest.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inference_container.bundles.files import QUANTILES
from inference_container.errors import BundleRefused
from inference_container.forecasting.plan import QuantilePlan

Level = Annotated[float, Field(gt=0, lt=1)]


class QuantilesFile(BaseModel):
    """The file, field by field."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format: Literal["quantiles/1"]
    method: Literal["split-conformal"]
    #: Fewest windows that any of the offsets was taken from.
    windows: int = Field(ge=1)
    #: In the order of `offsets`.
    targets: tuple[str, ...] = Field(min_length=1)
    #: Rising.
    levels: tuple[Level, ...] = Field(min_length=1, max_length=99)
    #: Raw units to add to the forecast: a row per native step, in it one per target, in it a number per level.
    offsets: tuple[tuple[tuple[float, ...], ...], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _shape_and_order(self) -> Self:
        rows = [row for step in self.offsets for row in step]
        claims = (
            (_strictly_rising(self.levels), "levels must rise"),
            (len(set(self.targets)) == len(self.targets), "targets repeats a name"),
            (
                {len(step) for step in self.offsets} == {len(self.targets)},
                "offsets needs a row per target in each step",
            ),
            ({len(row) for row in rows} == {len(self.levels)}, "offsets needs a number per level in each row"),
            (all(_rising(row) for row in rows), "offsets must not fall from one level to the next"),
        )
        broken = [sentence for holds, sentence in claims if not holds]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def encode(self) -> bytes:
        """The bytes of the file; the same numbers give the same bytes, which the bundle's identity rests on."""
        return orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def quantiles_file(plan: QuantilePlan, targets: Sequence[str], windows: int) -> QuantilesFile:
    """The file of offsets measured on at least `windows` windows each."""
    return QuantilesFile(
        format="quantiles/1",
        method="split-conformal",
        windows=windows,
        targets=tuple(targets),
        levels=plan.levels,
        offsets=plan.offsets,
    )


def decode_quantiles(encoded: bytes | bytearray, targets: Sequence[str], horizon: int) -> QuantilePlan:
    """Read `quantiles.json` of a bundle with these targets and this native horizon.

    Raises:
        BundleRefused: not such a file, or one that was made for other targets or another horizon.
    """
    try:
        found = QuantilesFile.model_validate_json(encoded)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or QUANTILES}: {fault['msg']}" for fault in error.errors()[:5]
        )
        raise BundleRefused(f"{QUANTILES} is not valid: {faults}.") from error
    if found.targets != tuple(targets):
        raise BundleRefused(f"{QUANTILES} does not name the targets of the manifest, in their order.")
    if len(found.offsets) != horizon:
        raise BundleRefused(f"{QUANTILES} holds {len(found.offsets)} steps; the manifest's horizon is {horizon}.")
    return QuantilePlan(found.levels, found.offsets)


def _strictly_rising(numbers: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


def _rising(numbers: Sequence[float]) -> bool:
    return all(low <= high for low, high in pairwise(numbers))
