"""The worker process: loads and verifies a bundle, warms it up, then answers one batch after another.

`process_pool` spawns it and speaks these messages with it. The bundle and torch are imported only inside `work`, so the
parent can import the messages in milliseconds. A bundle that is refused is reported and never tried again: starting the
same files anew would fail the same way for ever.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from inference_container.forecasting.messages import ForecastQuery, ForecastReply
from serving.child import Channel
from serving.errors import SluiceError
from serving.heap import settle_heap

#: Where cores are short, the event loop is served before the model: a probe costs microseconds, a batch milliseconds.
_NICE = 5


@dataclass(frozen=True, slots=True)
class WorkerArgs:
    bundle: str  #: folder of the bundle
    identifier: str
    batch_size: int


@dataclass(frozen=True, slots=True)
class Loading:
    phase: str


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """What the worker holds; the bundle passed its golden check."""

    bundle_id: str
    name: str
    backend: str
    input_len: int
    horizon: int
    targets: tuple[str, ...]
    load_ms: float
    golden_max_rel_err: float


@dataclass(frozen=True, slots=True)
class WorkerRefused:
    """The bundle can not be served."""

    error: SluiceError


@dataclass(frozen=True, slots=True)
class Batch:
    number: int
    queries: tuple[ForecastQuery, ...]


@dataclass(frozen=True, slots=True)
class BatchDone:
    number: int
    replies: Sequence[ForecastReply]


def work(channel: Channel, args: WorkerArgs) -> None:
    """The child's entry. Returns never: the process ends with its parent."""
    begun = time.perf_counter()
    os.nice(_NICE)
    channel.send(Loading("importing"))
    from inference_container.bundles.loader import load_bundle, open_inferencer

    channel.send(Loading("verifying"))
    try:
        bundle = load_bundle(args.bundle)
        inferencer, golden_max_rel_err = open_inferencer(bundle, args.identifier)
    except SluiceError as error:
        channel.send(WorkerRefused(error))
        while True:
            channel.receive()  # nothing can be forecast; wait for the parent to end us
    channel.send(Loading("warming"))
    for size in (1, args.batch_size):
        inferencer.warm_up(size)
    settle_heap()
    plan = inferencer.plan
    channel.send(
        WorkerReady(
            bundle_id=plan.bundle_id,
            name=bundle.manifest.name,
            backend=inferencer.backend.name,
            input_len=plan.input.input_len,
            horizon=plan.output.horizon,
            targets=plan.output.targets,
            load_ms=round((time.perf_counter() - begun) * 1000, 1),
            golden_max_rel_err=golden_max_rel_err,
        )
    )
    while True:
        message = channel.receive()
        if isinstance(message, Batch):
            channel.send(BatchDone(message.number, inferencer.answer(message.queries).replies))
