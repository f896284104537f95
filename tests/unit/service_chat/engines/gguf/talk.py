"""Real llama.cpp with tiny models, driven step by step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service_chat.engines.gguf.context import LlamaContext
from service_chat.engines.gguf.drafting import DraftGovernor
from service_chat.engines.gguf.engine import Engine
from service_chat.engines.gguf.messages import Outcome
from service_chat.engines.gguf.model import LlamaModel
from service_chat.engines.gguf.shape import Shape
from service_chat.engines.protocol import ChatMessage, Completion, SamplingParams
from serving.errors import SluiceError

SYSTEM = ChatMessage("system", "You are a nurse, and kind.")
ASKED = (SYSTEM, ChatMessage("user", "I have a cough and a fever since Monday."))
GREEDY = SamplingParams(temperature=0.0, presence_penalty=0.0, max_tokens=40)
SMALL = Shape(slots=3, n_ctx=512, cells=1100, prefixes=2, chunk=7, chunk_quiet=16)


class AlwaysGuess(DraftGovernor):
    """Guesses whether it pays or not: for tests of what guessing must not change."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def rows(self, active: int) -> int:
        return 4


@contextmanager
def loaded(path: Path) -> Iterator[LlamaModel]:
    model = LlamaModel(path, lambda _: None)
    try:
        yield model
    finally:
        model.close()


@contextmanager
def opened(model: LlamaModel, shape: Shape = SMALL, governor: DraftGovernor | None = None) -> Iterator[Engine]:
    context = LlamaContext(model, shape.cells, shape.sequences, shape.rows, 1, exact=True)
    engine = Engine(model, context, shape, governor)
    try:
        yield engine
    finally:
        engine.close()
        context.close()


def run_out(engine: Engine) -> list[tuple[int, Outcome]]:
    """Steps until nothing is left."""
    told: list[tuple[int, Outcome]] = []
    while not engine.idle:
        told += engine.step()
    return told


def outcomes(engine: Engine, params: SamplingParams, asked: Sequence[ChatMessage] = ASKED) -> list[Outcome]:
    """All that becomes of one request. Raises the error it ends with."""
    engine.submit(1, asked, params)
    told = [outcome for _, outcome in run_out(engine)]
    if isinstance(told[-1], SluiceError):
        raise told[-1]
    return told


def answer(engine: Engine, params: SamplingParams, asked: Sequence[ChatMessage] = ASKED) -> Completion:
    last = outcomes(engine, params, asked)[-1]
    assert isinstance(last, Completion)
    return last
