"""Answers of a given form: whatever a model would rather write, it is of that form, and forced text is not drawn."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.engines.gguf.model import LlamaModel
from service_chat.engines.gguf.sampling import Sampler
from service_chat.engines.protocol import ChatMessage, Completion, FinishReason, SamplingParams
from serving.errors import InvalidInput
from tests.models.tiny_gguf import build_tiny_gguf
from tests.unit.service_chat.engines.gguf.talk import ASKED, GREEDY, SMALL, answer, loaded, opened, run_out

SCHEMA = {
    "type": "object",
    "properties": {
        "urgency": {"enum": ["emergency", "urgent", "routine", "self_care"]},
        "certain": {"type": "boolean"},
        "advice": {"type": "string", "maxLength": 12},
    },
    "required": ["urgency", "certain", "advice"],
    "additionalProperties": False,
}
FORM = replace(GREEDY, json_schema=json.dumps(SCHEMA), max_tokens=200)


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaModel]:
    with loaded(build_tiny_gguf(tmp_path_factory.mktemp("random") / "random.gguf", "random")) as model:
        yield model


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), temperature=st.sampled_from((0.0, 0.7, 2.0)), question=st.text(max_size=20))
def test_whatever_is_drawn_the_answer_fits_its_schema(
    talker: LlamaModel, seed: int, temperature: float, question: str
) -> None:
    params = replace(FORM, seed=seed, temperature=temperature)
    with opened(talker) as engine:
        said = answer(engine, params, (ChatMessage("user", f"{question}?"),))
    assert said.finish_reason is FinishReason.STOP
    value = json.loads(said.text)
    assert value.keys() == {"urgency", "certain", "advice"}
    assert value["urgency"] in ("emergency", "urgent", "routine", "self_care")
    assert isinstance(value["certain"], bool)


def test_a_grammar_of_ones_own_is_kept_to(talker: LlamaModel) -> None:
    params = replace(GREEDY, grammar='root ::= ("yes" | "no") (" " [a-c]+){2} "."')
    with opened(talker) as engine:
        said = answer(engine, params).text
    assert re.fullmatch(r"(yes|no)( [a-c]+){2}\.", said) or len(said) > 20


def test_forced_text_is_not_drawn(talker: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = Sampler.draw

    def counted(sampler: Sampler, row: int) -> int:
        drawn.append(row)
        return draw(sampler, row)

    monkeypatch.setattr(Sampler, "draw", counted)
    with opened(talker) as engine:
        said = answer(engine, FORM)
    assert said.completion_tokens > len(drawn)


def test_forms_and_free_texts_in_one_engine_are_what_they_are_alone(talker: LlamaModel) -> None:
    with opened(talker, replace(SMALL, slots=1)) as engine:
        form, free = answer(engine, FORM).text, answer(engine, GREEDY).text
    with opened(talker, replace(SMALL, slots=4, cells=1500)) as engine:
        for request in range(1, 5):
            engine.submit(request, ASKED, FORM if request % 2 else GREEDY)
        done = {request: outcome for request, outcome in run_out(engine) if isinstance(outcome, Completion)}
    assert [done[request].text for request in range(1, 5)] == [form, free, form, free]


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(json_schema="{"),
        SamplingParams(json_schema='{"$ref": "#/nowhere"}'),
        SamplingParams(grammar="root ::= ("),
        SamplingParams(grammar='other ::= "a"'),
        SamplingParams(grammar='root ::= root "a"'),
        SamplingParams(grammar='root ::= "' + "a" * 70_000 + '"'),
    ],
    ids=["no JSON", "no such reference", "unclosed", "no root", "left recursion", "too long"],
)
def test_a_form_that_can_not_be_kept_to_is_the_callers_mistake(talker: LlamaModel, params: SamplingParams) -> None:
    with opened(talker) as engine:
        with pytest.raises(InvalidInput):
            answer(engine, params)
        assert answer(engine, GREEDY).text
        engine.forget_kept()
        assert engine.load().kv_tokens == 0
