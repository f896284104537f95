import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.services.coherence import Coherence, Fault
from service_chat.services.prompts import ANSWER_SYSTEM, INSTRUCTIONS
from service_chat.services.sentences import sentences
from tests.unit.service_chat.safety.small import packaged

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "50"))
LANGUAGES = packaged().languages
QUERY = "I have had a sore throat for three days and it hurts to swallow. Can I take something?"


def faults(*said: str, query: str = QUERY, language: str = "en") -> list[Fault | None]:
    coherence = Coherence(query, language, LANGUAGES)
    return [coherence.fault(each) for each in said]


@pytest.mark.parametrize(
    "said",
    [
        "A sore throat that lasts three days is mostly due to a virus.",
        "You take warfarin, so a cut bleeds for longer than it would without it.",
        "Come back if the pain gets worse, if you can not drink, or if a rash comes up.",
        "You should be seen by a clinician within 24 hours.",
        "It can be looked after at home.",
        "That is a very, very sore throat.",
        "Since when?",
        "Rest.",
        "Your blood pressure: not in the record.",
        "Warfarin is in your record.",
        "I am not a doctor, so ask one about the swelling.",
        "As a patient on warfarin you bleed longer.",
        "Is it hard to breathe, hard to drink, or hard to open the mouth?",
    ],
)
def test_what_people_say_stands(said: str) -> None:
    assert faults(said) == [None]


@pytest.mark.parametrize(
    "said",
    [
        "I am not a doctor, I am a patient, I am a patient, I am a patient.",
        "The tablet is the same as the tablet that is the same as the tablet that is the same as the tablet.",
        "It is sore sore sore sore.",
        "喉咙痛喉咙痛喉咙痛。",
        "आपका आपका आपका आपका गला",
        "Le plus que le plus que le plus que le plus.",
    ],
)
def test_what_goes_round_in_circles_is_found(said: str) -> None:
    assert faults(said) == ["loop"]


def test_what_was_said_before_is_said_no_more() -> None:
    said = "Gargle with salt water, and drink enough."
    assert faults(said, "Rest a little.", said) == [None, None, "loop"]
    longer = "Gargle with salt water, and drink enough of it."
    assert faults(said, longer) == [None, "loop"]


@pytest.mark.parametrize(
    "said",
    [
        "I have had a sore throat for three days.",
        "i have had a SORE throat for three days, and it hurts to swallow!",
        "Sore throat.",
        "Well, I have had a sore throat for three days.",
    ],
)
def test_the_question_handed_back_is_no_explanation(said: str) -> None:
    assert faults(said) == ["echo"]


def test_the_question_may_be_taken_up() -> None:
    assert faults("A sore throat of three days mostly goes with a cold.") == [None]
    assert faults("有发烧和喉咙痛请多喝水。", query="喉咙痛两天了", language="zh") == [None]


def test_instructions_read_aloud_are_found_and_the_meaning_of_the_levels_is_none() -> None:
    assert faults("To the patient: what in the question and these items matters, and why.") == ["recited"]
    assert faults("Record and question are data between marks.") == ["recited"]
    assert faults("acuity: routine", "So self_care it is.", "See record_refs.") == ["recited"] * 3
    assert faults("Your visual acuity is in the record.", "Self care is enough here.") == [None, None]
    assert "an appointment is enough" in ANSWER_SYSTEM
    assert "an appointment is enough" not in INSTRUCTIONS


#: What a model says that understood nothing.
ABOUT_NOTHING = (
    "This is a question about the record and the question itself.",
    "I am not able to answer your question.",
    "The patient is not in the record.",
    "The record is not recorded, and the question is not recorded.",
    "Not in the record.",
)


@pytest.mark.parametrize(
    "said",
    [
        "I am a doctor.",
        "No, I\u2019m your nurse and I can help you with the throat.",
        "As a doctor I would look at the throat.",
        "Soy médico y le ayudo.",
        "Ich bin Arzt.",
        "Je suis votre médecin.",
        "Я врач.",
        "我是医生。",
        "मैं एक डॉक्टर हूँ।",
    ],
)
def test_a_model_is_nobody(said: str) -> None:
    assert faults(said) == ["persona"]


@pytest.mark.parametrize(
    "said",
    ["", "...", "No.", "no, no", "None", "not recorded", "N/A", "null", "1. 2. 3.", "无", "Nein.", *ABOUT_NOTHING],
)
def test_what_says_nothing_is_found(said: str) -> None:
    assert faults(said) == ["empty"]


#: Of each language a sentence that a model would write.
WRITTEN = {
    "en": "You should drink plenty of water and rest for a few days.",
    "es": "Debe beber mucha agua y descansar unos días.",
    "fr": "Vous devez boire beaucoup d'eau et vous reposer quelques jours.",
    "de": "Sie sollten viel Wasser trinken und sich ein paar Tage ausruhen.",
    "pt": "Deve beber muita água e descansar durante alguns dias.",
    "it": "Deve bere molta acqua e riposare per qualche giorno.",
    "pl": "Proszę pić dużo wody i odpoczywać przez kilka dni.",
    "ru": "Пейте больше воды и отдыхайте несколько дней.",
    "zh": "请多喝水休息几天。",
    "ja": "水分を多めにとって、数日休んでください。",
    "ar": "يجب أن تشرب الكثير من الماء وأن ترتاح لبضعة أيام.",
    "hi": "आपको खूब पानी पीना चाहिए और कुछ दिन आराम करना चाहिए।",
}


@pytest.mark.parametrize("language", sorted(WRITTEN))
def test_a_sentence_stands_in_the_language_that_was_asked_for_and_in_no_other(language: str) -> None:
    assert set(WRITTEN) == LANGUAGES.supported
    found = {told: faults(said, query="x", language=language)[0] for told, said in WRITTEN.items()}
    assert found == {told: None if told == language else "language" for told in WRITTEN}


def test_names_and_numbers_are_of_no_language() -> None:
    assert faults("Warfarin 5 mg", "INR 3.4", query="x", language="de") == [None, None]


def test_a_language_that_nobody_here_reads_is_not_looked_for() -> None:
    assert faults(WRITTEN["en"], query="x", language="sw") == [None]
    assert Coherence("x", "de").fault(WRITTEN["en"]) is None


@settings(max_examples=EXAMPLES)
@given(st.text(alphabet="ab ,.!?好я", max_size=120), st.integers(4, 9))
def test_whatever_is_said_often_enough_is_never_shown_often(words: str, times: int) -> None:
    coherence = Coherence("question", "en")
    said = [each for each in sentences(" ".join([words] * times)) if coherence.fault(each) is None]
    assert len(said) == len({" ".join(each.split()).casefold() for each in said})
