"""What names a person leaves the texts of a record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.records.redaction import REMOVED, Private, redacted

WHO = Private(("Will May-Rose", "José Eduardo181"), ("P-77 12", "1990-03-15", "7 Elm Street"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Will was seen. He will come back in May.", f"{REMOVED} was seen. He will come back in May."),
        ("WILL's cough", f"{REMOVED}'s cough"),
        ("José Eduardo181\n is well", f"{REMOVED} {REMOVED}\n is well"),
        ("number p-77 12, born 1990-03-15 at 7 elm street", f"number {REMOVED}, born {REMOVED} at {REMOVED}"),
        ("Goodwill and Williams stay", "Goodwill and Williams stay"),
        ("Has Medicaid. Coughs.", "Coughs."),
        ("Patient currently has NO INSURANCE.\nCoughs.", "Coughs."),
    ],
)
def test_names_numbers_and_payers_are_taken_out_and_words_stay(text: str, kept: str) -> None:
    assert redacted(text, WHO) == kept


@given(st.text(max_size=60), st.text("abcdefghXYZ", min_size=4, max_size=12))
def test_a_name_as_it_is_written_never_stays(around: str, name: str) -> None:
    assert f" {name} " not in f" {redacted(f'{around} {name} {around}', Private((name,)))} "


def test_without_anything_private_a_text_is_what_it_was() -> None:
    assert redacted("Coughs since Monday.\n\nNo fever.", Private()) == "Coughs since Monday.\n\nNo fever."
