"""Names of drugs: as they are listed, as people spell them, in every script, and the words that must not become one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.drugs import DrugTable
from service_chat.safety.packaged import Packaged
from service_chat.safety.text import read

PROBLEMS: list[str] = []
TABLE = DrugTable.read(Packaged(), PROBLEMS)

#: The families that rules and conditions may name: other rooms rely on every one of them.
FAMILIES = (
    "anticoagulant antiplatelet insulin sulfonylurea metformin steroid immunosuppressant chemotherapy biologic lithium "
    "digoxin opioid benzodiazepine nsaid acei_arb potassium_sparing antiepileptic maoi ssri_snri triptan thyroid "
    "methotrexate clozapine contraceptive_estrogen diuretic"
)


def found(text: str) -> list[str]:
    return [mention.entry.id for mention in TABLE.find(read(text).words)]


def test_the_packaged_table_contradicts_itself_nowhere() -> None:
    assert PROBLEMS == []
    assert set(FAMILIES.split()) <= TABLE.classes
    assert len(TABLE.entries) > 350


def test_a_name_that_means_two_things_is_a_problem() -> None:
    class Twice(Packaged):
        def read(self, path: str, problems: list[str]) -> dict[str, object]:
            return {"drug": {"one": {"names": ["same"]}, "two": {"is": ["nowhere"], "names": ["same"]}}}

    problems: list[str] = []
    DrugTable.read(Twice(), problems)
    assert any("'same' means both one and two" in problem for problem in problems)
    assert any("there is no class nowhere" in problem for problem in problems)


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        ("Advil with my Coumadin", ["ibuprofen", "warfarin"]),
        ("a Z-Pak and co-codamol", ["azithromycin", "co_codamol"]),
        ("Tylenol with codeine", ["co_codamol"]),
        ("acetylsalicylic acid", ["aspirin"]),
        ("a blood thinner and water pills", ["anticoagulant", "diuretic"]),
        ("ibuprofeno y acenocumarol", ["ibuprofen", "acenocoumarol"]),
        ("du Doliprane et de l'ibuprofène", ["acetaminophen", "ibuprofen"]),
        ("Paracetamol oder Marcumar", ["acetaminophen", "phenprocoumon"]),
        ("biorę warfarynę i ibuprofenu", ["warfarin", "ibuprofen"]),
        ("варфарина и ибупрофеном", ["warfarin", "ibuprofen"]),
        ("华法林和布洛芬", ["warfarin", "ibuprofen"]),
        ("ワーファリンとロキソニン", ["warfarin", "loxoprofen"]),
        ("الوارفارين والباراسيتامول", ["warfarin", "acetaminophen"]),
        ("वारफेरिन और पैरासिटामोल", ["warfarin", "acetaminophen"]),
    ],
)
def test_a_drug_is_found_by_its_brand_its_slang_and_in_every_script(text: str, drugs: list[str]) -> None:
    assert found(text) == drugs


@pytest.mark.parametrize(
    ("written", "drug"),
    [
        ("ibuprofin", "ibuprofen"),
        ("warferin", "warfarin"),
        ("tylonol", "acetaminophen"),
        ("acetaminophine", "acetaminophen"),
        ("amoxocillin", "amoxicillin"),
        ("predisone", "prednisone"),
        ("viagara", "sildenafil"),
        ("zanax", "alprazolam"),
        ("WARFARIN", "warfarin"),
        ("w\u200barfarin", "warfarin"),
        ("w\u0430rf\u0430rin", "warfarin"),  # Cyrillic letters inside
    ],
)
def test_a_drug_is_found_however_it_is_typed(written: str, drug: str) -> None:
    assert found(f"can i take {written} today") == [drug]


@pytest.mark.parametrize(
    "text",
    [
        "the station, a heroine, an alcoholic uncle and the longest program",
        "I swallowed a lithium battery",
        "diabetic, cervical, carcinoma, morphing, aspiring",
        "insulin resistance runs in the family",
        "un concert dans la cocina con certeza",
        "non-alcoholics in the marine corps",
    ],
)
def test_a_word_of_everyday_life_never_becomes_a_drug(text: str) -> None:
    assert found(text) == []


def test_what_stays_on_the_skin_or_in_the_lung_is_not_taken_as_a_tablet_would_be() -> None:
    assert "steroid" in TABLE.classes_of("Hydrocortisone 20 MG Oral Tablet")
    assert "steroid" not in TABLE.classes_of("Hydrocortisone 1% cream")
    assert "immunosuppressant" not in TABLE.classes_of("Tacrolimus 0.1% ointment")
    assert "steroid" not in TABLE.classes_of("budesonide 0.125 MG/ML Inhalation Suspension")
    assert "nsaid" not in TABLE.classes_of("Diclofenac 1% topical gel")


@pytest.mark.parametrize(
    ("display", "family"),
    [
        ("24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet", "metformin"),
        ("insulin isophane, human 70 UNT/ML / insulin, regular, human 30 UNT/ML [Humulin]", "insulin"),
        ("Amoxicillin 250 MG / Clavulanate 125 MG Oral Tablet", "penicillin"),
        ("Levora 0.15/30 28 Day Pack", "contraceptive_estrogen"),
        ("Mycophenolate mofetil 500 mg", "immune_low"),
        ("sacubitril 49 MG / valsartan 51 MG", "acei_arb"),
        ("prasugrel 10 MG Oral Tablet", "antiplatelet"),
    ],
)
def test_a_prescription_as_a_record_writes_it_has_its_families(display: str, family: str) -> None:
    assert family in TABLE.classes_of(display)


def test_a_code_speaks_where_the_display_says_nothing() -> None:
    assert TABLE.classes_of("Prescription 12", "B01AA03") == {"anticoagulant"}
    assert TABLE.classes_of("Prescription 12", "855332") == frozenset()


@given(st.text(max_size=80))
def test_no_text_makes_the_search_fail_and_every_mention_lies_inside_it(text: str) -> None:
    words = read(text).words
    for mention in TABLE.find(words):
        assert 0 <= mention.first <= mention.last < len(words)


@given(st.sampled_from(sorted(TABLE.entries)), st.text(max_size=30), st.text(max_size=30))
def test_a_name_is_found_in_the_middle_of_anything(name: str, before: str, after: str) -> None:
    if not TABLE.entries[name].substances:
        return  # a family's id is no word of anybody
    spoken = name.replace("_", " ")
    alone = found(spoken)
    assert alone
    assert set(alone) <= {*found(f"{before}\n. {spoken} .\n{after}")}
