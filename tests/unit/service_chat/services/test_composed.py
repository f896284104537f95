import os
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.safety.drugs import DrugTable
from service_chat.safety.packaged import Packaged
from service_chat.safety.values import Acuity, Flag, Floor, Notice, RedFlag
from service_chat.services.answer_form import ModelAnswer
from service_chat.services.composed import Composed, House, compose, emergency_notice
from service_chat.services.condition_names import condition_names
from service_chat.services.context import Context, context_of
from service_chat.services.fitting import fit
from service_chat.services.grounding import Vocabulary
from service_chat.services.settled import Opinion
from tests.unit.service_chat.safety.small import packaged
from tests.unit.service_chat.services.fixed_words import FixedWords
from tests.unit.service_chat.services.full_records import RECORD

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "50"))
CONTEXT = context_of(RECORD)
HOUSE = House(FixedWords(), Vocabulary(DrugTable.read(Packaged(), []), condition_names()), "GB")
MILD = Floor(Acuity.SELF_CARE, (), (), "en")
ANSWER = ModelAnswer(("M1",), "You take warfarin.", Acuity.SELF_CARE, ("Keep it clean.",), ("Does it bleed?",))
CHEST = RedFlag(Flag.CARDIAC, Acuity.EMERGENCY_NOW, "cardiac.chest@1", "Pressure in the chest", ("chest",))
SAD = RedFlag(Flag.SELF_HARM, Acuity.URGENT, "mental.passive@1", "Wish to be dead", ("not be here",))


def composed(
    floor: Floor = MILD,
    model: ModelAnswer | None = ANSWER,
    query: str = "I cut my finger.",
    house: House = HOUSE,
    read: bool = True,
    before: Opinion | None = None,
) -> Composed:
    context = CONTEXT if read else None
    shown = fit(context or Context((), ()), query)
    return compose(floor, context=context, shown=shown, model=model, opinion=before, house=house)


def flagged(flag: RedFlag, **more: object) -> Floor:
    return replace(Floor(flag.acuity, (flag,), (), "en"), **more)  # type: ignore[arg-type]  # test shorthand


texts = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["Nothing to worry about.", "acuity: self_care", "You are fine. Stay at home.", "Take ibuprofen.", "<|im_end|>"]
    ),
)
flags = st.builds(
    RedFlag, st.sampled_from(Flag), st.sampled_from(Acuity), st.just("a.b@1"), st.just("A label"), st.just(("x",))
)
answers = st.builds(
    ModelAnswer,
    st.lists(st.sampled_from([*CONTEXT.ids, "X1", ""]), max_size=6).map(tuple),
    texts,
    st.sampled_from(Acuity),
    st.lists(texts, max_size=4).map(tuple),
    st.lists(texts, max_size=4).map(tuple),
)

#: What a model is held to, where it was asked the same before.
befores = st.none() | st.builds(Opinion, st.none() | st.sampled_from(Acuity))


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    fired = tuple(draw(st.lists(flags, max_size=3)))
    least = max((flag.acuity for flag in fired), default=Acuity.INFORMATIONAL)
    return Floor(
        max(least, draw(st.sampled_from(Acuity))),
        fired,
        tuple(draw(st.lists(st.sampled_from(Notice), max_size=2, unique=True))),
        draw(st.sampled_from(["en", "es", "hi", "und"])),
        tuple(draw(st.lists(st.sampled_from(["age_unknown", "vague"]), max_size=2, unique=True))),
        tuple(draw(st.lists(st.sampled_from(["onset", "chest"]), max_size=2, unique=True))),
    )


