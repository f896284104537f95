from contextlib import aclosing

import pytest

from service_chat.engines.protocol import ChatMessage, Completion, EngineState, EngineStatus, ModelInfo, SamplingParams
from service_chat.errors import ModelNotFound
from service_chat.services.chat_completions import ChatCompletions
from service_chat.services.chat_lane import Chat, ChatStep
from service_chat.services.readiness import GIVE_UP_AFTER
from serving.deadline import Deadline
from serving.errors import Draining, InvalidInput, NotReady
from serving.lifecycle import Progress, State
from tests.fakes.engine import FakeEngine
from tests.unit.service_chat.openai_house import CLOCK, house
from tests.unit.until import until

pytestmark = pytest.mark.anyio

CHAT = Chat((ChatMessage("user", "Hello"),), SamplingParams(max_tokens=8))


async def steps_of(completions: ChatCompletions, chat: Chat = CHAT, name: str = "default") -> list[ChatStep]:
    async with aclosing(completions.steps(completions.model(name), chat, Deadline.after(5, CLOCK))) as steps:
        return [step async for step in steps]


async def test_a_chat_goes_to_the_engine_as_it_is() -> None:
    async with house() as h:
        last = (await steps_of(h.completions))[-1]
        assert isinstance(last, Completion)
        assert last.text == "Rest well."
        assert h.engine.asked == [CHAT.messages]


@pytest.mark.parametrize("name", ["fake.gguf", "gguf", "default"])
async def test_a_model_has_its_own_name_that_of_its_mode_and_default(name: str) -> None:
    async with house({"gguf": FakeEngine(), "mock": FakeEngine()}) as h:
        assert h.completions.model(name).mode == "gguf"


@pytest.mark.parametrize("name", ["gpt-4o", "", "remote", "DEFAULT"])
async def test_any_other_name_is_no_model(name: str) -> None:
    async with house() as h:
        with pytest.raises(ModelNotFound, match=r"fake\.gguf") as refused:
            h.completions.model(name)
        assert refused.value.details["param"] == "model"


async def test_the_configured_model_stands_first_and_alone_is_the_default() -> None:
    other = FakeEngine()
    other.now = EngineStatus(EngineState.READY, model=ModelInfo("another"))
    async with house({"remote": other, "gguf": FakeEngine()}) as h:
        assert [(model.name, model.aliases) for model in h.completions.models()] == [
            ("another", ("default", "remote")),
            ("fake.gguf", ("gguf",)),
        ]


async def test_a_model_that_has_not_loaded_goes_by_its_mode() -> None:
    engine = FakeEngine()
    engine.now = EngineStatus(EngineState.LOADING)
    async with house({"gguf": engine}) as h:
        assert h.completions.model("gguf").name == "gguf"
        assert h.completions.model("gguf").aliases == ("default",)


async def test_nothing_is_on_offer_when_the_model_is_switched_off() -> None:
    async with house({}) as h:
        assert h.completions.models() == ()
        with pytest.raises(ModelNotFound, match="none"):
            h.completions.model("default")


async def test_a_loading_model_says_when_to_come_back() -> None:
    engine = FakeEngine()
    engine.now = EngineStatus(EngineState.LOADING, progress=Progress("loading", eta_s=12.4))
    async with house({"gguf": engine}) as h:
        with pytest.raises(NotReady) as refused:
            await steps_of(h.completions)
        assert refused.value.details["retry_after_s"] == 12


@pytest.mark.parametrize(
    "status",
    [
        EngineStatus(EngineState.FAILED, reason="/secret/model.gguf is no GGUF"),
        EngineStatus(EngineState.RESTARTING, reason="/secret", failures=GIVE_UP_AFTER),
    ],
)
async def test_a_model_that_will_not_come_back_is_not_waited_for(status: EngineStatus) -> None:
    engine = FakeEngine()
    engine.now = status
    async with house({"gguf": engine}) as h:
        with pytest.raises(NotReady) as refused:
            await steps_of(h.completions)
        assert "secret" not in refused.value.message


async def test_a_process_that_goes_down_takes_no_chat() -> None:
    async with house() as h:
        h.life.to(State.DRAINING)
        with pytest.raises(Draining):
            await steps_of(h.completions)


async def test_an_answer_longer_than_the_context_is_refused_before_it_waits() -> None:
    engine = FakeEngine()
    engine.now = EngineStatus(EngineState.READY, model=ModelInfo("small", n_ctx=256))
    async with house({"gguf": engine}) as h:
        with pytest.raises(InvalidInput) as refused:
            await steps_of(h.completions, Chat(CHAT.messages, SamplingParams(max_tokens=256)))
        assert refused.value.details == {"param": "max_tokens", "n_ctx": 256}
        assert h.lanes["gguf"].statistics().admitted == 0
        assert len(await steps_of(h.completions, Chat(CHAT.messages, SamplingParams(max_tokens=255)))) > 1


FORM = SamplingParams(max_tokens=8, json_schema="{}")
GRAMMAR = SamplingParams(max_tokens=8, grammar='root ::= "a"')
ENDLESS = SamplingParams(max_tokens=8, ignore_eos=True)


@pytest.mark.parametrize(
    ("mode", "wish"), [("mock", FORM), ("mock", GRAMMAR), ("mock", ENDLESS), ("remote", GRAMMAR), ("remote", ENDLESS)]
)
async def test_a_form_is_never_dropped_in_silence(mode: str, wish: SamplingParams) -> None:
    async with house({mode: FakeEngine(), "gguf": FakeEngine()}) as h:
        with pytest.raises(InvalidInput, match=mode):
            await steps_of(h.completions, Chat(CHAT.messages, wish), mode)
        assert h.lanes[mode].statistics().admitted == 0
        assert len(await steps_of(h.completions, Chat(CHAT.messages, wish), "gguf")) > 1


async def test_a_remote_server_is_asked_for_a_schema() -> None:
    async with house({"remote": FakeEngine()}) as h:
        assert len(await steps_of(h.completions, Chat(CHAT.messages, FORM), "remote")) > 1


async def test_without_a_word_from_the_caller_there_is_no_penalty_and_no_fixed_seed() -> None:
    async with house() as h:
        defaults = h.completions.defaults
        assert (defaults.presence_penalty, defaults.seed) == (0.0, None)
        assert (defaults.max_tokens, defaults.temperature) == (40, 0.2)


async def test_closing_early_stops_the_engine() -> None:
    engine = FakeEngine()
    engine.gate.clear()
    async with house({"gguf": engine}) as h:
        async with aclosing(h.completions.steps(h.completions.model("gguf"), CHAT, Deadline.after(5, CLOCK))) as steps:
            await anext(steps)
            await anext(steps)  # the first sign of the engine
        await until(lambda: engine.stopped_early == 1)
        assert h.lanes["gguf"].statistics().abandoned == 1
        engine.gate.set()
        assert len(await steps_of(h.completions)) > 1
