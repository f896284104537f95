"""Readiness in words and a status code: pure, from a lifecycle to what `/ready` answers.

Liveness is not here: its route returns a constant, because it asks only whether the event loop turns.
"""

from typing import Any

from serving.lifecycle import Lifecycle, State


def readiness(lifecycle: Lifecycle) -> tuple[int, dict[str, Any]]:
    """(200 or 503, what to say). 503 names the phase and percent of a load, or the reason of a failure."""
    body: dict[str, Any] = {"status": lifecycle.state.value}
    if lifecycle.ready:
        if lifecycle.degraded:
            body["degraded"] = sorted(lifecycle.degraded)
        return 200, body
    progress = lifecycle.progress
    if progress is not None:
        body |= {"phase": progress.phase, "percent": progress.percent, "eta_s": progress.eta_s}
    body["message"] = _sentence(lifecycle)
    return 503, body


def _sentence(lifecycle: Lifecycle) -> str:
    match lifecycle.state:
        case State.FAILED:
            return lifecycle.reason or "The model could not be loaded."
        case State.DRAINING | State.STOPPED:
            return "The process is shutting down."
        case State.WARMING:
            return "The model is warming up."
        case _:
            phase = lifecycle.progress.phase if lifecycle.progress is not None else "starting"
            return f"The model is not ready yet: {phase}."
