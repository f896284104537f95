"""What a grammar forces: never something the text does not go on with, and everything that is certain."""

import json
import re
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_cpp.llama_grammar import json_schema_to_gbnf

from service_chat.engines.gguf.forced import Forced
from service_chat.engines.gguf.gbnf import read

Schema: TypeAlias = dict[str, object]

TRIAGE: Schema = {
    "type": "object",
    "properties": {
        "urgency": {"enum": ["emergency", "emergent", "urgent", "routine"]},
        "advice": {"type": "string"},
        "red_flags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["urgency", "advice", "red_flags"],
}


def after(grammar: str, text: str) -> Forced:
    forced = Forced(grammar)
    assert forced.advance(text)
    return forced


def of(schema: Schema) -> str:
    grammar = json_schema_to_gbnf(json.dumps(schema))
    assert isinstance(grammar, str)
    return grammar


def common(texts: list[str]) -> str:
    shortest = min(texts, key=len)
    return next(
        (
            shortest[:end]
            for end in range(len(shortest), 0, -1)
            if all(text.startswith(shortest[:end]) for text in texts)
        ),
        "",
    )


# --- what is forced ---------------------------------------------------------------------------------------------------


def test_a_literal_is_forced_to_its_end_which_is_then_complete() -> None:
    forced = Forced('root ::= "Rest." "\\n"')
    assert forced.next() == "Rest.\n"
    assert not forced.complete
    assert forced.advance("Rest.\n")
    assert forced.complete
    assert forced.next() == ""


def test_asking_changes_nothing_and_the_limit_holds() -> None:
    forced = Forced('root ::= "abcdef"')
    assert (forced.next(2), forced.next(3), forced.next()) == ("ab", "abc", "abcdef")


def test_what_alternates_have_in_common_is_forced_up_to_where_they_part() -> None:
    forced = Forced('root ::= "emergency" | "emergent"')
    assert forced.next() == "emergen"
    assert forced.advance("emergenc")
    assert forced.next() == "y"


def test_nothing_is_forced_where_the_text_may_end() -> None:
    assert after('root ::= "high" "er"?', "high").next() == ""
    assert not after('root ::= "high" "er"?', "high").complete
    assert after('root ::= "high" "er"?', "highe").next() == "r"


def test_text_that_does_not_fit_ends_it_for_good() -> None:
    forced = Forced('root ::= "yes" | "no"')
    assert not forced.advance("maybe")
    assert not forced.advance("yes")
    assert forced.next() == ""
    assert not forced.complete


def test_a_class_of_one_character_is_as_good_as_its_text() -> None:
    assert (
        Forced(r'root ::= [a] [b-b] [\x63] [d] "\u0065" "\\" [\]] [^\x00-eg-\U0010FFFF] end' + '\nend ::= "."').next()
        == "abcde\\]f."
    )


def test_any_character_is_no_certain_one() -> None:
    assert after('root ::= . "b"', "✓").next() == "b"
    assert Forced('root ::= . "b"').next() == ""


def test_comments_and_line_breaks_mean_nothing() -> None:
    assert (
        Forced('# what is "said"\nroot ::= ( # first\n  "a" # then\n  b\n)\n\nb ::=\n  "b#" |\n  "b#"').next() == "ab#"
    )


def test_a_triage_answer_is_forced_but_for_what_the_model_decides() -> None:
    grammar = of(TRIAGE)
    assert Forced(grammar).next() == "{"
    assert after(grammar, '{"').next() == 'urgency"'
    assert after(grammar, '{"urgency":"r').next() == 'outine",'
    assert after(grammar, '{"urgency":"emergent",').next() == ""  # a space may come, or none
    done = after(grammar, '{"urgency":"urgent","advice":"Rest.","red_flags":[]')
    assert done.advance("}")
    assert done.next() == ""


def test_without_optional_spaces_the_whole_skeleton_is_forced() -> None:
    grammar = re.sub(r"(?m)^space ::= .*$", 'space ::= ""', of(TRIAGE))
    assert Forced(grammar).next() == '{"urgency":"'
    assert after(grammar, '{"urgency":"r').next() == 'outine","advice":"'
    assert after(grammar, '{"urgency":"urgent","advice":"Rest."').next() == ',"red_flags":['
    assert after(grammar, '{"urgency":"urgent","advice":"Rest.","red_flags":["a"]').next() == "}"
    assert after(grammar, '{"urgency":"urgent","advice":"Rest.","red_flags":["a"]}').complete


@given(words=st.lists(st.text("ab", min_size=1, max_size=6), min_size=1, max_size=6), data=st.data())
def test_exactly_what_all_continuations_have_in_common_is_forced(words: list[str], data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(words))
    said = word[: data.draw(st.integers(0, len(word)))]
    rests = [other[len(said) :] for other in words if other.startswith(said)]
    forced = after("root ::= " + " | ".join(f'"{other}"' for other in words), said)
    assert forced.next() == common(rests)
    assert forced.complete == (set(rests) == {""})


# --- what can not be followed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "grammar",
    [
        "",
        "root",
        'start ::= "a"',
        'root ::= "a" other',
        'root ::= ("a"',
        'root ::= "a")',
        'root ::= "a',
        "root ::= [a",
        'root ::= "a" | *',
        'root ::= "a"{3,2}',
        'root ::= "a"{9999999999}',
        'root ::= "abcdefghijklmnopqrstuvwxyz"{2000}',
        'root ::= "abcdefghijklmnopqrstuvwxyz"{0,2000}',
        'root ::= "\\q"',
        'root ::= "\\uD800"',
        'root ::= "a"\nroot ::= "b"',
        "root ::= <think>",
        'root ::= "a" @',
        'root ::= root "a" | "b"',
    ],
)
def test_a_grammar_it_can_not_read_forces_nothing(grammar: str) -> None:
    forced = Forced(grammar)
    assert (forced.next(), forced.complete, forced.advance("a")) == ("", False, False)


