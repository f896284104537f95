from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.assess import Ruleset
from service_chat.safety.folding import fold
from service_chat.safety.spelling import Spelling
from tests.unit.service_chat.safety.small import EXAMPLES, of, packaged, small


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return small(tmp_path_factory.mktemp("data"))


def forms(ruleset: Ruleset, word: str, language: str = "en") -> list[str]:
    return list(Spelling(ruleset.speller, frozenset({language})).forms(word, language))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("chset", "chest"), ("chesst", "chest"), ("brethe", "breathe"), ("feverr", "fever"), ("swolen", "swollen"),
        ("appoinment", "appointment"), ("feeeever", "fever"), ("ch3st", "chest"), ("chest's", "chest"),
    ],
)  # fmt: skip
def test_typing_errors_are_repaired_into_the_lexicon(ruleset: Ruleset, typed: str, meant: str) -> None:
    assert meant in forms(ruleset, typed)


def test_foreign_words_are_no_typing_errors(ruleset: Ruleset) -> None:
    assert list(Spelling(ruleset.speller, frozenset({"es"})).forms("chesst", "en")) == ["chesst"]


def test_four_letters_may_have_swapped_neighbours(ruleset: Ruleset) -> None:
    assert "rash" in forms(ruleset, "rsah")


@pytest.mark.parametrize("word", ["heard", "chess", "there"])
def test_common_words_are_left_alone(ruleset: Ruleset, word: str) -> None:
    assert forms(ruleset, word) == [word]


@pytest.mark.parametrize(
    ("word", "language", "danger"),
    [
        ("succéder", "fr", "suicider"), ("employer", "fr", "exploser"), ("scherz", "de", "schmerz"),
        ("провериться", "ru", "повеситься"), ("الانتظار", "ar", "الانتحار"), ("desconto", "pt", "descendo"),
    ],
)  # fmt: skip
def test_an_ordinary_word_is_no_typing_error_for_a_danger(word: str, language: str, danger: str) -> None:
    known = fold(word)
    assert danger not in forms(packaged(), known, language)
    assert packaged().speller.is_ordinary(known, language)


@pytest.mark.parametrize(("typed", "language", "meant"), [("schmrezen", "de", "schmerzen"), ("doloor", "es", "dolor")])
def test_typing_errors_of_other_languages_are_still_repaired(typed: str, language: str, meant: str) -> None:
    assert meant in forms(packaged(), typed, language)


@pytest.mark.parametrize("typed", ["withot", "wihtout", "denise", "deneis"])
def test_nothing_is_ever_repaired_into_a_denial(ruleset: Ruleset, typed: str) -> None:
    assert not {"without", "denies", "not", "no"} & set(forms(ruleset, typed))
    findings = ruleset.explain(f"{typed} fever").findings
    assert [hit.assertion.value for hit in of(findings, "fever")] == ["present"]


@EXAMPLES
@given(st.text("abcdefghijklmnopqrstuvwxyz'0123456789", min_size=1, max_size=60))
def test_a_word_is_always_its_own_first_form(word: str) -> None:
    ruleset = _shared()
    assert forms(ruleset, word)[0] == word


_SHARED: list[Ruleset] = []


@pytest.fixture(autouse=True, scope="module")
def _share(ruleset: Ruleset) -> None:
    _SHARED.append(ruleset)


def _shared() -> Ruleset:
    return _SHARED[0]


def test_a_word_of_a_thousand_letters_costs_nothing_special(ruleset: Ruleset, tmp_path: Path) -> None:
    assert forms(ruleset, "x" * 8000) == ["x" * 8000]