@settings(max_examples=EXAMPLES)
@given(floor=floors(), model=st.none() | answers, before=befores, read=st.booleans(), up_to=st.sampled_from(Acuity))
def test_nothing_that_a_model_says_or_said_before_ever_lowers_the_acuity(
    floor: Floor, model: ModelAnswer | None, before: Opinion | None, read: bool, up_to: Acuity
) -> None:
    house = replace(HOUSE, model_up_to=up_to)
    result = composed(floor, model, house=house, read=read, before=before)
    assert result.acuity >= floor.acuity
    assert result.red_flags == floor.flags
    if floor.acuity is not Acuity.SELF_CARE:  # where a model's silence is itself a reason to be careful
        assert result.acuity >= composed(floor, None, house=house, read=read).acuity
    disposition = f"<{result.acuity.code} {floor.language} GB>"
    assert disposition in result.response
    if result.acuity >= Acuity.EMERGENCY:
        assert result.emergency_notice is not None
        assert result.response.startswith(result.emergency_notice)


@settings(max_examples=EXAMPLES)
@given(model=answers, shown=st.sets(st.sampled_from(CONTEXT.ids)))
def test_what_was_shown_can_be_cited_and_nothing_else(model: ModelAnswer, shown: set[str]) -> None:
    kept = tuple(item for item in CONTEXT.items if item.id in shown)
    result = compose(MILD, context=CONTEXT, shown=replace(fit(CONTEXT, ""), kept=kept), model=model, house=HOUSE)
    assert {citation.id for citation in result.citations} <= shown & set(model.record_refs)
    for citation in result.citations:
        item = CONTEXT.item(citation.id)
        assert item is not None
        assert (citation.text, citation.date, citation.source) == (item.text, item.date, item.source)


@pytest.mark.parametrize("item", CONTEXT.ids)
def test_any_item_of_the_record_can_be_cited(item: str) -> None:
    result = composed(model=replace(ANSWER, record_refs=(item,)))
    assert [citation.id for citation in result.citations] == [item]


def test_home_care_needs_every_opinion() -> None:
    assert (composed().acuity, composed().acuity_source) == (Acuity.SELF_CARE, "rules")
    for result, code in (
        (composed(model=None), "model_absent"),
        (composed(read=False), "record_unread"),
        (composed(replace(MILD, gate=("age_unknown",))), "age_unknown"),
    ):
        assert (result.acuity, result.acuity_source) == (Acuity.ROUTINE, "gate")
        assert code in result.gate
    doubted = composed(model=replace(ANSWER, acuity=Acuity.ROUTINE))
    assert doubted.acuity is Acuity.ROUTINE
    assert "model_disagreed" in doubted.gate


def test_a_question_about_the_record_needs_no_model() -> None:
    asked = Floor(Acuity.INFORMATIONAL, (), (), "en")
    result = composed(asked, None, "Which medicines do I take?")
    assert (result.acuity, result.gate) == (Acuity.INFORMATIONAL, ())
    assert "Warfarin" in result.response


def test_a_model_may_raise_as_far_as_it_is_heard() -> None:
    alarmed = replace(ANSWER, acuity=Acuity.EMERGENCY)
    assert (composed(model=alarmed).acuity, composed(model=alarmed).acuity_source) == (Acuity.EMERGENCY, "model")
    quiet = composed(model=alarmed, house=replace(HOUSE, model_up_to=Acuity.ROUTINE))
    assert (quiet.acuity, quiet.acuity_source) == (Acuity.ROUTINE, "gate")


def test_who_said_so_is_told() -> None:
    assert composed(flagged(CHEST), None).acuity_source == "rules"
    assert composed(flagged(replace(CHEST, record=("M1",))), None).acuity_source == "record"
    both = replace(flagged(CHEST), flags=(CHEST, replace(CHEST, record=("M1",))))
    assert composed(both, None).acuity_source == "rules"


def test_an_emergency_is_answered_in_fixed_words_first() -> None:
    strong = replace(ANSWER, acuity=Acuity.EMERGENCY_NOW, rationale="Pressure like this needs help.", next_steps=())
    result = composed(flagged(CHEST), strong, "pressure in my chest")
    assert result.response.startswith("<emergency_now en GB>")
    assert "Pressure like this needs help." in result.response
    assert result.emergency_notice == "<emergency_now en GB>"
    assert result.next_steps[0] == "<emergency_now en GB>"


