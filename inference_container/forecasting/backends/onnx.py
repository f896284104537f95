"""Recurrent networks in ONNX Runtime: five times as fast as torch for one window, and 150 MB smaller.

`choice` opens it where it can and `bundles.loader` believes it only after the golden windows. The graph comes from
`graph_cache`; neither the `onnx` package nor torch is imported here.
"""

import os
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from typing_extensions import override

from inference_container.errors import BundleRefused
from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.graph_cache import INPUT, OUTPUT, graph_model
from inference_container.forecasting.backends.protocol import Backend, Weights
from inference_container.forecasting.plan import NetworkPlan

# Since 1.29 the Linux builds report models and machine to their maker unless told otherwise before the import, and keep
# a database and a thread for it. The call that turns it off later comes too late for the first report.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime  # type: ignore[import-untyped]  # ships no types; what leaves this room is numpy

#: Of a batch against its rows one by one.
_RTOL, _ATOL = 1e-5, 1e-6
#: Errors only; what goes wrong is raised as well.
_LOG_ERRORS = 3


class _Session(Protocol):
    def run(self, outputs: list[str], feed: dict[str, Float32Array]) -> list[Float32Array]: ...


class OnnxBackend(Backend):
    """A session with one thread. What it computes is not trusted before `check_golden` has seen it."""

    def __init__(self, network: NetworkPlan, weights: Weights) -> None:
        """
        Raises:
            BundleRefused: the graph can not be written, or the runtime does not take it.
        """
        self._outputs = [OUTPUT]
        self._session = _open(graph_model(network, weights))
        self._refuse_mixed_rows(network)

    @property
    @override
    def name(self) -> str:
        return "onnxruntime"

    @override
    def forward(self, features: Float32Array) -> Float32Array:
        # Bound inputs and outputs were measured too: nothing for one window, nothing for 32.
        return self._session.run(self._outputs, {INPUT: features})[0]

    def _refuse_mixed_rows(self, network: NetworkPlan) -> None:
        """The operators take other roads through a batch than through one window; golden windows come one by one."""
        # A wave and no noise: numpy's generators would cost the process 2 MB.
        wave = np.sin(np.arange(3 * network.input_len * network.features, dtype=np.float32))
        windows = wave.reshape(3, network.input_len, network.features)
        alone = np.concatenate([self.forward(windows[at : at + 1]) for at in range(len(windows))])
        if not np.allclose(self.forward(windows), alone, rtol=_RTOL, atol=_ATOL):
            raise BundleRefused("ONNX Runtime forecasts a window differently in a batch than alone.")


def _open(model: Path | bytes) -> _Session:
    """A session of its own copy of the weights.

    ONNX Runtime can map weights from a file instead, so that workers share them, but only where it may not pack them
    for its matrix products first. Unpacked, batches of 32 took 1.2 times as long with 1,024 hidden units; with 128
    there was next to nothing to share. From the file, not from its bytes: the bytes would stay for as long as it lives.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # as fast without, and 1.3 MB smaller
    options.log_severity_level = _LOG_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base class
        raise BundleRefused(f"ONNX Runtime does not take the graph: {type(error).__name__}.") from error
    return cast(_Session, session)
