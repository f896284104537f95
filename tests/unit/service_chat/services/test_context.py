import os
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.records.ports import AllergyStatus, PatientRecord
from service_chat.records.synthetic import synthetic_patients
from service_chat.services.context import context_of
from service_chat.services.fitting import whole
from service_chat.services.record_items import Kind, Tier
from service_chat.services.redaction import Redaction
from tests.unit.service_chat.services.full_records import RECORD, longest_record

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "50"))
PATIENTS = list(synthetic_patients())


def test_each_kind_has_a_letter_of_its_own_and_ids_count_from_the_newest() -> None:
    assert len({kind.letter for kind in Kind}) == len(Kind)
    context = context_of(RECORD)
    assert context.ids == ("A1", "M1", "M2", "C1", "C2", "C3", "V1", "L1", "L2", "L3", "E1", "E2", "D1")
    warfarin, inr = context.item("M1"), context.item("L1")
    assert warfarin is not None
    assert inr is not None
    assert warfarin.text == "Warfarin 5 MG Oral Tablet: one tablet in the evening"
    assert warfarin.source == "medicines, code 855332"
    assert (inr.text, inr.date) == ("INR 3.4 {ratio}", date(2026, 11, 20))
    assert context.item("M9") is None


def test_what_is_told_twice_stands_once() -> None:
    texts = [item.text for item in context_of(RECORD).items if item.kind is Kind.MEDICATION]
    assert texts == ["Warfarin 5 MG Oral Tablet: one tablet in the evening", "Metoprolol 50 MG: on hold"]


def test_what_is_over_and_what_is_no_disease_are_less_dear_than_what_is_there() -> None:
    tiers = {item.text: item.tier for item in context_of(RECORD).items if item.kind is Kind.CONDITION}
    assert tiers == {
        "Atrial fibrillation": Tier.CURRENT,
        "Full-time employment": Tier.SOCIAL,
        "Acute bronchitis (resolved 2019-01)": Tier.RESOLVED,
    }


def test_of_a_value_the_newest_counts_and_the_one_before_it_is_old() -> None:
    labs = [(item.text, item.tier) for item in context_of(RECORD).items if item.kind is Kind.LAB]
    assert labs == [
        ("INR 3.4 {ratio}", Tier.CURRENT),
        ("Troponin <5 ng/L", Tier.OLD_LAB),
        ("INR 2.1 {ratio}", Tier.OLD_LAB),
    ]


def test_values_that_are_looked_for_first_stand_first_and_are_short() -> None:
    names = ("Urea", "MCV", "Potassium", "Platelets", "Creatinine")
    labs = tuple(replace(RECORD.labs[0], name=name, value=423.0412, unit="U") for name in names)
    texts = [item.text for item in context_of(replace(RECORD, labs=labs)).items if item.kind is Kind.LAB]
    assert texts == ["Creatinine 423 U", "Potassium 423 U", "Platelets 423 U", "Urea 423 U", "MCV 423 U"]


@pytest.mark.parametrize(("value", "said"), [(5, "5"), (0.0231, "0.0231"), (250_000, "250000"), (1234.5678, "1235")])
def test_a_figure_is_written_out(value: float, said: str) -> None:
    item = context_of(replace(RECORD, labs=(replace(RECORD.labs[0], value=value),))).item("L1")
    assert item is not None
    assert item.text == f"INR {said} {{ratio}}"


def test_what_was_measured_at_birth_does_not_tell_the_day() -> None:
    context = context_of(replace(RECORD, birth_date=RECORD.labs[0].taken_at.date()))
    item = context.item("L1")
    assert item is not None
    assert (item.text, item.date) == ("INR 3.4 {ratio} (at birth)", None)
    assert "2026-11-20" not in whole(context)


def test_pregnancy_age_and_death_are_said_of_the_person() -> None:
    assert context_of(RECORD).about == ("Patient: female, 41 years old", "Pregnant: yes, 31 weeks")
    dead = context_of(replace(RECORD, deceased=True))
    assert dead.about[0].endswith(", deceased")


@pytest.mark.parametrize(
    ("born", "said"),
    [
        (date(2026, 11, 11), "10 days old"),
        (date(2026, 6, 30), "4 months old"),
        (date(2025, 1, 21), "22 months old"),
        (date(2024, 11, 21), "2 years old"),
        (None, "age not recorded"),
    ],
)
def test_a_small_child_is_as_old_in_months_as_it_is(born: date | None, said: str) -> None:
    assert context_of(replace(RECORD, birth_date=born)).about[0] == f"Patient: female, {said}"


