"""The engine with a real small instruct model: its chat template, text that reads as English, an end, a seed."""

import os
import re
from pathlib import Path

import pytest

from service_chat.engines.gguf.messages import EngineConfig
from service_chat.engines.gguf.process import GgufEngine
from service_chat.engines.protocol import ChatMessage, FinishReason, SamplingParams
from service_chat.models.manifest import SMALL_MODEL
from serving.clock import SystemClock
from serving.deadline import Deadline
from tests.integration.service_chat.test_engine_process import Watched

pytestmark = [pytest.mark.anyio, pytest.mark.real_model, pytest.mark.timeout(300)]

CLOCK = SystemClock()
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice" / "models"
COMMON = {"the", "a", "to", "of", "and", "is", "in", "you", "that", "it", "for", "with", "or", "can", "your", "are"}


async def test_a_real_model_answers_in_english_ends_and_keeps_to_its_seed() -> None:
    engine = GgufEngine(EngineConfig(SMALL_MODEL, CACHE, n_ctx=2048), CLOCK)
    watched = Watched(engine)
    await engine.start()
    try:
        status = await watched.until_ready(seconds=240)
        assert status.model is not None
        assert status.model.sha256 == SMALL_MODEL.sha256

        def soon() -> Deadline:
            return Deadline.after(120, CLOCK)

        asked = (ChatMessage("user", "What is the capital of France? Answer in one short sentence."),)
        short = await engine.generate(asked, SamplingParams(temperature=0.0, presence_penalty=0.0), soon())
        assert "Paris" in short.text
        assert short.finish_reason is FinishReason.STOP
        assert "<|im" not in short.text

        told = (ChatMessage("system", "You are a nurse."), ChatMessage("user", "How can I sleep better? Give advice."))
        params = SamplingParams(max_tokens=60, seed=11)
        first = await engine.generate(told, params, soon())
        again = await engine.generate(told, params, soon())
        other = await engine.generate(told, SamplingParams(max_tokens=60, seed=12), soon())
        assert first.text == again.text != other.text
        words = re.findall(r"[a-z']+", first.text.lower())
        assert len(words) >= 25
        assert sum(word in COMMON for word in words) / len(words) > 0.2
    finally:
        await engine.aclose()
