"""The worker process: opens a bundle, then answers one batch after another.

`process_pool` spawns it and speaks these messages with it. What opens the bundle is imported only inside `work`, so the
parent can import the messages in milliseconds and never holds numpy. The parent in turn has read the bundle's papers,
so this process never holds a validation library. A bundle that is refused is reported and never tried again: starting
the same files anew would fail the same way for ever.
"""

import os
from dataclasses import dataclass
from typing import NamedTuple

from inference_container.bundles.sealed import SealedBundle
from inference_container.forecasting.messages import Answered, ForecastQuery, ServedModel
from serving.child_main import Channel
from serving.errors import SluiceError
from serving.heap import settle_heap

#: Where cores are short, the event loop is served before the model: a probe costs microseconds, a batch milliseconds.
#: At 2 the model kept a few percent more of an overloaded core, and probes and refusals waited twice as long.
_NICE = 5


@dataclass(frozen=True, slots=True)
class WorkerArgs:
    bundle: SealedBundle
    bundle_name: str  #: what a person calls it
    identifier: str
    batch_size: int
    #: What the log calls the workers of this pool, before their number.
    name: str = "worker"


@dataclass(frozen=True, slots=True)
class Loading:
    phase: str


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The bundle passed its golden check."""

    model: ServedModel
    load_ms: float
    golden_max_rel_err: float
    fallback: str | None


@dataclass(frozen=True, slots=True)
class WorkerRefused:
    """The bundle can not be served."""

    error: SluiceError


class Batch(NamedTuple):
    """Queries as plain tuples: a class of our own for each of them would take pickle longer than all the rest."""

    number: int
    queries: list[tuple[object, ...]]


class BatchDone(NamedTuple):
    number: int
    answered: Answered


def work(channel: Channel, args: WorkerArgs) -> None:
    """The child's entry. Returns never: the process ends with its parent."""
    os.nice(_NICE)
    channel.send(Loading("importing"))
    from inference_container.forecasting.opening import open_model

    try:
        opened = open_model(args.bundle, args.identifier, args.batch_size, lambda phase: channel.send(Loading(phase)))
    except SluiceError as error:
        channel.send(WorkerRefused(error))
        while True:
            channel.receive()  # nothing can be forecast; wait for the parent to end us
    settle_heap()
    channel.send(WorkerReady(opened.model, opened.load_ms, opened.golden_max_rel_err, opened.fallback))
    opened.inferencer.beat_with(channel.beat)
    answer, query = opened.inferencer.answer, ForecastQuery._make
    while True:
        message = channel.receive()
        if isinstance(message, Batch):
            channel.send(BatchDone(message.number, answer([query(fields) for fields in message.queries])))
