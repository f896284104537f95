"""The reader that may only raise: what it promises whatever it has learned."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scripts.second_reader.__main__ import MESSAGES, messages
from scripts.second_reader.features import words_of
from scripts.second_reader.model import Reader

VOCABULARY = ("my", "chest", "hurts", "since", "3", "days", "no", "pain", "at", "all", "it's", "fine", "now", "call")
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=30)
TEXT = WORDS.map(" ".join)
#: Sums of floats, added up from another word on.
ROUNDING = 1e-3


def reader_of_anything() -> Reader:
    reader = Reader()
    with torch.no_grad():
        reader.weights.copy_(torch.randn(len(reader.weights), generator=torch.Generator().manual_seed(1)))
    return reader


READER = reader_of_anything()


@given(TEXT, TEXT, TEXT)
def test_words_before_and_behind_a_text_never_lower_its_score(before: str, text: str, behind: str) -> None:
    alone, within = READER.scores([text, f"{before} {text} {behind}"])
    assert within >= alone - ROUNDING


def test_it_learns_what_is_told_to_it() -> None:
    grave = [f"choking {who} {when}" for who in ("he", "she", "my son", "dad") for when in ("now", "at all")]
    mild = [f"sneezing {who} {when}" for who in ("he", "she", "my son", "dad") for when in ("now", "at all")]
    reader = Reader()
    reader.learn([*grave, *mild], [True] * len(grave) + [False] * len(mild), epochs=15)
    scores = reader.scores(["choking mum", "sneezing mum", ""])
    assert scores[0] > scores[1]
    assert scores[2] < -1e8


def test_a_number_counts_by_its_length_and_a_word_in_lower_case() -> None:
    assert words_of("SpO2 84, it\u2019s LOW") == ["spo", "#1", "#2", "it's", "low"]


@pytest.mark.parametrize("language", ["en", "hi"])
def test_the_messages_can_be_read_and_are_of_both_kinds(language: str) -> None:
    texts, grave = messages(MESSAGES, language)
    assert len(texts) == len(set(texts))
    assert any(grave)
    assert not all(grave)
