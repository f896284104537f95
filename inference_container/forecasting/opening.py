"""From a sealed bundle to a model that has answered: weights mapped, golden windows replayed, warmed up.

A worker process does this at its start, and the event loop's own model does it in a thread. It blocks for as long as
the backend takes to import.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from inference_container.bundles.opener import map_bundle, open_inferencer
from inference_container.bundles.sealed import SealedBundle
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ServedModel


@dataclass(frozen=True, slots=True, eq=False)
class OpenedModel:
    inferencer: Inferencer
    model: ServedModel
    load_ms: float
    #: In units of the target's scale.
    golden_max_rel_err: float
    #: Why the backend is not the one that was tried first; None when it is.
    fallback: str | None


def open_model(bundle: SealedBundle, identifier: str, batch_size: int, report: Callable[[str], None]) -> OpenedModel:
    """`report` is told each phase as it begins.

    Raises:
        BundleRefused: The bundle can not be served.
    """
    begun = time.perf_counter()
    report("verifying")
    opened = open_inferencer(map_bundle(bundle), identifier)
    report("warming")
    # The smallest and the largest batch: first-time allocations must not be paid for by a caller.
    for size in sorted({1, batch_size}):
        opened.inferencer.warm_up(size)
    plan, backend = opened.inferencer.plan, opened.inferencer.backend.name
    model = ServedModel(
        bundle_id=plan.bundle_id,
        name=bundle.name,
        backend=backend,
        input_len=plan.input.input_len,
        horizon=plan.output.horizon,
        targets=plan.output.targets,
        columns=plan.input.columns,
        freq_seconds=plan.input.freq_seconds,
        max_steps=plan.output.max_steps,
        quantile_levels=plan.quantiles.levels if plan.quantiles is not None else (),
        card={**bundle.card, "backend": backend},
        manifest_sha256=bundle.manifest_sha256,
    )
    load_ms = round((time.perf_counter() - begun) * 1000, 1)
    return OpenedModel(opened.inferencer, model, load_ms, opened.golden_max_rel_err, opened.fallback)
