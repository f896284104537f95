"""A JSON schema as a grammar: what can be written is what the schema says, at any length, and none is too deep."""

import json
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.engines.gguf.forced import Forced
from service_chat.engines.gguf.schema import grammar_of
from service_chat.services.answer_form import Lengths, answer_form
from serving.errors import InvalidInput
from tests.unit.service_chat.services.test_answer_form import written

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "50"))


def takes(grammar: str, text: str) -> bool:
    forced = Forced(grammar)
    return forced.advance(text) and forced.complete


def form(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@settings(max_examples=EXAMPLES)
@given(
    least=st.integers(0, 4),
    room=st.integers(0, 400),
    extra=st.integers(1, 3),
    character=st.sampled_from(["a", "é", "("]),
)
def test_a_text_may_be_as_long_as_its_schema_says_and_no_longer(
    least: int, room: int, extra: int, character: str
) -> None:
    grammar = grammar_of(json.dumps({"type": "string", "minLength": least, "maxLength": least + room}))
    for size in (least, least + room // 2, least + room):
        assert takes(grammar, form(character * size))
    assert not takes(grammar, form(character * (least + room + extra)))
    assert least == 0 or not takes(grammar, form(character * (least - 1)))


@settings(max_examples=EXAMPLES)
@given(least=st.integers(0, 3), room=st.integers(0, 150))
def test_a_list_may_be_as_long_as_its_schema_says_and_no_longer(least: int, room: int) -> None:
    grammar = grammar_of(
        json.dumps({"type": "array", "items": {"const": 7}, "minItems": least, "maxItems": least + room})
    )
    for size in {least, least + room // 2, least + room}:
        assert takes(grammar, form([7] * size))
    assert not takes(grammar, form([7] * (least + room + 1)))


def test_a_pattern_repeats_its_group_as_often_as_it_says() -> None:
    grammar = grammar_of(json.dumps({"type": "string", "pattern": "^(ab|c){2,160}$"}))
    assert takes(grammar, form("ab" * 160))
    assert takes(grammar, form("cab"))
    assert not takes(grammar, form("c"))
    assert not takes(grammar, form("c" * 161))


def test_nothing_of_the_converters_own_is_taken_for_a_repetition() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"enum": ["(x (x)?)?", "]"]}, "b": {"type": "number"}, "c": {"type": "boolean"}},
    }
    grammar = grammar_of(json.dumps(schema))
    for value in ({}, {"a": "(x (x)?)?"}, {"a": "]", "b": -1.25, "c": True}, {"b": 3}, {"a": "]", "c": False}):
        assert takes(grammar, form(value))
    for value in ({"c": True, "b": 3}, {"a": "(x )?"}, {"d": 1}):
        assert not takes(grammar, form(value))


@settings(max_examples=EXAMPLES)
@given(st.lists(st.sampled_from([f"{kind}{n}" for kind in "CML" for n in range(1, 13)]), unique=True, min_size=1))
def test_our_own_form_takes_the_same_answers_as_a_schema_and_as_a_grammar(shown: list[str]) -> None:
    own = answer_form(shown, lengths=Lengths(110, 2, 2, 12))
    grammars = (own.grammar, grammar_of(own.json_schema))
    whole = written(shown[:4], "x" * 110, "routine", ["y" * 12] * 2, ["z" * 12] * 2)
    for text, right in (
        (whole, True),
        (written(shown[:1]), True),
        (written(["X1"]), False),
        (written(shown[:1], "x" * 111), False),
        (written(acuity="mild"), False),
        (written(asked=["z"] * 3), False),
    ):
        assert [takes(grammar, text) for grammar in grammars] == [right, right], text


def test_the_longest_form_of_our_own_is_a_small_grammar() -> None:
    own = answer_form([f"C{n}" for n in range(1, 41)])
    grammar = grammar_of(own.json_schema)
    assert len(grammar) < 3_000
    assert max(len(nest) for nest in re.findall(r"\(+|(?:\)\?)+", grammar)) < 10
    assert takes(grammar, written(["C40"], "é" * 300, "self_care", ["y" * 300] * 4, ["я" * 300] * 4))


def test_lengths_that_are_too_large_together_are_refused() -> None:
    texts = {f"text{n}": {"type": "string", "maxLength": 1900} for n in range(7)}
    with pytest.raises(InvalidInput, match="together"):
        grammar_of(json.dumps({"type": "object", "properties": texts}))
