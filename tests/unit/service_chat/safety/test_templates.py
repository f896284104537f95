from pathlib import Path

import pytest

from service_chat.safety.packaged import RulesError
from service_chat.safety.second_reader import RULE
from service_chat.safety.templates import PhoneNumber, Templates
from service_chat.safety.values import Acuity, Flag, Notice
from tests.unit.service_chat.safety.small import REGIONS, TEMPLATES, data_in, packaged

GERMAN = TEMPLATES.replace("Call {number}.", "Rufen Sie {number}.")


def templates(folder: Path, **changes: str) -> Templates:
    problems: list[str] = []
    read = Templates.read(data_in(folder, **changes), problems)
    assert problems == []
    return read


def problems_of(folder: Path, **changes: str) -> list[str]:
    problems: list[str] = []
    Templates.read(data_in(folder, **changes), problems)
    return problems


def test_words_carry_the_number_of_the_region(tmp_path: Path) -> None:
    words = templates(tmp_path, **{"templates/de.toml": GERMAN})
    assert words.acuity(Acuity.EMERGENCY_NOW, "de", "EU") == "Rufen Sie 112."
    assert words.acuity(Acuity.EMERGENCY_NOW, "en", "xx") == "Call 100."


def test_an_unknown_region_or_language_is_answered_all_the_same(tmp_path: Path) -> None:
    words = templates(tmp_path)
    assert words.acuity(Acuity.EMERGENCY_NOW, "tlh", "QQ") == "Call 112."
    assert words.acuity(Acuity.EMERGENCY_NOW, "und", None) == "Call 112."


def test_a_sentence_with_a_crisis_line_is_left_out_where_there_is_none(tmp_path: Path) -> None:
    words = templates(tmp_path)
    assert words.crisis("self_harm", "en", "EU") == "You are not alone. Talk to 116 123. We are here."
    assert words.crisis("self_harm", "en", "XX") == "You are not alone. We are here."


def test_the_numbers_that_a_text_names_can_be_dialled(tmp_path: Path) -> None:
    words = templates(tmp_path)
    both = words.acuity(Acuity.EMERGENCY_NOW, "en", "EU") + words.crisis("self_harm", "en", "EU")
    assert words.numbers(both, "EU") == (PhoneNumber("112", "112"), PhoneNumber("116 123", "116123"))
    assert words.numbers("We are here.", "EU") == ()
    assert PhoneNumber("988 (Suicide & Crisis Lifeline)", "988") in Templates.load().region("US").numbers


def test_notices_and_questions_have_words(tmp_path: Path) -> None:
    words = templates(tmp_path)
    assert words.notice(Notice.PRIVACY, "en", None) == "No names."
    assert words.question("age", "en") == "How old?"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"templates/de.toml": GERMAN.replace('age = "How old?"', "")}, "question.age: is missing"),
        ({"templates/de.toml": GERMAN.replace("{number}", "110")}, "other placeholders"),
        ({"templates/de.toml": GERMAN + '\nshoe = "?"'}, "no such key"),
        ({"templates/de.toml": GERMAN.replace("No names.", " ")}, "is empty"),
        ({"templates/en.toml": TEMPLATES.replace('violence = "Is it safe?"', "")}, "crisis.violence: is missing"),
        ({"regions.toml": REGIONS.replace('"112"', '"call us"')}, "a phone can dial"),
        ({"regions.toml": REGIONS.replace("[EU]", "[YY]")}, "EU: is missing"),
        ({"regions.toml": REGIONS.replace('"116 123"', '"a friend (116 123)"')}, "crisis begins with a number"),
        ({"regions.toml": REGIONS.replace("https://", "ftp://")}, "public page"),
    ],
)
def test_what_is_wrong_with_words_or_regions_is_named(tmp_path: Path, change: dict[str, str], complaint: str) -> None:
    assert any(complaint in problem for problem in problems_of(tmp_path, **change))


def test_the_packaged_words_are_whole_in_twelve_languages() -> None:
    words = Templates.load()
    assert words.languages == {"en", "es", "fr", "de", "pt", "it", "pl", "zh", "ja", "ar", "hi", "ru"}
    for language in words.languages:
        for region in words.regions:
            for acuity in Acuity:
                said = words.acuity(acuity, language, region)
                assert said
                assert "{" not in said
            for code in ("self_harm", "self_harm_now", "no_doses", "violence"):
                assert "{" not in words.crisis(code, language, region)


def test_loading_raises_with_every_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_in(tmp_path, **{"templates/de.toml": "[acuity"})
    monkeypatch.setattr("service_chat.safety.templates.Packaged", lambda: data)
    with pytest.raises(RulesError, match=r"templates/de\.toml"):
        Templates.load()


def test_every_flag_has_a_name_in_every_language_and_no_two_share_one() -> None:
    names = Templates.load().flags
    assert len(names) == 12
    for named in names.values():
        assert named.keys() == {flag.value for flag in Flag}
        assert len(set(named.values())) == len(named)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("no puedo respirar", "Dificultad para respirar"),
        ("ich bekomme keine Luft", "Atemnot"),
        ("خنقني زوجي", "عنف أو إساءة"),
        ("息ができない", "呼吸の困難"),
    ],
)
def test_a_red_flag_is_named_in_the_language_of_the_text(text: str, name: str) -> None:
    assert name in {flag.label for flag in packaged().assess(text).flags}


def test_an_english_red_flag_keeps_the_closer_words_of_its_rule() -> None:
    ruleset = packaged()
    labels = {rule.label for rule in ruleset.rules.rules}
    flags = ruleset.assess("I can't breathe").flags
    assert {flag.label for flag in flags if flag.rule != RULE} <= labels


def test_every_language_says_in_its_own_words_that_this_is_no_medical_device() -> None:
    words = Templates.load()
    said = {words.notice("disclaimer", language, "EU") for language in words.languages}
    assert "not a medical device" in words.notice("disclaimer", "en", "EU")
    assert len(said) == len(words.languages) == 12
