"""From a configuration to an engine that can be asked: fetched, loaded, its cache cut to size, warm, and measured once.

Called by `worker` and by tests. The first decode, the pinned system part and the calibration of guessing are made here,
so that the first caller pays for none of them. Import it only after the environment of `threads` stands.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from service_chat.engines.gguf.context import LlamaContext
from service_chat.engines.gguf.drafting import DraftGovernor
from service_chat.engines.gguf.engine import Engine
from service_chat.engines.gguf.messages import EngineConfig
from service_chat.engines.gguf.model import LlamaModel
from service_chat.engines.gguf.shape import Shape
from service_chat.engines.gguf.threads import ThreadPlan, spin_in_words
from service_chat.engines.protocol import ChatMessage, ModelInfo, SamplingParams
from service_chat.engines.room import LEAST_ROOM
from serving.errors import DependencyFailed, InvalidInput, WorkFailed

#: Cells for each slot where nobody said how many: a system part, a record, a question and an answer.
_CELLS_PER_SLOT = 2048
#: Rounds of each measurement of `_cost_of_row`; the median counts.
_ROUNDS = 5
_ROWS = 4


def open_engine(
    path: Path, config: EngineConfig, threads: ThreadPlan, progress: Callable[[str, int, int | None], None]
) -> Engine:
    """`progress` hears the phase and how far it is, as (phase, done, total).

    Raises:
        DependencyFailed: The file can not be run, there is no memory, or the cells do not suffice.
    """
    model = LlamaModel(path, lambda fraction: progress("loading", round(fraction * 1000), 1000))
    system = _system(model, config)
    pinned = model.prompt(system).shared if system else 0
    shape = _shape(model, config, pinned)
    context = LlamaContext(model, shape.cells, shape.sequences, shape.rows, threads.count)
    progress("warming", 0, None)
    governor = _governor(context, config, lambda: progress("warming", 0, None))
    engine = Engine(model, context, shape, governor)
    if system:
        engine.pin(system)
        progress("warming", 1, None)
    _warm_up(engine)
    return engine


def model_info(path: Path, sha256: str | None, engine: Engine, threads: ThreadPlan) -> ModelInfo:
    return ModelInfo(
        path.name,
        sha256,
        engine.shape.n_ctx,
        threads.count,
        threads.reason,
        LlamaModel.system_info(),
        spin_in_words(os.environ),
    )


def _system(model: LlamaModel, config: EngineConfig) -> tuple[ChatMessage, ...]:
    """The beginning that is pinned; none where the model's template puts nothing before the question."""
    if config.system_text is None:
        return ()
    messages = (ChatMessage("system", config.system_text), ChatMessage("user", "?"))
    with suppress(InvalidInput):
        model.prompt(messages)
        return messages
    return ()


def _shape(model: LlamaModel, config: EngineConfig, pinned: int) -> Shape:
    wanted = min(config.n_ctx, model.n_ctx_train) if config.n_ctx else model.n_ctx_train
    shape = Shape(
        slots=config.slots,
        n_ctx=wanted,
        cells=config.kv_cells or max(wanted, config.slots * min(wanted, _CELLS_PER_SLOT)) + pinned + Shape.SPARE,
        prefixes=config.prefixes,
        chunk=config.prefill_chunk,
        chunk_quiet=config.prefill_chunk_quiet,
    )
    # One request may be as long as the whole cache but for what is pinned; more cells than that are for the others.
    n_ctx = min(wanted, shape.cells - pinned - Shape.SPARE)
    if n_ctx < pinned + 2 * LEAST_ROOM:
        raise DependencyFailed(
            f"{n_ctx} tokens leave no room for a request behind the system part", reason="no_context"
        )
    return Shape(shape.slots, n_ctx, shape.cells, shape.prefixes, shape.chunk, shape.chunk_quiet)


def _governor(context: LlamaContext, config: EngineConfig, beat: Callable[[], None]) -> DraftGovernor | None:
    match config.draft:
        case "off":
            return None
        case "on":
            return DraftGovernor(0.0)
        case "auto":
            return DraftGovernor(_cost_of_row(context, beat))


def _cost_of_row(context: LlamaContext, beat: Callable[[], None]) -> float:
    """What one more row adds to a step of one, as a fraction of it: nearly nothing where memory is the limit, nearly
    all where arithmetic is."""
    one, some = (_median(context, rows, beat) for rows in (1, _ROWS))
    return max(0.0, (some - one) / (_ROWS - 1) / one)


def _median(context: LlamaContext, rows: int, beat: Callable[[], None]) -> float:
    took = []
    for _ in range(_ROUNDS + 1):  # the first one is not counted
        begun = time.perf_counter()
        context.add(0, [0] * rows, 0, wanted=rows)
        context.decode()
        took.append(time.perf_counter() - begun)
        context.forget(0)
        beat()
    return sorted(took[1:])[_ROUNDS // 2]


def _warm_up(engine: Engine) -> None:
    """One whole request through everything. Raises WorkFailed when the model can not answer."""
    engine.submit(0, (ChatMessage("user", "Hello"),), SamplingParams(max_tokens=2, temperature=0.0))
    while not engine.idle:
        for _, outcome in engine.step():
            if isinstance(outcome, WorkFailed):
                raise DependencyFailed("The model can not answer", reason="warm_up") from outcome
