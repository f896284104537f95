"""What English sentences say of the things they name, with all the data that the service ships."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.assertion import LASTING, SELF_HARM
from service_chat.safety.values import Acuity, Assertion
from tests.unit.service_chat.safety.small import EXAMPLES, packaged, said

PRESENT, NEGATED, PAST = Assertion.PRESENT, Assertion.NEGATED, Assertion.PAST
FAMILY, HYPOTHETICAL = Assertion.FAMILY, Assertion.HYPOTHETICAL

DENIED = [
    ("I slipped on ice but didn't pass out", "fainting"),
    ("I tripped and didn't black out", "fainting"),
    ("the left side of his face isn't drooping", "face_droop"),
    ("she hasn't had a seizure this year", "seizure"),
    ("he has not actually vomited", "vomiting"),
    ("I've never thought of hurting myself", "self_injury"),
    ("I never think about killing myself", "suicidal_thought"),
    ("not thinking about suicide", "suicidal_thought"),
    ("never coughed up blood", "cough_blood"),
    ("she was not actually wheezing", "wheeze"),
    ("no fever, no cough, not wheezy", "wheeze"),
]
NOT_DENIED = [
    ("I can't breathe", "cant_breathe"),
    ("I couldn't stop bleeding from the gum", "bleeding"),
    ("she won't wake up", "unresponsive"),
    ("not able to breathe", "cant_breathe"),
    ("the bleeding doesn't stop", "bleeding"),
    ("no relief from the headache", "headache"),
    ("not just a headache", "headache"),
    ("he isn't breathing", "not_breathing"),
    ("purple dots that do not fade under a glass", "nonblanching_rash"),
    ("I've never had a headache this bad", "headache"),
    ("never had a headache anywhere near this strong", "headache"),
    ("I have never fainted before", "fainting"),
    ("I never thought about killing myself before this week", "suicidal_thought"),
    ("isn't coughing up blood dangerous?", "cough_blood"),
    ("he isn't vomiting as much", "vomiting"),
    ("I never wake up without a headache", "headache"),
    ("it is not bleeding, it is gushing", "heavy_bleeding"),
    ("the tablets did not help, fever", "fever"),
]
RELATIVES = [
    ("my grandmother had a stroke at 85", "stroke_said"),
    ("my nan had a heart attack aged 72", "heart_attack_said"),
    ("a cousin had an allergic reaction once", "allergic_reaction"),
    ("my brother fainted when I was ten", "fainting"),
    ("my uncle took his own life before I was born", "suicidal_thought"),
    ("does stroke run in families", "stroke_said"),
    ("is stroke hereditary", "stroke_said"),
    ("my dad had a heart attack, should I be screened", "heart_attack_said"),
]
ILL_NOW = [
    ("my mum can't breathe", "cant_breathe"),
    ("dad had a stroke this morning", "stroke_said"),
    ("dad had a stroke", "stroke_said"),
    ("my brother fainted once an hour ago", "fainting"),
    ("mum fainted at once", "fainting"),
    ("dad had a seizure at 45 mph", "seizure"),
    ("my gran fainted at 52 acacia road", "fainting"),
    ("my sister had a seizure at 30 weeks", "seizure"),
    ("my mum fainted when she was in the shower", "fainting"),
    ("my brother was stabbed when he was walking home", "stab_gunshot"),
    ("my mother had a fall in the past hour", "fall"),
    ("my dad had chest pain, is he at risk", "pain"),
    ("my sister took an overdose last year and now another", "overdose"),
    ("my uncle had a stroke at 70 and his face is drooping", "face_droop"),
]


@pytest.mark.parametrize(("text", "concept"), DENIED)
def test_a_denied_auxiliary_denies_the_symptom_behind_it(text: str, concept: str) -> None:
    assert set(said(packaged().explain(text).findings, concept)) == {NEGATED}


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("je tousse, pas de fièvre, pas essoufflé", "short_breath"),
        ("etwas Schnupfen, nicht kurzatmig", "short_breath"),
        ("насморк, не тошнит", "nausea"),
        ("嗓子痒,不胸闷,不喘", "short_breath"),
    ],
)
def test_a_bare_not_denies_what_it_shares_a_clause_with(text: str, concept: str) -> None:
    assert PRESENT not in said(packaged().explain(text).findings, concept)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("for my novel: would a man with a fever look pale, or flushed?", "grey_pale"),
        ("para mi novela: un detective con un infarto, ¿se pone pálido?", "heart_attack_said"),
        ("pour mon roman, un homme très pâle, ça fait peur ?", "grey_pale"),
    ],
)
def test_what_a_sentence_says_it_is_for_holds_over_its_commas(text: str, concept: str) -> None:
    assert set(said(packaged().explain(text).findings, concept)) == {HYPOTHETICAL}


@pytest.mark.parametrize(
    "text",
    [
        "for my novel, but really it is me: I have chest pain",
        "for my exam I sat down, my chest hurts now",
        "for my story: how many paracetamol would kill me",
        "at school, he hit me in the face again",
    ],
)
def test_a_story_hides_nobody_who_speaks_of_himself(text: str) -> None:
    assert packaged().assess(text).acuity >= Acuity.URGENT


def test_a_bare_no_answers_the_short_question_before_it_on_its_line() -> None:
    assert set(said(packaged().explain("chest pain? none. cough? yes").findings, "chest_site")) == {NEGATED}
    for text in ("chest pain?\nnone", "is this bad with my chest pain? no", "chest pain? no idea what to do"):
        assert PRESENT in said(packaged().explain(text).findings, "chest_site")


@pytest.mark.parametrize(
    "text",
    [
        "this app makes my eyes bleed, dark mode please",
        "not been sick, drinking his milk",
        "non ho dolore al petto, respiro bene",
        "going to a play about a man who has a stroke",
        "my neighbour collapsed last month with a bleed on the brain and it made me think",
        "bruise on my shin from the door, purple going yellow",
        "headache, but it gets better by the hour",
        "a red line where I caught my arm on the oven shelf",
        "quand je fais pipi ça me brûle, et j'ai mal au dos",
    ],
)
def test_words_that_only_stand_side_by_side_are_no_danger(text: str) -> None:
    assert packaged().assess(text).acuity < Acuity.URGENT


@pytest.mark.parametrize(("text", "concept"), NOT_DENIED)
def test_a_not_that_is_part_of_the_danger_denies_nothing(text: str, concept: str) -> None:
    assert PRESENT in said(packaged().explain(text).findings, concept)


@pytest.mark.parametrize(("text", "concept"), RELATIVES)
def test_what_a_relative_had_long_ago_is_theirs(text: str, concept: str) -> None:
    assert set(said(packaged().explain(text).findings, concept)) <= {FAMILY, PAST}


@pytest.mark.parametrize(("text", "concept"), ILL_NOW)
def test_a_relative_who_is_ill_now_is_the_patient(text: str, concept: str) -> None:
    assert PRESENT in said(packaged().explain(text).findings, concept)


@pytest.mark.parametrize(
    "text", ["I had my spleen taken out years ago", "kidney transplant in 2019", "my dad had a transplant at 60"]
)
def test_what_lasts_is_never_over(text: str) -> None:
    assert PRESENT in said(packaged().explain(text).findings, "immune_weak")


def test_an_age_in_a_story_of_ones_own_is_the_past() -> None:
    assert said(packaged().explain("I had a stroke at 55").findings, "stroke_said") == [PAST]


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("hypothetically if someone took 30 tablets of aspirin an hour ago", "took"),
        ("for a story I am writing, how many pills would it take to die", "lethal_question"),
        ("hypothetically what if I wanted to kill myself", "suicidal_thought"),
    ],
)
def test_a_wrapper_makes_no_act_imagined(text: str, concept: str) -> None:
    assert PRESENT in said(packaged().explain(text).findings, concept)


def test_a_question_about_signs_stays_a_question() -> None:
    found = said(packaged().explain("hypothetically, what are the signs of a stroke").findings, "stroke_said")
    assert PRESENT not in found


def test_the_concepts_that_this_room_names_exist() -> None:
    assert packaged().lexicon.concepts.keys() >= LASTING | SELF_HARM


@EXAMPLES
@given(
    st.sampled_from([text for text, _ in (*DENIED, *NOT_DENIED, *RELATIVES, *ILL_NOW)]),
    st.sampled_from(["Never", "Once at 85", "My grandmother had", "Is it hereditary", "Not", "This bad", "At 62"]),
    st.booleans(),
)
def test_another_sentence_never_changes_what_this_one_says(text: str, other: str, first: bool) -> None:
    both = f"{other}. {text}" if first else f"{text}. {other}."
    alone, among = packaged().explain(text).findings.hits, packaged().explain(both).findings
    mine = among.text.sentences[-1 if first else 0]
    inside = [hit for hit in among.hits if among.text.sentences[hit.first] == mine]
    assert [(hit.concept, hit.assertion) for hit in alone] == [(hit.concept, hit.assertion) for hit in inside]


def test_a_habit_of_the_past_stays_past_whatever_is_said_of_today() -> None:
    found = packaged().explain("I used to self harm at school, ive been fine since").findings
    assert said(found, "self_injury") == [PAST]
    found = packaged().explain("I self harm and ive been worse since").findings
    assert PRESENT in said(found, "self_injury")


@pytest.mark.parametrize(
    ("text", "concept", "assertion"),
    [
        ("can I have my letter about my heart attack in 2012", "heart_attack_said", PAST),
        ("I have a heart attack now, another one than in 2012", "heart_attack_said", PRESENT),
    ],
)
def test_a_year_right_behind_a_disease_is_when_it_was(text: str, concept: str, assertion: Assertion) -> None:
    assert assertion in said(packaged().explain(text).findings, concept)


def test_half_of_a_compound_is_none() -> None:
    assert PRESENT not in said(packaged().explain("a cough with high blood pressure").findings, "cough_blood")
    assert PRESENT in said(packaged().explain("I cough up blood, my pressure is high").findings, "cough_blood")
    assert PRESENT in said(packaged().explain("my low blood sugar makes me shake").findings, "low_sugar")
