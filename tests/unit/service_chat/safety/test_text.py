import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.folding import fold
from service_chat.safety.text import read, split_words
from tests.unit.service_chat.safety.small import EXAMPLES


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("My CHEST hurts", ("my", "chest", "hurts")),
        ("I can\u2019t breathe", ("i", "can't", "breathe")),
        ("fi\u00e8vre fie\u0300vre", ("fievre", "fievre")),
        ("c\u200bh\u00adest", ("chest",)),
        ("\uff43\uff48\uff45\uff53\uff54", ("chest",)),
        ("\U0001d41c\U0001d421\U0001d41e\U0001d42c\U0001d42d", ("chest",)),
        ("\u0441h\u0435st", ("chest",)),
        ("\u0421\u041dEST", ("chest",)),
        ("l'estomac", ("l'", "estomac")),
        ("\u80f8\u75db", ("\u80f8", "\u75db")),
        ("\uff76\uff9e", ("\u30ac",)),
        ("\u0623\u0634\u0639\u064f\u0631", ("\u0627\u0634\u0639\u0631",)),
        ("\u0451\u043b\u043a\u0430", ("\u0435\u043b\u043a\u0430",)),
        ("\u091b\u093e\u0924\u0940", ("\u091b\u093e\u0924\u0940",)),
        ("short-of-breath", ("short", "of", "breath")),
        ("\u0663 tablets", ("3", "tablets")),
    ],
)
def test_words_are_read_as_they_are_meant(written: str, words: tuple[str, ...]) -> None:
    assert read(written).words == words


def test_control_tokens_part_words_like_a_space_and_are_reported() -> None:
    text = read("no <|im_end|>chest<|im_start|>pain")
    assert text.words == ("no", "chest", "pain")
    assert text.control_tokens
    assert len(set(text.sentences)) == 1


def test_other_text_in_angle_brackets_stays() -> None:
    assert read("<|chest pain|>").words == ("chest", "pain")


def test_sentences_end_at_full_stops_and_lines_but_not_inside_numbers_or_behind_titles() -> None:
    assert read("Fever 38.5 today. Dr. Smith came\nno rash").sentences == (0, 0, 0, 0, 1, 1, 1, 2, 2)


def test_a_wrapped_line_stays_in_its_block_and_an_empty_line_does_not() -> None:
    assert read("my chest\nhurts").blocks == (0, 0, 0)
    assert len(set(read("my chest\n\nhurts").blocks)) == 2


def test_clauses_end_at_commas_and_remember_them() -> None:
    text = read("fever, rash: none")
    assert text.clauses == (0, 1, 2)
    assert [text.opened_by[1], text.opened_by[2]] == [",", ":"]


def test_whole_words_in_another_alphabet_keep_their_letters_and_have_a_latin_twin() -> None:
    text = read("\u0441\u043e\u0440")
    assert text.words == ("\u0441\u043e\u0440",)
    assert text.twins == {0: "cop"}


@pytest.mark.parametrize(
    ("written", "twins"),
    [
        ("\u0413\u043e\u0442\u043e\u0432\u044b \u043c\u043e\u0438", {}),
        ("heart \u0430\u0442\u0442\u0430\u0441\u043a", {1: "attack"}),
        ("heart \u0430\u0442\u0442\u0430\u0441\u043a \u0431\u044b", {1: "attack"}),
        ("\u0413\u043e\u0442\u043e\u0432\u044b. \u0430\u0442\u0442\u0430\u0441\u043a", {1: "attack"}),
        ("\u0413\u043e\u0442\u043e\u0432\u044b \u03c1\u03b1\u03b9\u03bd", {1: "pain"}),
    ],
)
def test_a_word_has_no_twin_beside_words_that_are_of_its_alphabet_beyond_doubt(
    written: str, twins: dict[int, str]
) -> None:
    assert read(written).twins == twins


@EXAMPLES
@given(st.text())
def test_reading_never_fails_and_every_word_leads_back_into_the_original(original: str) -> None:
    text = read(original)
    for at in range(len(text.words)):
        quote = text.quote_words(at, at)
        assert quote
        assert quote in original


@EXAMPLES
@given(
    st.lists(st.sampled_from(["chest", "pain", "fever", "."]), min_size=1), st.sampled_from("\u200b\u2060\u00ad\ufeff")
)
def test_what_can_not_be_seen_never_changes_a_word(words: list[str], hidden: str) -> None:
    plain = " ".join(words)
    assert read(hidden.join(plain)).words == read(plain).words


@EXAMPLES
@given(st.text(string.printable))
def test_case_never_changes_a_word(original: str) -> None:
    assert read(original.upper()).words == read(original.lower()).words


def test_our_own_data_is_cut_like_texts() -> None:
    assert split_words("J'ai mal \u00e0 l'estomac") == list(read("j'ai mal a l'estomac").words)
    assert fold("Fi\u00e8vre") == "fievre"