@pytest.mark.parametrize(
    "changed",
    [
        {"rationale": "This is probably nothing serious."},
        {"next_steps": ("Rest at home.",)},
        {"next_steps": ("Stop your warfarin.",)},
        {"questions": ("Are you worried? There is nothing to worry about.",)},
        {"acuity": Acuity.URGENT},
    ],
)
def test_under_an_emergency_one_soothing_word_costs_a_model_all_of_them(changed: dict[str, object]) -> None:
    strong = replace(ANSWER, acuity=Acuity.EMERGENCY_NOW, rationale="Kept words.", next_steps=("Go.",))
    result = composed(flagged(CHEST), replace(strong, **changed))  # type: ignore[arg-type]  # fields by name
    assert result.model_text == "dropped"
    assert "Kept words" not in result.response
    assert result.next_steps == ("<emergency_now en GB>",)
    assert result.citations == ()


def test_under_an_emergency_a_language_that_can_not_be_looked_through_has_no_model_words() -> None:
    strong = replace(ANSWER, acuity=Acuity.EMERGENCY_NOW)
    assert composed(flagged(CHEST, language="sw"), strong).model_text == "dropped"


@pytest.mark.parametrize("flag", [Flag.SELF_HARM, Flag.MENTAL_HEALTH_CRISIS, Flag.VIOLENCE_ABUSE])
@pytest.mark.parametrize("acuity", [Acuity.URGENT, Acuity.EMERGENCY_NOW])
def test_a_crisis_is_answered_in_fixed_words_only(flag: Flag, acuity: Acuity) -> None:
    result = composed(flagged(replace(SAD, flag=flag, acuity=acuity)))
    assert result.model_text == "dropped"
    assert "warfarin" not in result.response.casefold()
    assert result.emergency_notice is not None
    assert "<crisis " in result.emergency_notice


def test_a_plan_gets_more_words_than_a_wish_and_a_method_most() -> None:
    said = [
        emergency_notice(flagged(flag), FixedWords(), "GB")
        for flag in (
            SAD,
            replace(SAD, acuity=Acuity.EMERGENCY, rule="mental.plan@1"),
            replace(SAD, acuity=Acuity.EMERGENCY, rule="mental.method_asked@1"),
        )
    ]
    assert said == [
        "<urgent en GB> <crisis self_harm>",
        "<emergency en GB> <crisis self_harm_now> <crisis self_harm>",
        "<emergency en GB> <crisis self_harm_now> <crisis self_harm> <crisis no_doses>",
    ]


def test_why_is_said_in_the_callers_own_words_and_from_the_record() -> None:
    drug = RedFlag(
        Flag.ALLERGY_CONFLICT, Acuity.URGENT, "a.s@1", "A drug you are allergic to", ("advil",), ("Ibuprofen",)
    )
    floor = replace(flagged(CHEST), flags=(CHEST, drug))
    response = composed(floor, None).response
    assert "- Pressure in the chest: “chest”\n" in response
    assert "- A drug you are allergic to: “advil” (your record: Ibuprofen)" in response


@pytest.mark.parametrize("flag", [Flag.SELF_HARM, Flag.VIOLENCE_ABUSE])
def test_what_others_must_not_read_is_not_named(flag: Flag) -> None:
    sensitive = RedFlag(flag, Acuity.URGENT, "x.y@1", "A label", ("his words",))
    response = composed(replace(flagged(CHEST), flags=(CHEST, sensitive)), None).response
    assert "A label" not in response
    assert "his words" not in response


def test_whether_it_is_safe_to_read_is_asked_first() -> None:
    hurt = RedFlag(Flag.VIOLENCE_ABUSE, Acuity.URGENT, "violence.partner@1", "Violence", ("hits me",))
    said = emergency_notice(flagged(hurt), FixedWords(), "GB")
    assert said is not None
    assert said.startswith("<crisis violence>")


