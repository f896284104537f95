"""`bundle import`: arrays and a specification of a network trained elsewhere, made into a bundle.

`commands.bundle` calls `import_bundle`. `import_spec` and `import_arrays` say what may come in; here it is assembled,
given golden windows and written. What the network is worth is not asked: no data came with it, so there are no scores.
"""

import csv
import hashlib
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from inference_container.bundles.golden import record_golden
from inference_container.bundles.golden_windows import cut_golden_windows, made_up_windows
from inference_container.bundles.import_arrays import read_arrays
from inference_container.bundles.import_spec import ImportSpec, read_spec
from inference_container.bundles.manifest import Manifest
from inference_container.bundles.manifest_parts import BundleName, Imported
from inference_container.bundles.manifest_plan import broken_relations, make_plan
from inference_container.bundles.reference import ReferenceBackend
from inference_container.bundles.sealed import Cell
from inference_container.bundles.sealing import read_manifest
from inference_container.bundles.writer import Draft, refuse_to_replace, write_bundle_at
from inference_container.errors import ImportRefused
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.plan import ForecastPlan, GapPolicy, NanPolicy
from inference_container.training.data import read_csv


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What to make a bundle of, and where to put it."""

    arrays: Path
    spec: Path
    #: The bundle's directory itself.
    out: Path
    #: For the manifest: the command line, and when it ran.
    cli: str
    created_at: datetime
    #: A CSV file to cut golden windows from; None: they are made up within the range of the scaler.
    golden: Path | None = None
    #: Empty: the name of the directory.
    name: str = ""
    nan_policy: NanPolicy = "reject"
    gap_policy: GapPolicy = "reject"
    #: Steps that may be asked for; None: as many as the contract has, or the native ones where none can be fed back.
    max_steps: int | None = None


def import_bundle(order: ImportOrder) -> Manifest:
    """Make the bundle, write it to `order.out` and return its manifest.

    Raises:
        ImportRefused: arrays, specification and order do not make a bundle; sentences name what does not fit.
        InvalidSeries: one of its subclasses: no golden windows can be cut from the file.
        BundleRefused: something that is no bundle stands in its place, or what was written does not pass its check.
        OSError: a file can not be read or the bundle not written.
    """
    out = order.out.resolve()
    refuse_to_replace(out)
    raw_spec, raw_arrays = order.spec.read_bytes(), order.arrays.read_bytes()
    spec = read_spec(raw_spec)
    draft = Draft(
        name=_name(order.name or _spelled_as_name(out.name)),
        created_at=order.created_at,
        model=spec.model(),
        input=spec.input(order.nan_policy, order.gap_policy),
        output=spec.output(order.max_steps),
        scaler=spec.manifest_scaler(),
        imported=Imported(
            arrays_sha256=hashlib.sha256(raw_arrays).hexdigest(),
            spec_sha256=hashlib.sha256(raw_spec).hexdigest(),
            cli=order.cli,
            versions={"python": platform.python_version(), "numpy": version("numpy")},
        ),
    )
    broken = broken_relations(draft.model, draft.input, draft.output)
    if broken:
        raise ImportRefused(f"This can not become a bundle: {'; '.join(broken)}.")
    weights = read_arrays(raw_arrays, spec)
    plan = make_plan("", draft.model, draft.input, draft.output, draft.scaler)
    windows = _from_file(order.golden, plan) if order.golden else made_up_windows(plan, list(_ranges(spec, plan)))
    golden = record_golden(Inferencer(plan, ReferenceBackend(plan.network, weights)), windows)
    return read_manifest(write_bundle_at(draft, weights, golden, out))


def _from_file(path: Path, plan: ForecastPlan) -> list[dict[str, list[Cell]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        times = next((name for name in plan.input.time_columns if name in header), None)
        if times is None:
            raise ImportRefused(f"{path.name} has no time column: one of {', '.join(plan.input.time_columns)}.")
        return cut_golden_windows(read_csv(path, times, plan.input.columns).frame, plan)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImportRefused(f"{path.name} is not a CSV file in UTF-8.") from error


def _ranges(spec: ImportSpec, plan: ForecastPlan) -> Iterator[tuple[float, float]]:
    """Where made-up values may lie: what the scaler saw, as far as its kind tells."""
    for center, scale in zip(plan.scaling.center, plan.scaling.scale, strict=True):
        lowest, highest = (0.0, 1.0) if spec.scaler.kind == "minmax" else (-2.0, 2.0)
        yield center + lowest * scale, center + highest * scale


def _spelled_as_name(directory: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", directory.lower()).lstrip("-._")[:100]


def _name(wanted: str) -> str:
    try:
        return TypeAdapter[str](BundleName).validate_python(wanted)
    except ValidationError as error:
        raise ImportRefused(
            f"{wanted!r} can not be the name of a bundle (--name): lower-case letters, digits, '.', '_' and '-'."
        ) from error
