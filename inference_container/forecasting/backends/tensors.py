"""Which tensors a network has, by name and shape: asked once, before a backend is opened.

`choice` and the graph writer call it. Names are those of the torch modules that training makes; a backend that is given
others might compute something all the same, or fail in words of its own.
"""

from inference_container.errors import BundleRefused
from inference_container.forecasting.backends.protocol import Weights
from inference_container.forecasting.plan import NetworkPlan

#: Gates of one cell, stacked in each of its tensors.
_GATES = {"gru": 3, "lstm": 4}

Shapes = dict[str, tuple[int, ...]]


def tensor_shapes(network: NetworkPlan) -> Shapes:
    """Every tensor of the network, and no other."""
    outputs = network.horizon * network.targets
    if network.arch == "linear":
        return {"weight": (outputs, network.input_len * network.features), "bias": (outputs,)}
    rows = _GATES[network.arch] * network.hidden
    shapes: Shapes = {"head.weight": (outputs, network.hidden), "head.bias": (outputs,)}
    for layer in range(network.layers):
        width = network.hidden if layer else network.features
        shapes[f"rnn.weight_ih_l{layer}"] = (rows, width)
        shapes[f"rnn.weight_hh_l{layer}"] = (rows, network.hidden)
        shapes[f"rnn.bias_ih_l{layer}"] = shapes[f"rnn.bias_hh_l{layer}"] = (rows,)
    return shapes


def refuse_other_tensors(network: NetworkPlan, weights: Weights) -> None:
    """
    Raises:
        BundleRefused: a tensor is missing, too many, or of another shape; the sentence names the first of them.
    """
    wanted, found = tensor_shapes(network), {name: tensor.shape for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise BundleRefused(
                f"The weights do not fit a {network.arch} network of this plan: tensor {name[:100]} is "
                f"{found.get(name, 'missing')} and should be {wanted.get(name, 'absent')}."
            )
