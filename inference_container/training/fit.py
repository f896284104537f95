"""Fitting: a closed-form ridge in numpy, a GRU or LSTM in torch with early stopping.

`pipeline` calls `fit` with windows of the training and validation part only. The same seed, data and versions give the
same weights, bit for bit: one thread, one generator.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_container.errors import InvalidSeries
from inference_container.forecasting.backends.protocol import Weights
from inference_container.forecasting.plan import NetworkPlan
from inference_container.training.windows import WindowSet

#: Windows turned to float64 at a time while the ridge's normal equations are summed.
_CHUNK = 512


@dataclass(frozen=True, slots=True)
class FitOptions:
    seed: int = 0
    #: Penalty on each squared weight, per training window.
    ridge: float = 0.01
    epochs: int = 60
    #: Epochs without a better validation loss before training stops.
    patience: int = 8
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2


@dataclass(frozen=True, slots=True)
class Progress:
    """One epoch, for whoever watches."""

    epoch: int
    train_loss: float
    validation_loss: float
    best: bool


def fit(
    network: NetworkPlan,
    train: WindowSet,
    validation: WindowSet,
    options: FitOptions,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Weights:
    """Weights of the network, float32, by the names its backend expects."""
    if network.arch == "linear":
        return fit_ridge(train, options.ridge)
    return _fit_recurrent(network, train, validation, options, watch)


def fit_ridge(train: WindowSet, ridge: float) -> Weights:
    """Least squares with a penalty on the weights, not on the bias, solved in float64."""
    count = len(train.ends)
    x_mean, y_mean = _means(train)
    width, outputs = len(x_mean), len(y_mean)
    gram, moment = np.zeros((width, width)), np.zeros((width, outputs))
    # In chunks: all windows at once in float64 would need gigabytes for a long window.
    for start in range(0, count, _CHUNK):
        x, y = _flat(train, train.ends[start : start + _CHUNK])
        x -= x_mean
        gram += x.T @ x
        moment += x.T @ (y - y_mean)
    gram[np.diag_indices(width)] += ridge * count
    try:
        weight = np.linalg.solve(gram, moment)
    except np.linalg.LinAlgError:
        raise InvalidSeries("The inputs determine each other exactly; a ridge above 0 is needed.") from None
    bias = y_mean - x_mean @ weight
    return {"weight": np.ascontiguousarray(weight.T, dtype=np.float32), "bias": bias.astype(np.float32)}


def _flat(windows: WindowSet, ends: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inputs = windows.inputs(ends).astype(np.float64)
    changes = windows.changes(ends).astype(np.float64)
    return inputs.reshape(len(ends), -1), changes.reshape(len(ends), -1)


def _means(windows: WindowSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sums: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    for start in range(0, len(windows.ends), _CHUNK):
        x, y = _flat(windows, windows.ends[start : start + _CHUNK])
        part = x.sum(axis=0), y.sum(axis=0)
        sums = part if sums is None else (sums[0] + part[0], sums[1] + part[1])
    assert sums is not None  # parts without windows are refused when they are cut
    return sums[0] / len(windows.ends), sums[1] / len(windows.ends)


def _fit_recurrent(
    network: NetworkPlan,
    train: WindowSet,
    validation: WindowSet,
    options: FitOptions,
    watch: Callable[[Progress], None],
) -> Weights:
    import torch

    from inference_container.forecasting.backends.torch import build_network

    # One thread: sums in another order are other weights, and the number of cores must not show in a bundle's identity.
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    model = build_network(network)
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    loss_of = torch.nn.MSELoss()
    positions = list(network.target_positions)
    order = np.random.default_rng(options.seed)

    def losses(windows: WindowSet, ends: NDArray[np.int64]) -> torch.Tensor:
        inputs = torch.from_numpy(windows.inputs(ends))
        wanted = torch.from_numpy(windows.changes(ends)) + inputs[:, -1:, positions]
        loss: torch.Tensor = loss_of(model(inputs), wanted)
        return loss

    best_loss, best_weights, since_best = float("inf"), copy.deepcopy(model.state_dict()), 0
    for epoch in range(1, options.epochs + 1):
        model.train()
        train_loss = 0.0
        shuffled = order.permutation(train.ends)
        for start in range(0, len(shuffled), options.batch_size):
            chosen = shuffled[start : start + options.batch_size]
            optimiser.zero_grad()
            loss = losses(train, chosen)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            train_loss += loss.item() * len(chosen)
        model.eval()
        held_out = 0.0
        with torch.inference_mode():
            for start in range(0, len(validation.ends), _CHUNK):
                chosen = validation.ends[start : start + _CHUNK]
                held_out += losses(validation, chosen).item() * len(chosen)
        validation_loss = held_out / len(validation.ends)
        better = validation_loss < best_loss
        watch(Progress(epoch, train_loss / len(train.ends), validation_loss, better))
        if better:
            best_loss, best_weights, since_best = validation_loss, copy.deepcopy(model.state_dict()), 0
        else:
            since_best += 1
        if since_best >= options.patience:
            break
    return {name: tensor.numpy().copy() for name, tensor in best_weights.items()}
