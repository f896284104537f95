"""The engine that serves, in its own process and over its own pipe, without the HTTP door before it.

Called by the parts that measure decoding: what they compare is a few hundredths apart, and a client and a server on the
same two cores would take as much.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.chats.figures import NAN
from bench.chats.stage import N_CTX, Stage
from bench.contest import ContestFailed
from service_chat.engines.gguf.messages import Drafting, EngineConfig
from service_chat.engines.gguf.process import GgufEngine
from service_chat.engines.protocol import ChatMessage, Completion, Delta, EngineState, SamplingParams
from service_chat.models.manifest import LocalFile, ModelFile
from serving.clock import SystemClock
from serving.deadline import Deadline

_CLOCK = SystemClock()
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Written:
    """One answer of the engine."""

    stamps: tuple[tuple[float, int], ...]  #: on the clock of `time.perf_counter`, when there were how many tokens
    done: Completion


def configured(stage: Stage, model: Path, slots: int, draft: Drafting) -> EngineConfig:
    return EngineConfig(
        ModelFile(LocalFile(model)),
        stage.scratch,
        n_ctx=N_CTX,
        n_threads=stage.threads,
        slots=slots,
        kv_cells=N_CTX,
        draft=draft,
    )


@asynccontextmanager
async def running_engine(config: EngineConfig) -> AsyncGenerator[GgufEngine, None]:
    """Ready.

    Raises:
        ContestFailed: It can not load the model.
    """
    engine = GgufEngine(config, _CLOCK)
    await engine.start()
    try:
        while not engine.status().ready:
            if engine.status().state is EngineState.FAILED:
                raise ContestFailed(f"The engine did not start: {engine.status().reason}")
            await asyncio.sleep(0.1)
        yield engine
    finally:
        await engine.aclose()


async def write(engine: GgufEngine, messages: tuple[ChatMessage, ...], tokens: int) -> Written:
    """The likeliest tokens, so many.

    Raises:
        ContestFailed: It ended with fewer.
    """
    params = SamplingParams(max_tokens=tokens, temperature=0.0, presence_penalty=0.0, ignore_eos=True)
    stamps: list[tuple[float, int]] = []
    async with aclosing(engine.stream(messages, params, Deadline.after(_PATIENCE_S, _CLOCK))) as events:
        async for event in events:
            if isinstance(event, Delta):
                stamps.append((time.perf_counter(), event.tokens))
            elif isinstance(event, Completion) and event.completion_tokens == tokens:
                return Written(tuple(stamps), event)
            elif isinstance(event, Completion):
                raise ContestFailed(f"The engine ended after {event.completion_tokens} tokens: {event.finish_reason}")
    raise ContestFailed("The engine ended without an answer.")


def joint_rate(written: Sequence[Written]) -> float:
    """Tokens a second while all of them were being written; NaN when there was no such time."""
    began = max(each.stamps[0][0] for each in written)
    ended = min(each.stamps[-1][0] for each in written)
    # The tokens of a piece were written after the piece before it.
    tokens = sum(
        after - before for each in written for (_, before), (at, after) in pairwise(each.stamps) if began < at <= ended
    )
    return tokens / (ended - began) if ended > began else NAN
