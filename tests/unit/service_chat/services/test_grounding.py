import pytest

from service_chat.safety.drugs import DrugTable
from service_chat.safety.packaged import Packaged
from service_chat.services.condition_names import condition_names
from service_chat.services.grounding import Sources, Vocabulary
from service_chat.services.reassurance import LANGUAGES, makes_light, sends_elsewhere

VOCABULARY = Vocabulary(DrugTable.read(Packaged(), []), condition_names())


def grounded(text: str, *sources: str) -> tuple[str, tuple[str, ...]]:
    found = Sources(sources, VOCABULARY).ground(text)
    return found.text, found.cut


def test_a_drug_that_nobody_named_costs_its_sentence() -> None:
    text, cut = grounded("Rest a little. Take ibuprofen for it. Drink enough.", "My knee hurts.")
    assert text == "Rest a little. Drink enough."
    assert cut == ("ibuprofen",)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("Warfarin 5 MG Oral Tablet", "Warfarin makes bleeding worse."),
        ("Warfarin 5 MG Oral Tablet", "A blood thinner makes bleeding worse."),
        ("Can I take Tylenol?", "Paracetamol is in your question."),
        ("Essential hypertension", "Your hypertension matters here."),
        ("High blood pressure", "Your hypertension matters here."),
        ("Ich nehme Ibuprofen", "Ibuprofen steht in der Frage."),
        ("I had a stroke", "After strokes this matters."),
    ],
)
def test_what_record_or_question_name_may_be_named_by_any_of_its_names(named: str, said: str) -> None:
    assert grounded(said, named) == (said, ())


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("Warfarin 5 MG", "Apixaban makes bleeding worse."),
        ("I take a blood thinner", "Warfarin makes bleeding worse."),
        ("My belly hurts", "This may be appendicitis."),
        ("Me duele la tripa", "Puede ser apendicitis."),
        ("头疼", "可能是脑膜炎。"),
    ],
)
def test_what_only_a_model_brings_up_is_cut(named: str, said: str) -> None:
    text, cut = grounded(said, named)
    assert text == ""
    assert len(cut) == 1


@pytest.mark.parametrize("said", ["The patient is dying.", "This may be fatal.", "Sie könnten sterben.", "可能会死。"])
def test_nobody_is_told_of_death_who_did_not_speak_of_it(said: str) -> None:
    text, cut = grounded(said, "My knee hurts, what now?")
    assert text == ""
    assert len(cut) == 1
    assert grounded(said, "My father died of this.") == (said, ())
    assert grounded("Nehmen Sie die Treppe.", "My knee hurts.") == ("Nehmen Sie die Treppe.", ())


@pytest.mark.parametrize(
    "said",
    [
        "Take 400 mg now.",
        "Take 2 tablets now.",
        "Call 911 now.",
        "Call 1-800-555-0199 now.",
        "Dial 112.",
        "See www.example.org for more.",
        "Write to help@example.org.",
    ],
)
def test_amounts_numbers_and_links_of_a_model_are_cut(said: str) -> None:
    text, cut = grounded(said, "My knee hurts, what now?")
    assert text == ""
    assert cut


def test_amounts_that_were_named_may_be_repeated() -> None:
    said = "You take 500mg of it."
    assert grounded(said, "Metformin 500 MG") == (said, ())
    assert grounded("Your pressure of 148 is high.", "Systolic blood pressure 148 mm[Hg]")[1] == ()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("There is nothing to worry about.", "en"),
        ("This is probably not serious.", "en"),
        ("It\u2019s just anxiety.", "en"),
        ("No es grave.", "es"),
        ("Das ist harmlos.", "de"),
        ("Ne vous inquiétez pas.", "fr"),
        ("Não se preocupe.", "pt"),
        ("Non è grave.", "it"),
        ("To nic poważnego.", "pl"),
        ("Не волнуйтесь.", "ru"),  # noqa: RUF001  # Cyrillic
        ("不用担心。", "zh"),
        ("心配ありません。", "ja"),
        ("لا تقلق", "ar"),
        ("चिंता की बात नहीं है", "hi"),
        ("You are fine.", "hi"),
    ],
)
def test_words_that_make_light_of_it_are_found(text: str, language: str) -> None:
    assert makes_light(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wait and see how it goes.", "en"),
        ("Rest at home today.", "en"),
        ("Book an appointment.", "en"),
        ("Quédese en casa.", "es"),
        ("Bitte abwarten.", "de"),
        ("様子を見てください。", "ja"),
        ("Подождите до утра.", "ru"),
    ],
)
def test_words_that_send_somebody_elsewhere_are_found(text: str, language: str) -> None:
    assert sends_elsewhere(text, language)


@pytest.mark.parametrize(
    "text",
    [
        "Pressure in the chest together with your heart condition can be dangerous.",
        "Stay with somebody until help is there.",
        "Does the pain go into your arm?",
    ],
)
def test_plain_words_stand(text: str) -> None:
    for language in LANGUAGES:
        assert not makes_light(text, language)
        assert not sends_elsewhere(text, language)
