"""`manifest.json` of a bundle/1: its fields, and the relations between them.

`sealing` reads it, `writer` makes it, `bundle show` prints it. Unknown keys are refused by name: a manifest of a newer
trainer may ask for something this version would silently leave out. `Manifest.plan` is what the pure rooms get.

A bundle says where it comes from in one of two ways: `training`, with the scores of its back-test in `metrics`, or
`imported`, which vouches for nothing but the two files it was made of.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

import orjson
from pydantic import Field, model_validator

from inference_container.bundles.files import GOLDEN, QUANTILES, WEIGHTS
from inference_container.bundles.manifest_parts import (
    BundleName,
    FileEntry,
    Imported,
    Input,
    LinearModel,
    Metrics,
    Output,
    Part,
    RecurrentModel,
    ScalerEntry,
    Sha256,
    Training,
)
from inference_container.bundles.manifest_plan import broken_relations, make_plan
from inference_container.forecasting.plan import ForecastPlan, QuantilePlan

FORMAT = "bundle/1"
_FILE_SETS = ({WEIGHTS, GOLDEN}, {WEIGHTS, GOLDEN, QUANTILES})


class Manifest(Part):
    format: Literal["bundle/1"]
    bundle_id: Sha256
    name: BundleName
    created_at: datetime
    files: dict[str, FileEntry]
    model: Annotated[RecurrentModel | LinearModel, Field(discriminator="arch")]
    input: Input
    output: Output
    scaler: ScalerEntry
    training: Training | None = None
    imported: Imported | None = None
    metrics: Metrics | None = None

    @model_validator(mode="after")
    def _relations(self) -> Self:
        columns, targets = set(self.input.columns), set(self.output.targets)
        claims = (
            (
                set(self.files) in _FILE_SETS,
                f"files must be exactly {WEIGHTS} and {GOLDEN}, with or without {QUANTILES}",
            ),
            (
                set(self.scaler.columns) == columns | targets,
                "scaler.columns must be exactly the input columns and the targets",
            ),
            ((self.training is None) != (self.imported is None), "exactly one of training and imported must be there"),
            (
                (self.metrics is None) == (self.training is None),
                "metrics must be there when training is, and only then: they are the scores of its back-test",
            ),
            (
                self.metrics is None or set(self.metrics.targets) == targets,
                "metrics.targets must be exactly output.targets",
            ),
            (self.created_at.utcoffset() is not None, "created_at needs a time zone"),
        )
        broken = [sentence for holds, sentence in claims if not holds]
        broken += broken_relations(self.model, self.input, self.output)
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def plan(self, quantiles: QuantilePlan | None = None) -> ForecastPlan:
        """What the forecast computes with; `quantiles` come from the bundle's file of that name."""
        return make_plan(self.bundle_id, self.model, self.input, self.output, self.scaler, quantiles)

    def encode(self) -> bytes:
        """The bytes of the file. Absent parts are left out rather than null."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
