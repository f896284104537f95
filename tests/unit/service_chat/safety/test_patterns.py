import pytest

from service_chat.safety.matcher import Matcher
from service_chat.safety.patterns import PatternError, parse
from service_chat.safety.spelling import exact
from service_chat.safety.text import read


def found(pattern: str, text: str, language: str = "en") -> list[str]:
    matcher = Matcher()
    matcher.add(language, pattern, "it")
    matcher.seal()
    words = read(text)
    tongues = [(language,)] * (words.sentences[-1] + 1 if words.words else 0)
    return [words.quote_words(match.first, match.last) for match in matcher.find(words, tongues, exact)]


@pytest.mark.parametrize(
    ("pattern", "text", "hits"),
    [
        ("chest pain", "My chest pain is bad", ["chest pain"]),
        ("chest pain", "chest and pain", []),
        ("crush*|squeez*", "crushing and squeezing", ["crushing", "squeezing"]),
        ("*schmerzen", "Brustschmerzen", ["Brustschmerzen"]),
        ("*swell*", "unswellable", ["unswellable"]),
        ("can't .. breathe", "can't really properly even breathe", ["can't really properly even breathe"]),
        ("can't .. breathe", "can't see or hear or breathe", []),
        ("fi\u00e8vre", "FIEVRE", ["FIEVRE"]),
        ("# hours", "for 5 hours", ["5 hours"]),
        ("j'ai mal", "j\u2019ai mal", ["j\u2019ai mal"]),
        (".. years ago", "two years ago", ["years ago"]),
    ],
)
def test_patterns_find_what_they_say(pattern: str, text: str, hits: list[str]) -> None:
    assert found(pattern, text) == hits


def test_a_gap_never_reaches_into_the_next_sentence() -> None:
    assert found("can't .. breathe", "I can't. Breathe!") == []


def test_signs_are_found_without_spaces_and_over_a_gap_of_six() -> None:
    assert found("\u80f8\u75db", "\u6211\u80f8 \u75db", "zh") == ["\u80f8 \u75db"]
    assert found("\u80f8..\u75db", "\u80f8\u53e3\u4e00\u76f4\u5f88\u75db", "zh") != []


def test_what_fills_a_gap_is_not_among_the_words_of_a_match() -> None:
    matcher = Matcher()
    matcher.add("en", "chest .. hurts", "it")
    words = read("chest never hurts")
    assert [match.words for match in matcher.find(words, [("en",)], exact)] == [(0, 2)]


def test_contractions_are_found_without_their_apostrophe() -> None:
    assert found("can't breathe", "I cant breathe") == ["cant breathe"]


def test_only_the_languages_of_a_sentence_are_looked_up() -> None:
    matcher = Matcher()
    matcher.add("fr", "pain", "bread")
    assert matcher.find(read("pain"), [("en",)], exact) == []


@pytest.mark.parametrize("pattern", ["", "..", "|", "*"])
def test_a_pattern_that_says_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern, "en")
