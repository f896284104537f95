"""A bundle's content to something that answers: a backend is opened and the golden windows are replayed.

A worker process calls `map_bundle` and `open_inferencer` at its start; `loader` brings the content for whoever has only
a directory. Nothing in a bundle is ever executed. What was sealed is not validated again, so that a worker imports no
validation library: that is 9 MB of 72.
"""

from dataclasses import dataclass
from pathlib import Path

from inference_container.bundles.files import WEIGHTS, map_verified
from inference_container.bundles.golden import SAME_NETWORK, Agreement, check_golden
from inference_container.bundles.sealed import Golden, SealedBundle
from inference_container.bundles.tensor_file import decode_weights
from inference_container.errors import BundleRefused, GoldenMismatch
from inference_container.forecasting.backends.choice import BackendChoice, BackendName, backends_for, open_backend
from inference_container.forecasting.backends.protocol import Weights
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.plan import ForecastPlan
from serving.errors import SluiceError


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What computes and what it is checked with. Whether they belong together shows when it is opened."""

    plan: ForecastPlan
    golden: Golden
    weights: Weights


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A bundle that gives the recorded forecasts."""

    inferencer: Inferencer
    #: Largest golden error, in units of the target's scale.
    golden_max_rel_err: float
    #: Why the backend is not the fastest that knows the architecture; None when it is.
    fallback: str | None


def map_bundle(sealed: SealedBundle) -> Content:
    """With weights that lie in the page cache once, for all processes that map them.

    Raises:
        BundleRefused: the weights are not those that were sealed.
    """
    weights = map_verified(Path(sealed.folder) / WEIGHTS, sealed.weights)
    return Content(sealed.plan, sealed.golden, decode_weights(weights))


def open_inferencer(content: Content, identifier: str = "default", *, backend: BackendChoice = "auto") -> Opened:
    """Give a bundle the first backend that repeats its golden windows.

    All but the last must agree as two programs over the same weights do; the last has the bundle's own tolerance, which
    allows for the kernels of the machine that recorded it. Blocks for as long as the backends take to import.

    Raises:
        BundleRefused: the weights do not fit; its subclass GoldenMismatch when forecasts differ from the recorded ones.
    """
    *faster, last = backends_for(content.plan.network.arch, backend)
    reason: str | None = None
    for name in faster:
        try:
            return _open(content, identifier, name, SAME_NETWORK, reason)
        except Exception as error:  # whatever a backend has against a bundle, the next one may serve it
            reason = f"{name}: {error.message if isinstance(error, SluiceError) else type(error).__name__}"
    try:
        return _open(content, identifier, last, None, reason)
    except GoldenMismatch:
        raise
    except BundleRefused as error:
        if reason is None:
            raise
        raise BundleRefused(f"{error.message} Before that, {reason}") from error


def _open(
    content: Content, identifier: str, name: BackendName, agreement: Agreement | None, fallback: str | None
) -> Opened:
    plan = content.plan
    inferencer = Inferencer(plan, open_backend(plan.network, content.weights, name), identifier=identifier)
    return Opened(inferencer, check_golden(content.golden, inferencer, agreement), fallback)
