"""Whose record need not be looked at before a question is refused: nobody whom it would make an emergency."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.evaluation.vignettes import Vignette, load
from tests.fakes.answers import guard

GUARD = guard()
TODAY = date(2026, 11, 1)
VIGNETTES = load()
#: Those whose patient makes the difference, and everybody's words.
PATIENTS = [vignette for vignette in VIGNETTES if vignette.patient is not None]
TEXTS = sorted({vignette.text for vignette in VIGNETTES})


@given(st.sampled_from(TEXTS), st.sampled_from(PATIENTS))
def test_what_any_record_makes_an_emergency_is_never_left_unlooked_at(text: str, patient_of: Vignette) -> None:
    heard = GUARD.hear(text)
    if GUARD.of_text(heard).emergency or not GUARD.of_record(heard, patient_of.record(TODAY)).emergency:
        return
    assert GUARD.record_matters(heard)


@pytest.mark.parametrize(
    "said", ["Can I take ibuprofen?", "I have a cough.", "When is my next appointment?", "My knee is sore."]
)
def test_what_no_record_makes_grave_is_refused_without_one(said: str) -> None:
    assert not GUARD.record_matters(GUARD.hear(said))


@pytest.mark.parametrize(
    "said", ["I have a fever.", "I took viagra.", "I keep vomiting and can't keep my tablets down."]
)
def test_what_some_record_makes_grave_is_looked_at_with_it(said: str) -> None:
    assert GUARD.record_matters(GUARD.hear(said))