def test_an_ambiguous_grammar_is_given_up() -> None:
    grammar = 'root ::= item "."\nitem ::= "a" | "a" item item | "a" item "b" item'
    forced = Forced(grammar)
    assert not forced.advance("a" * 200)
    assert forced.next() == ""


def test_a_deep_text_is_followed_in_constant_time_per_character() -> None:
    forced = after('root ::= "(" root ")" | "x"', "(" * 50_000 + "x")
    assert forced.next(10) == ")" * 10
    assert forced.advance(")" * 50_000)
    assert forced.complete


def test_a_grammar_is_read_once() -> None:
    assert read('root ::= "once"') is read('root ::= "once"')


# --- against regular expressions --------------------------------------------------------------------------------------

#: Pairs of GBNF and the regular expression that says the same.
ATOMS = st.sampled_from(
    [
        ('"a"', "(?:a)"),
        ('"ab"', "(?:ab)"),
        ("[ab]", "[ab]"),
        ("[^ax]", "[^ax]"),
        ("[b-d]", "[b-d]"),
        ('""', "(?:)"),
    ]
)
TIMES = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}"])


def larger(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    return (
        st.tuples(inner, inner).map(lambda two: (f"{two[0][0]} {two[1][0]}", two[0][1] + two[1][1]))
        | st.tuples(inner, inner).map(lambda two: (f"({two[0][0]} | {two[1][0]})", f"(?:{two[0][1]}|{two[1][1]})"))
        | st.tuples(inner, TIMES).map(lambda one: (f"({one[0][0]}){one[1]}", f"(?:{one[0][1]}){one[1]}"))
    )


@given(st.recursive(ATOMS, larger, max_leaves=5), st.text("abcd", max_size=6))
def test_a_text_fits_exactly_when_the_regular_expression_says_so(pair: tuple[str, str], text: str) -> None:
    grammar, expression = pair
    forced = Forced(f'root ::= ({grammar}) "x"')
    assert (forced.advance(text + "x") and forced.complete) == (re.fullmatch(expression, text) is not None)


# --- against JSON -----------------------------------------------------------------------------------------------------

SMALL = st.text(st.characters(codec="utf-8"), max_size=6)
WHOLE = st.integers(-(10**14), 10**14)


def fitting(schema: Schema) -> st.SearchStrategy[object]:
    """Values of that form, their keys in the order of the schema, as the grammar wants it."""
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))  # type: ignore[call-overload]  # a schema is data to mypy
    if schema["type"] == "array":
        return st.lists(fitting(schema["items"]), max_size=3)  # type: ignore[arg-type]
    if schema["type"] == "object":
        parts: dict[str, Schema] = schema["properties"]  # type: ignore[assignment]
        required: list[str] = schema["required"]  # type: ignore[assignment]
        must = {name: fitting(parts[name]) for name in required}
        may = {name: fitting(part) for name, part in parts.items() if name not in required}
        ordered = [*must, *may]
        return st.fixed_dictionaries(must, optional=may).map(
            lambda value: {name: value[name] for name in ordered if name in value}
        )
    return {"string": SMALL, "integer": WHOLE, "boolean": st.booleans(), "null": st.none()}[str(schema["type"])]


SCHEMAS: list[Schema] = [
    TRIAGE,
    {"enum": ["low", "high", "higher", 3, None, True]},
    {"type": "array", "items": {"type": "integer"}},
    {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "smoker": {"type": "boolean"},
            "nothing": {"type": "null"},
        },
        "required": ["age"],
    },
    {
        "type": "object",
        "properties": {
            "patient": {
                "type": "object",
                "properties": {"mrn": {"type": "string"}, "mrns": {"type": "array", "items": {"type": "string"}}},
                "required": ["mrn"],
            },
            "levels": {"type": "array", "items": {"enum": ["low", "lower"]}},
        },
        "required": ["patient", "levels"],
    },
]


@given(data=st.data(), spaced=st.booleans(), ascii_only=st.booleans())
@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_is_forced_never_contradicts_a_text_that_fits(
    schema: Schema, data: st.DataObject, spaced: bool, ascii_only: bool
) -> None:
    value = data.draw(fitting(schema))
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(", ", ": ") if spaced else (",", ":"))
    text += "\n"  # the end, so that a number has one
    forced = Forced(re.sub("(?m)^root ::=", "value ::=", of(schema)) + '\nroot ::= value "\\n"')
    for at, character in enumerate(text):
        assert text[at:].startswith(forced.next())
        assert forced.advance(character)
    assert forced.complete