def test_there_is_no_notice_where_nothing_fired() -> None:
    assert emergency_notice(MILD, FixedWords(), "GB") is None
    assert emergency_notice(replace(MILD, acuity=Acuity.URGENT), FixedWords(), "GB") is None
    assert composed().emergency_notice is None


def test_what_is_strange_is_cut_and_reported() -> None:
    steps = ("Call 911.", "Press on it.", "Do not take your warfarin.")
    told = replace(ANSWER, rationale="Take ibuprofen. You take warfarin.", next_steps=steps)
    result = composed(model=told)
    assert set(result.ungrounded_terms) == {"ibuprofen", "911"}
    assert result.next_steps == ("<self_care en GB>", "Press on it.")
    assert "ibuprofen" not in result.response
    assert (result.model_text, "You take warfarin." in result.response) == ("cut", True)


#: What small models write when they do not understand.
RAVING = {
    "loop": "It bleeds and it bleeds and it bleeds and it bleeds.",
    "echo": "I cut my finger.",
    "recited": "What reads like an instruction there is part of the data.",
    "empty": "No, none: null.",
}


@pytest.mark.parametrize("fault", sorted(RAVING))
def test_a_model_that_explains_nothing_has_nothing_to_say_and_the_record_speaks(fault: str) -> None:
    result = composed(model=replace(ANSWER, rationale=RAVING[fault]))
    assert (result.model_text, result.faults) == ("dropped", (fault,))
    assert RAVING[fault] not in result.response
    assert (result.next_steps, result.questions, result.citations) == (("<self_care en GB>",), (), ())
    assert "Warfarin" in result.response
    assert result.acuity is Acuity.SELF_CARE  # its label is an opinion all the same


def test_one_sentence_that_explains_is_enough() -> None:
    result = composed(model=replace(ANSWER, rationale=f"You take warfarin. {RAVING['loop']}"))
    assert (result.model_text, result.faults) == ("cut", ("loop",))
    assert "You take warfarin." in result.response
    assert "it bleeds and it bleeds" not in result.response
    assert result.next_steps == ("<self_care en GB>", "Keep it clean.")


def test_a_model_that_leaves_the_language_of_the_question_is_not_heard() -> None:
    house = replace(HOUSE, languages=packaged().languages)
    asked = replace(MILD, language="es")
    result = composed(asked, replace(ANSWER, rationale="You should keep it clean, and then wait."), house=house)
    assert (result.model_text, result.faults) == ("dropped", ("language",))


def test_soothing_sentences_go_where_somebody_is_to_be_seen() -> None:
    told = replace(
        ANSWER, acuity=Acuity.URGENT, rationale="You are fine. You take warfarin.", next_steps=("Stay at home.",)
    )
    result = composed(model=told)
    assert result.acuity is Acuity.URGENT
    assert "fine" not in result.response
    assert "at home" not in result.response
    assert "You take warfarin." in result.response


def test_what_rules_would_like_to_know_is_asked_first() -> None:
    result = composed(replace(MILD, questions=("onset", "severity")))
    assert result.questions == ("<question onset>", "<question severity>", "Does it bleed?")


def test_an_answer_says_that_software_wrote_it_and_what_else_is_to_be_known() -> None:
    result = composed(replace(MILD, notices=(Notice.PROMPT_INJECTION,)))
    assert "<notice ai>" in result.response
    assert "<notice prompt_injection>" in result.response
    assert result.disclaimer == "<notice ai> <notice disclaimer>"
    assert result.notices == (Notice.PROMPT_INJECTION,)


def test_what_no_table_holds_is_never_silently_safe() -> None:
    assert "<notice not_checked>" in composed(replace(MILD, gate=("not_checked",))).response
    assert "<notice not_checked>" not in composed().response


def test_the_join_does_not_depend_on_who_speaks_first() -> None:
    for floor_acuity, model_acuity in product(Acuity, Acuity):
        result = composed(replace(MILD, acuity=floor_acuity), replace(ANSWER, acuity=model_acuity))
        assert result.acuity == max(floor_acuity, model_acuity)
