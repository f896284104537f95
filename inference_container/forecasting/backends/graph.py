"""A recurrent network as an ONNX graph, written from the bundle's own arrays.

`graph_cache` runs this module in a process of its own, `python -m`: the `onnx` package would cost a worker 20 MB for
half a second of use. Torch has no part in it: its exporters trace a module, are deprecated one after the other, and a
batch size once slipped into the graph as a constant.
"""

import sys

import numpy as np
import onnx
import orjson
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from safetensors.numpy import load

from inference_container.forecasting.arrays import Float32Array
from inference_container.forecasting.backends.graph_cache import INPUT, OUTPUT
from inference_container.forecasting.backends.protocol import Weights
from inference_container.forecasting.backends.tensors import refuse_other_tensors
from inference_container.forecasting.plan import NetworkPlan

#: Old enough for every ONNX Runtime of the last two years, and the operators below have not changed since.
_OPSET, _IR = 21, 10
#: Where each gate of the operator stands in the module's tensors: z, r, h of r, z, n and i, o, f, c of i, f, g, o.
_GATES = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}


def write_graph(network: NetworkPlan, weights: Weights) -> bytes:
    """The serialised model: `features` (batch, input_len, features) to `forecast` (batch, horizon, targets).

    Raises:
        BundleRefused: the tensors are not those of the network.
        ValueError: what came out is no valid model, or too large for one file (2 GiB).
    """
    refuse_other_tensors(network, weights)
    drawing = _Drawing(network, weights)
    drawing.draw()
    source = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", network.input_len, network.features])
    result = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", network.horizon, network.targets])
    graph = helper.make_graph(drawing.nodes, network.arch, [source], [result], drawing.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


class _Drawing:
    """The nodes and constants of one graph while they are put together."""

    def __init__(self, network: NetworkPlan, weights: Weights) -> None:
        self._network, self._weights = network, weights
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def draw(self) -> None:
        network = self._network
        self._node("Transpose", [INPUT], "rows", perm=[1, 0, 2])  # the operators want time first
        states = "rows"
        for layer in range(network.layers):
            states = self._layer(layer, states)
        weight = self._constant("head.weight", self._weights["head.weight"])
        bias = self._constant("head.bias", self._weights["head.bias"])
        self._node("Gemm", [states, weight, bias], "flat", transB=1)
        shape = self._integers("shape", [-1, network.horizon, network.targets])
        if network.predicts == "level":
            self._node("Reshape", ["flat", shape], OUTPUT)
            return
        self._node("Reshape", ["flat", shape], "change")
        self._node("Gather", [INPUT, self._integers("last", [network.input_len - 1])], "last_row", axis=1)
        self._node("Gather", ["last_row", self._integers("targets", list(network.target_positions))], "base", axis=2)
        self._node("Add", ["base", "change"], OUTPUT)

    def _layer(self, layer: int, states: str) -> str:
        """One recurrent layer; of the last one the head needs only the last state."""
        parts = {kind: self._weights[f"rnn.{kind}_l{layer}"] for kind in ("weight_ih", "weight_hh")}
        biases = [self._weights[f"rnn.{kind}_l{layer}"] for kind in ("bias_ih", "bias_hh")]
        inputs = [states]
        inputs += [self._constant(f"{kind}_l{layer}", self._gates(part)[np.newaxis]) for kind, part in parts.items()]
        both = np.concatenate([self._gates(bias) for bias in biases])
        inputs.append(self._constant(f"bias_l{layer}", both[np.newaxis]))
        last = layer == self._network.layers - 1
        found, axis = (f"state_l{layer}", 0) if last else (f"states_l{layer}", 1)
        cell = helper.make_node(self._network.arch.upper(), inputs, ["", found] if last else [found])
        cell.attribute.append(helper.make_attribute("hidden_size", self._network.hidden))
        if self._network.arch == "gru":  # of the two in use, the module's multiplies by the reset gate after the matrix
            cell.attribute.append(helper.make_attribute("linear_before_reset", 1))
        self.nodes.append(cell)
        # The axis of directions, of which there is one.
        self._node("Squeeze", [found, self._integers(f"axis_l{layer}", [axis])], f"{found}_flat")
        return f"{found}_flat"

    def _gates(self, stacked: Float32Array) -> Float32Array:
        order = _GATES[self._network.arch]
        parts = np.split(stacked, len(order))
        return np.concatenate([parts[at] for at in order])

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: int | list[int]) -> None:
        node = helper.make_node(operator, inputs, [output])
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(node)

    def _integers(self, name: str, values: list[int]) -> str:
        return self._constant(name, np.array(values, dtype=np.int64))

    def _constant(self, name: str, values: Float32Array | NDArray[np.int64]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def main() -> None:
    """Standard input: a line of JSON with the network, then the tensors as safetensors. Standard output: the model."""
    plan, tensors = sys.stdin.buffer.read().split(b"\n", 1)
    fields = orjson.loads(plan)
    network = NetworkPlan(**{**fields, "target_positions": tuple(fields["target_positions"])})
    sys.stdout.buffer.write(write_graph(network, load(tensors)))


if __name__ == "__main__":
    main()
