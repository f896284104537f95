"""Words with signs or figures for letters, or with their letters apart, and what must not be taken for such a word."""

import pytest

from service_chat.safety.text import read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("k!ll me", ("kill", "me")),
        ("su!c!de", ("suicide",)),
        ("i h@rm me", ("i", "harm", "me")),
        ("s u i c i d a l", ("suicidal",)),
        ("k.i.l.l me", ("kill", "me")),
    ],
)
def test_a_disguised_word_is_read_as_it_is_meant(text: str, words: tuple[str, ...]) -> None:
    assert read(text).words == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hi!my chest", ("hi", "my", "chest")),
        ("no!it hurts", ("no", "it", "hurts")),
        ("u.s.a.", ("u", "s", "a")),
        ("write to jo@clinic.org", ("write", "to", "jo", "clinic", "org")),
        ("$20 a visit", ("20", "a", "visit")),
    ],
)
def test_what_only_looks_like_a_disguise_stays_as_it_is(text: str, words: tuple[str, ...]) -> None:
    assert read(text).words == words


def test_a_word_with_its_letters_apart_is_quoted_whole() -> None:
    text = read("so s u i c i d a l")
    assert text.quote_words(1, 1) == "s u i c i d a l"
