import pytest

from service_chat.safety.assess import Ruleset
from tests.unit.service_chat.safety.small import packaged


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return packaged()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I have had a bad pain in my chest since this morning", "en"),
        ("Desde ayer me duele mucho el pecho y no puedo dormir", "es"),
        ("J'ai mal \u00e0 la poitrine depuis ce matin et je ne peux pas dormir", "fr"),
        ("Ich habe seit gestern starke Schmerzen in der Brust", "de"),
        ("Estou com muita dor no peito desde ontem e n\u00e3o consigo dormir", "pt"),
        ("Ho un forte dolore al petto da ieri e non riesco a dormire", "it"),
        ("Od wczoraj mam silny b\u00f3l w klatce piersiowej i nie mog\u0119 spa\u0107", "pl"),
        ("\u0421 вчерашнего дня очень болит в груди", "ru"),
        ("\u4ece\u6628\u5929\u5f00\u59cb\u6211\u80f8\u53e3\u5f88\u75db", "zh"),
        ("\u6628\u65e5\u304b\u3089\u80f8\u304c\u3068\u3066\u3082\u75db\u3044\u3067\u3059", "ja"),
        ("عندي ألم شديد في الصدر", "ar"),
        ("मुझे कल से सीने में दर्द है", "hi"),
        ("", "und"),
        ("12345", "und"),
    ],
)  # fmt: skip
def test_a_language_is_told_by_script_and_small_words(ruleset: Ruleset, text: str, language: str) -> None:
    assert ruleset.explain(text).spoken.language == language


@pytest.mark.parametrize(
    "text",
    [
        "Ik heb sinds gisteren veel pijn op de borst en het gaat niet goed met mijn hoofd",
        "\uac00\uc2b4\uc774 \uc544\ud30c\uc694 \uc228\uc744 \ubabb \uc26c\uaca0\uc5b4\uc694",
        "\u0e40\u0e08\u0e47\u0e1a\u0e2b\u0e19\u0e49\u0e32\u0e2d\u0e01\u0e21\u0e32\u0e01",
        "\u03a0\u03bf\u03bd\u03ac\u03b5\u03b9 \u03c4\u03bf \u03c3\u03c4\u03ae\u03b8\u03bf\u03c2 \u03bc\u03bf\u03c5",
        "G\u00f6\u011fs\u00fcm \u00e7ok a\u011fr\u0131yor ve nefes alam\u0131yorum",
    ],
)
def test_a_language_without_rules_is_said_to_be_one(ruleset: Ruleset, text: str) -> None:
    floor = ruleset.assess(text)
    assert "language_unsupported" in [notice.value for notice in floor.notices]
    assert floor.acuity.code == "urgent"


def test_a_sentence_votes_for_itself_so_padding_in_another_language_hides_nothing(ruleset: Ruleset) -> None:
    padding = "This is what I have been thinking about for a while and it is fine with me. " * 20
    tongues = ruleset.explain(padding + "Me duele el pecho desde ayer.").spoken.tongues
    assert "es" in tongues[-1]


def test_a_sentence_without_small_words_is_looked_up_in_every_language_of_its_script(ruleset: Ruleset) -> None:
    (tongues,) = ruleset.explain("Brustschmerzen Atemnot").spoken.tongues
    assert {"de", "en", "es"} <= set(tongues)
    assert not {"ru", "zh"} & set(tongues)
