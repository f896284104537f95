"""The patients that a page may name to anybody: made-up ones, and never a person."""

from dataclasses import replace
from pathlib import Path

import pytest

from service_chat.records.examples import examples_in
from service_chat.records.ports import Sex
from service_chat.records.sqlite import SqliteRecords
from service_chat.records.synthetic import synthetic_patients
from serving.errors import DependencyFailed
from tests.fakes.records import FakeRecords

pytestmark = pytest.mark.anyio

MADE = synthetic_patients()


async def test_the_embedded_records_offer_a_few_of_their_own_each_in_a_line(tmp_path: Path) -> None:
    store = await SqliteRecords.open(tmp_path / "records.sqlite")
    try:
        told = await examples_in(store)
    finally:
        await store.aclose()
    assert 4 <= len(told) <= 10
    assert (told[0].mrn, told[0].about) == ("P000123", "Man, 64: essential hypertension, atrial fibrillation")
    assert "Woman, 41: pregnant, week 32, gestational hypertension" in [each.about for each in told]
    assert "Boy, under 1: nothing on record" in [each.about for each in told]


async def test_a_person_who_was_imported_under_a_made_up_number_is_not_named() -> None:
    real = [replace(each, sex=Sex.UNKNOWN) if each.mrn == "P000123" else each for each in MADE]
    told = await examples_in(FakeRecords(real))
    assert told
    assert "P000123" not in [each.mrn for each in told]


async def test_other_records_and_broken_ones_offer_nobody() -> None:
    assert await examples_in(FakeRecords(())) == ()
    assert await examples_in(FakeRecords(MADE, DependencyFailed())) == ()
