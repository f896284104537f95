"""From a bundle's folder to a model that has answered: verified, replayed against its golden windows, warmed up.

A worker process does this at its start, and the event loop's own model does it in a thread. It blocks for as long as
the backend takes to import.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from inference_container.bundles.loader import map_bundle, open_inferencer
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ServedModel

#: Parts of the manifest that describe nothing: hashes and the scaler's numbers.
_NOT_ON_THE_CARD = {"files", "scaler", "format"}


@dataclass(frozen=True, slots=True, eq=False)
class OpenedModel:
    inferencer: Inferencer
    model: ServedModel
    load_ms: float
    #: In units of the target's scale.
    golden_max_rel_err: float
    #: Why the backend is not the one that was tried first; None when it is.
    fallback: str | None


def open_model(bundle: str, identifier: str, batch_size: int, report: Callable[[str], None]) -> OpenedModel:
    """`report` is told each phase as it begins.

    Raises:
        BundleRefused: The bundle can not be served.
    """
    begun = time.perf_counter()
    report("verifying")
    loaded = map_bundle(bundle)
    opened = open_inferencer(loaded, identifier)
    report("warming")
    # The smallest and the largest batch: first-time allocations must not be paid for by a caller.
    for size in sorted({1, batch_size}):
        opened.inferencer.warm_up(size)
    plan, backend = opened.inferencer.plan, opened.inferencer.backend.name
    model = ServedModel(
        bundle_id=plan.bundle_id,
        name=loaded.manifest.name,
        backend=backend,
        input_len=plan.input.input_len,
        horizon=plan.output.horizon,
        targets=plan.output.targets,
        columns=plan.input.columns,
        freq_seconds=plan.input.freq_seconds,
        max_steps=plan.output.max_steps,
        quantile_levels=plan.quantiles.levels if plan.quantiles is not None else (),
        card={**loaded.manifest.model_dump(mode="json", exclude=_NOT_ON_THE_CARD), "backend": backend},
    )
    load_ms = round((time.perf_counter() - begun) * 1000, 1)
    return OpenedModel(opened.inferencer, model, load_ms, opened.golden_max_rel_err, opened.fallback)
