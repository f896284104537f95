"""Answers of a given form: whatever a model would rather write, it is of that form, and forced text is not drawn."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.engines.gguf.model import LlamaModel
from service_chat.engines.gguf.sampling import Sampler
from service_chat.engines.protocol import ChatMessage, Completion, FinishReason, SamplingParams
from serving.errors import InvalidInput, WorkFailed
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


#: Each of these once ended llama.cpp's process, or kept it busy for a minute and more.
POISON = {
    "token terminals": 'root ::= "a" !<[3]> "b"',
    "nesting": "root ::= " + "(" * 20_000 + "[a]" + ")" * 20_000,
    "more than most": "root ::= [a]{2,1}",
    "many that may be nothing": "root ::= " + '"a"? ' * 3000,
    "repeated repetitions": 'root ::= ("a"{0,1000}){0,1000}',
}


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(json_schema="{"),
        SamplingParams(json_schema='{"$ref": "#/nowhere"}'),
        SamplingParams(json_schema='{"type": "array", "items": {"type": "boolean"}, "minItems": 200000000}'),
        SamplingParams(json_schema='{"type": "string", "pattern": "^(a{0,1000}){0,1000}$"}'),
        SamplingParams(json_schema='{"allOf": ' * 500 + "{}" + "}" * 500),
        SamplingParams(json_schema='{"type": "string", "pattern": "^\\ud800$"}'),
        SamplingParams(json_schema='{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}}'),
        SamplingParams(grammar="root ::= ("),
        SamplingParams(grammar='other ::= "a"'),
        SamplingParams(grammar='root ::= root "a"'),
        SamplingParams(grammar='root ::= "\ud800"'),
        SamplingParams(grammar='root ::= "' + "a" * 70_000 + '"'),
        *(SamplingParams(grammar=grammar) for grammar in POISON.values()),
    ],
    ids=lambda params: (params.grammar or params.json_schema or "")[:24],
)
def test_a_form_that_can_not_be_kept_to_is_the_callers_mistake(talker: LlamaModel, params: SamplingParams) -> None:
    with opened(talker) as engine:
        begun = time.monotonic()
        with pytest.raises((InvalidInput, WorkFailed)):
            answer(engine, params)
        assert time.monotonic() - begun < 5.0
        assert answer(engine, GREEDY).text
        engine.forget_kept()
        assert engine.load().kv_tokens == 0


def test_a_text_that_could_stand_at_too_many_places_of_its_grammar_ends_before_the_engine_does(
    talker: LlamaModel,
) -> None:
    ambiguous = "root ::= x\nx ::= [a-z ] | [a-z ] x | [a-z ] x x | [a-z ] x x x"
    with opened(talker) as engine:
        engine.submit(1, ASKED, replace(GREEDY, grammar=ambiguous, max_tokens=60))
        engine.submit(2, ASKED, GREEDY)
        told = dict(run_out(engine))
    assert isinstance(told[1], InvalidInput)
    assert isinstance(told[2], Completion)


def test_what_a_caller_writes_in_a_grammar_never_comes_to_standard_error(
    talker: LlamaModel, capfd: pytest.CaptureFixture[str]
) -> None:
    with opened(talker) as engine:
        for grammar in ('root ::= "secret-4711" ((( x', 'root ::= "secret-4711" missing-rule-4711', "root ::= other"):
            with pytest.raises(InvalidInput):
                answer(engine, replace(GREEDY, grammar=grammar))
    assert "4711" not in capfd.readouterr().err


def test_a_form_ends_where_its_grammar_says_and_not_at_a_bracket(talker: LlamaModel) -> None:
    with opened(talker) as engine:
        said = answer(engine, replace(GREEDY, grammar='root ::= obj obj obj\nobj ::= "{" [a-c] "}"'))
        assert said.text.count("}") == 3
        assert said.finish_reason is FinishReason.STOP


def test_a_form_that_wants_the_same_again_and_again_gets_it(talker: LlamaModel) -> None:
    zeros = {"type": "array", "items": {"const": 0}, "minItems": 60, "maxItems": 60}
    with opened(talker) as engine:
        said = answer(engine, replace(GREEDY, json_schema=json.dumps(zeros), max_tokens=300))
    assert json.loads(said.text) == [0] * 60


def test_a_form_ends_even_where_the_models_own_end_does_not_count(talker: LlamaModel) -> None:
    with opened(talker) as engine:
        said = answer(engine, replace(GREEDY, grammar='root ::= "yes" " "?', ignore_eos=True))
    assert said.text.startswith("yes")
    assert said.finish_reason is FinishReason.STOP


def test_a_property_may_be_called_as_a_keyword_is(talker: LlamaModel) -> None:
    schema = {
        "type": "object",
        "properties": {"minimum": {"enum": ["not"]}, "default": {"const": {"maximum": 3}}},
        "required": ["minimum", "default"],
    }
    with opened(talker) as engine:
        said = answer(engine, replace(GREEDY, json_schema=json.dumps(schema), max_tokens=200))
    assert json.loads(said.text) == {"minimum": "not", "default": {"maximum": 3}}