def test_nobody_asked_and_none_known_are_told_apart() -> None:
    for status, said in ((AllergyStatus.NONE_KNOWN, "none known"), (AllergyStatus.NOT_RECORDED, "not recorded")):
        record = replace(RECORD, allergies=(), allergy_status=status)
        assert f"Allergies: {said}" in context_of(record).about
    asked = replace(RECORD, allergies=(), allergy_status=AllergyStatus.NONE_KNOWN, allergies_denied=("drug",))
    assert "Allergies: none known (drug)" in context_of(asked).about


@pytest.mark.parametrize("record", [*PATIENTS, RECORD, longest_record()], ids=lambda record: record.mrn)
def test_no_context_names_the_patient_and_each_holds_what_must_not_be_missed(record: PatientRecord) -> None:
    text = whole(context_of(record))
    assert record.mrn not in text
    assert record.birth_date is None or record.birth_date.isoformat() not in text
    for allergy in record.allergies:
        assert allergy.substance.removesuffix(" (substance)") in text
    for medication in record.medications:
        assert medication.name in text


#: Letters that no word of the record above is made of.
CANARIES = st.text(alphabet="qxzQXZ", min_size=4, max_size=12)


@settings(max_examples=EXAMPLES)
@given(first=CANARIES, last=CANARIES, mrn=CANARIES, born=st.dates(date(1930, 1, 1), date(2026, 1, 1)))
def test_no_word_that_the_store_knows_to_be_private_ever_enters(first: str, last: str, mrn: str, born: date) -> None:
    told = f"{first} {last}, MRN {mrn}, born {born:%Y-%m-%d}, in other words {born:%m/%d/%Y}: {last.upper()}'s pain."
    record = replace(
        RECORD,
        mrn=mrn,
        birth_date=born,
        conditions=tuple(replace(each, display=f"{each.display} of {first}") for each in RECORD.conditions),
        medications=tuple(replace(each, sig=f"for {last}") for each in RECORD.medications),
        allergies=tuple(replace(each, reaction=told) for each in RECORD.allergies),
        encounters=tuple(replace(each, reason=told, notes=told) for each in RECORD.encounters),
        documents=tuple(replace(each, title=told, text=told) for each in RECORD.documents),
    )
    text = whole(context_of(record, private=(first, last))).casefold()
    for canary in (first, last, mrn, f"{born:%Y-%m-%d}", f"{born:%m/%d/%Y}"):
        assert canary.casefold() not in text
    assert "pain" in text


@pytest.mark.parametrize(
    "private",
    [
        "Treva754 Lashon823",
        "Mrs. Anna Kowalska",
        "Dr José Muñoz",
        "anna.k@example.org",
        "https://portal.example.org/p/77",
        "f9d3a4a9-30e6-ad01-b6f6-bdd049b94c4c",
        "+44 20 7946 0958",
        "(555) 010-4477",
        "999-12-3456",
        "MRN: A-7741",
        "Policy no. 88-1",
        "12 Long Meadow Road, Springfield, MA 01101",
    ],
)
def test_what_looks_like_a_person_or_a_number_of_one_is_taken_out(private: str) -> None:
    text = Redaction().typed(f"Today {private} came with a cough. It is worse at night.")
    assert private not in text
    assert not {word for word in private.split() if len(word) > 3} & set(text.split())
    assert "cough" in text
    assert "worse at night" in text


def test_who_pays_and_who_somebody_is_are_no_health() -> None:
    text = Redaction().typed(
        "Patient currently has Medicare. She is a 65 year-old nonhispanic white female. She smokes."
    )
    assert text == "She is a 65 year-old female. She smokes."


@pytest.mark.parametrize("text", ["COVID19 last year", "Vitamin B12 600 MG", "98.6 F, BP 120/80", "Insulin 70/30"])
def test_what_only_resembles_a_name_stays(text: str) -> None:
    assert Redaction().typed(text) == text


def test_an_excerpt_is_whole_sentences() -> None:
    letter = replace(RECORD.documents[0], text="This sentence is one of many that say the same. " * 40)
    item = context_of(replace(RECORD, documents=(letter,))).item("D1")
    assert item is not None
    assert len(item.text) < 640
    assert item.text.endswith("that say the same. …")
