"""Languages told apart: by script, small words and marked letters, in short texts and in mixed ones."""

# ruff: noqa: RUF001 - letters of other alphabets are meant to be what they are
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Acuity, Flag, Notice
from tests.unit.service_chat.safety import test_english_words, test_european, test_scripts
from tests.unit.service_chat.safety.small import EXAMPLES, packaged

#: What the tests of the lexicons rest on: sentences of the twelve languages.
OURS = (
    *(text for rows in test_european.GRAVE.values() for text, *_ in rows),
    *(text for rows in test_scripts.DANGERS.values() for text, *_ in rows),
    *(text for texts in test_scripts.MILD.values() for text in texts),
    *(text for text, _ in (*test_english_words._FOUND, *test_english_words._ABSENT)),
)


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


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("mama dosta\u0142a udaru", "pl"),
        ("\u0142zawi\u0105 mi oczy", "pl"),
        ("quels m\u00e9dicaments je prends ?", "fr"),
        ("crise d'\u0153d\u00e8me", "fr"),
        ("Fu\u00dfpilz", "de"),
        ("pi\u00f1a y ara\u00f1azo", "es"),
        ("\u00bfcita?", "es"),
        ("inje\u00e7\u00f5es", "pt"),
        ("mal di gola", "it"),
        ("Pani Do\u0142\u0119ga", "pl"),
    ],
)
def test_a_letter_that_one_language_has_tells_a_short_text(ruleset: Ruleset, text: str, language: str) -> None:
    assert ruleset.assess(text).language == language


@pytest.mark.parametrize("text", ["Dr. M\u00fcller said my knee is fine", "I see Se\u00f1or Mu\u00f1oz about my knee"])
def test_a_name_keeps_its_letters_and_the_sentence_its_language(ruleset: Ruleset, text: str) -> None:
    assert ruleset.assess(text).language == "en"


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("main marna chahti hu", Flag.SELF_HARM),
        ("mujhe seene mein dard hai", Flag.CARDIAC),
        ("mere papa behosh ho gaye", Flag.ALTERED_CONSCIOUSNESS),
        ("mera baccha saans nahi le pa raha", Flag.BREATHING),
    ],
)
def test_hindi_in_latin_letters_is_told_and_its_dangers_are_found(ruleset: Ruleset, text: str, flag: Flag) -> None:
    floor = ruleset.assess(text)
    assert floor.language == "hi"
    assert flag in {found.flag for found in floor.flags}
    assert floor.acuity >= Acuity.EMERGENCY


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("la main me fait mal depuis hier", "fr"),
        ("par moments j'ai mal \u00e0 la main", "fr"),
        ("my main problem is a sore throat", "en"),
        ("ho mal di testa", "it"),
        ("se mi muovo mi fa male la schiena", "it"),
        ("me duele la mano si me muevo", "es"),
        ("me sinto mal por causa do calor", "pt"),
    ],
)
def test_small_words_that_hindi_shares_turn_no_sentence_into_hindi(ruleset: Ruleset, text: str, language: str) -> None:
    told = ruleset.explain(text).spoken
    assert told.language == language
    assert "hi" not in told.voices[0]


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("Готовы ли мои анализы?", Acuity.ROUTINE),
        ("Сегодня вечером мои родители приедут к нам", Acuity.ROUTINE),
        ("Принимаю Nurofen, мои колени болят", Acuity.ROUTINE),
        ("У нас всё хорошо, спасибо", Acuity.ROUTINE),
        ("mam od wczoraj katar", Acuity.ROUTINE),
        ("me molesta un poco la garganta", Acuity.ROUTINE),
        ("I need an orthopedics referral", Acuity.ROUTINE),
        ("p\u00e9 de atleta", Acuity.ROUTINE),
        ("d\u00f3i o p\u00e9 desde ontem", Acuity.ROUTINE),
    ],
)
def test_a_word_that_looks_like_one_of_another_language_raises_no_alarm(
    ruleset: Ruleset, text: str, most: Acuity
) -> None:
    assert ruleset.assess(text).acuity <= most


def test_short_words_in_capitals_are_meant_in_any_sentence(ruleset: Ruleset) -> None:
    def named(text: str) -> set[tuple[str, str]]:
        return {(hit.concept, hit.language) for hit in ruleset.explain(text).findings.hits}

    assert ("infection_said", "en") not in named("yo tengo uti desde ayer")
    assert {language for _, language in named("yo tengo UTI desde ayer")} >= {"en"}


@pytest.mark.parametrize(
    "text",
    [
        "Ich habe früher nie Übelkeit gehabt, jetzt wird mir plötzlich übel und ich spüre Lähmungen",
        "Mein Kind möchte nichts trinken und ist sehr schläfrig",
        "Die Füße fühlen sich taub an und die Lippen werden bläulich",
        "Ich möchte nicht mehr leben",
        "kein Erstickungsgefühl, natürlich nur müde",
    ],
)
def test_german_is_read_alike_with_umlauts_and_with_two_letters_for_them(ruleset: Ruleset, text: str) -> None:
    letters = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ü": "Ue", "ß": "ss"})
    written, plain = ruleset.explain(text), ruleset.explain(text.translate(letters))
    assert plain.floor.language == written.floor.language == "de"
    assert plain.floor.acuity == written.floor.acuity
    assert [(hit.concept, hit.assertion) for hit in plain.findings.hits] == [
        (hit.concept, hit.assertion) for hit in written.findings.hits
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Nina maumivu makali ya kifua tangu jana",
        "Mtoto wangu hawezi kupumua vizuri",
        "가슴이 너무 아프고 숨이 차요",
        "Kalbim çok hızlı atıyor, nefes alamıyorum",
        "Tôi bị đau ngực và khó thở",
        "Πονάει το στήθος μου και δεν μπορώ να αναπνεύσω",
        "Ο μικρός έχει υψηλό πυρετό",
        "כואב לי החזה ואני לא מצליח לנשום",
        "เจ็บหน้าอกหายใจไม่ออก",
        "Naninikip ang dibdib ko at hindi ako makahinga",
        "Mă doare pieptul și nu pot respira",
        "Bolí mě na hrudi a nemůžu dýchat",
        "Mwanangu ana homa kali na anatapika",
        "Boli me glava i imam temperaturu",
        "Kaip man gauti gydytoja, skauda galva",
        "Skauda krūtinę ir sunku kvėpuoti",
        "Mwen gen doulè nan pwatrin",
        "боли ме гърдите, не мога да дишам",
        "дуже болить у грудях, не можу дихати",
        "قفسه سینه‌ام درد می‌کند",
        "سینے میں درد ہے",
        "আমার বুকে ব্যথা",
    ],
)
def test_a_complaint_in_a_language_that_nobody_here_reads_is_seen_within_a_day(ruleset: Ruleset, text: str) -> None:
    floor = ruleset.assess(text)
    assert Notice.LANGUAGE_UNSUPPORTED in floor.notices
    assert floor.acuity >= Acuity.URGENT


@EXAMPLES
@given(st.lists(st.sampled_from(OURS), min_size=1, max_size=3))
def test_a_supported_language_is_never_called_unsupported(texts: list[str]) -> None:
    assert Notice.LANGUAGE_UNSUPPORTED not in packaged().assess("\n".join(texts)).notices


@pytest.mark.parametrize("text", OURS)
def test_no_sentence_of_ours_is_called_foreign(ruleset: Ruleset, text: str) -> None:
    assert Notice.LANGUAGE_UNSUPPORTED not in ruleset.assess(text).notices
