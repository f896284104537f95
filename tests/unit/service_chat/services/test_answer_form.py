import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.engines.gguf.forced import Forced
from service_chat.safety.values import Acuity
from service_chat.services.answer_form import Lengths, ModelAnswer, answer_form, read_answer

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "50"))
IDS = tuple(f"{letter}{n}" for letter in "AMCVLED" for n in range(1, 41))
SHORT = Lengths(20, 2, 2, 20)


def written(
    refs: object = (), rationale: object = "Because.", acuity: object = "urgent", steps: object = (), asked: object = ()
) -> str:
    told = {"record_refs": refs, "rationale": rationale, "acuity": acuity, "next_steps": steps, "questions": asked}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def takes(grammar: str, text: str) -> bool:
    forced = Forced(grammar)
    return forced.advance(text) and forced.complete


@settings(max_examples=EXAMPLES)
@given(st.lists(st.sampled_from(IDS), unique=True, min_size=1), st.data())
def test_any_item_that_is_shown_can_be_cited_and_nothing_else(shown: list[str], data: st.DataObject) -> None:
    grammar = answer_form(shown, lengths=SHORT).grammar
    item = data.draw(st.sampled_from(shown))
    assert takes(grammar, written([item]))
    other = data.draw(st.one_of(st.sampled_from(IDS), st.text(max_size=5)).filter(lambda each: each not in shown))
    assert not takes(grammar, written([other]))


def test_of_the_largest_record_each_item_can_be_cited() -> None:
    grammar = answer_form(IDS, lengths=SHORT).grammar
    assert [item for item in IDS if not takes(grammar, written([item]))] == []


def test_without_a_record_nothing_can_be_cited() -> None:
    grammar = answer_form((), lengths=SHORT).grammar
    assert takes(grammar, written())
    assert not takes(grammar, written(["C1"]))


def test_the_evidence_stands_before_the_label() -> None:
    form = answer_form(["C1"], lengths=SHORT)
    keys = list(json.loads(form.json_schema)["properties"])
    assert keys == ["record_refs", "rationale", "acuity", "next_steps", "questions"]
    assert takes(form.grammar, written(["C1"], steps=["Rest", "Drink"], asked=["Since when?"]))
    assert not takes(
        form.grammar, '{"acuity":"urgent","record_refs":[],"rationale":"x","next_steps":[],"questions":[]}'
    )


@pytest.mark.parametrize("floor", list(Acuity))
def test_no_label_below_the_floor_can_be_written(floor: Acuity) -> None:
    form = answer_form(["C1"], floor, SHORT)
    for acuity in Acuity:
        assert takes(form.grammar, written(acuity=acuity.code)) == (acuity >= floor)
    assert json.loads(form.json_schema)["properties"]["acuity"]["enum"] == [a.code for a in Acuity if a >= floor]


@pytest.mark.parametrize(
    "text",
    [
        written(["C1"] * 5),
        written(rationale="x" * 21),
        written(rationale=""),
        written(rationale=" x"),
        written(steps=["a", "b", "c"]),
        written(asked=["x" * 21]),
        written(rationale="two\nlines").replace("\\n", "\n"),
        written() + " and more",
    ],
)
def test_what_is_too_long_or_no_text_can_not_be_written(text: str) -> None:
    assert not takes(answer_form(["C1"], lengths=SHORT).grammar, text)


def test_a_form_of_full_length_can_be_followed() -> None:
    form = answer_form(IDS)
    long = written(["C1", "C10", "L40", "D7"], "é" * 300, "self_care", ["y" * 300] * 4, ["ж" * 300] * 4)
    assert takes(form.grammar, long)
    assert len(form.grammar) < 8_000


@pytest.mark.parametrize("language", ["en", "fr", "zh", "hi"])
@pytest.mark.parametrize("tokens", [256, 512, 1024])
def test_what_a_form_lets_be_written_ends_within_its_tokens(language: str, tokens: int) -> None:
    per_token = {"en": 3.2, "fr": 2.4, "zh": 0.9, "hi": 0.6}[language]
    lengths = Lengths.within(tokens, language)
    characters = lengths.rationale + (lengths.steps + lengths.questions) * lengths.entry
    assert min(lengths.steps, lengths.questions) >= 2
    assert max(lengths.steps, lengths.questions) <= 4
    assert max(lengths.rationale, lengths.entry) <= 300
    if tokens >= 512:
        assert characters / per_token + 90 <= tokens


def test_an_answer_is_read_back() -> None:
    text = written(["C1", "M2"], "It is  worse.", "emergency", ["Go now."], ["Since when?"])
    assert read_answer(text, IDS) == ModelAnswer(
        ("C1", "M2"), "It is worse.", Acuity.EMERGENCY, ("Go now.",), ("Since when?",)
    )


def test_something_around_it_is_passed_over() -> None:
    assert read_answer(f"Here you are:\n```json\n{written()}\n```", ()) is not None


def test_what_was_not_shown_is_not_cited_and_what_is_said_twice_stands_once() -> None:
    answer = read_answer(written(["C1", "X9", "C1"], steps=["Rest.", "rest.", "", "Drink."]), ["C1"])
    assert answer is not None
    assert answer.record_refs == ("C1",)
    assert answer.next_steps == ("Rest.", "Drink.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I think you should rest.",
        written()[:-5],
        written(acuity="fine"),
        written(acuity=["urgent"]),
        written(rationale=None),
        written(refs="C1"),
        written(steps=[1]),
        "[]",
        '{"a":' * 100_000 + "}",
        "{}",
    ],
)
def test_what_is_not_of_the_form_is_no_answer(text: str) -> None:
    assert read_answer(text, IDS) is None


def test_an_answer_that_was_cut_off_is_none_even_where_it_looks_whole() -> None:
    assert read_answer(written(), IDS, whole=False) is None


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("It is worse. It gets w", "It is worse."),
        ("It is worse. It is so.", "It is worse. It is so."),
        ("It gets worse and wors", "It gets worse and …"),
        ("Itgetsworseandworseand", "Itgetsworseandworseand …"),
        ("它更糟了。它变得更糟糕它更糟了而且它变得更糟", "它更糟了。"),
        ("It gets worse", "It gets worse"),
    ],
)
def test_a_text_that_was_stopped_by_its_length_loses_its_stump(told: str, shown: str) -> None:
    answer = read_answer(written(rationale=told), (), lengths=Lengths(22, 2, 2, 20))
    assert answer is not None
    assert answer.rationale == shown


def test_half_a_character_and_what_can_not_be_printed_are_taken_out() -> None:
    answer = read_answer(written(rationale="x").replace('"x"', '"a\\ud800b\\u0007c\\u202ed"'), ())
    assert answer is not None
    assert answer.rationale == "a?b c d"


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=200))
def test_reading_never_fails(text: str) -> None:
    answer = read_answer(text, IDS)
    assert answer is None or answer.acuity in Acuity
