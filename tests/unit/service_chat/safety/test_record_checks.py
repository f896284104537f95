"""A drug in a text against the patient: what is flagged, how urgently, and that a record never lowers anything."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.assess import Checked
from service_chat.safety.facts import allergy_classes
from service_chat.safety.findings import Findings, Hit
from service_chat.safety.packaged import Packaged
from service_chat.safety.record_checks import Tables
from service_chat.safety.text import read
from service_chat.safety.values import Acuity, Assertion, Flag, RecordFacts

PROBLEMS: list[str] = []
TABLES = Tables.read(Packaged(), PROBLEMS)
TONGUES = ("en", "es", "fr", "de", "pt", "it", "pl", "ru", "zh", "ja", "ar", "hi")


def findings(text: str, *signs: str, language: str = "en") -> Findings:
    """A text as `assess` would hand it over; `signs` are concepts that it asserts in its last word."""
    words = read(text)
    last = max(len(words.words) - 1, 0)
    block = words.blocks[last] if words.words else 0
    hits = tuple(Hit(sign, language, last, last, (last,), 0, block, Assertion.PRESENT) for sign in signs)
    sentences = words.sentences[-1] + 1 if words.sentences else 0
    return Findings(words, language, ((language,),) * sentences, hits, ())


def record(
    drugs: Iterable[str] = (),
    conditions: Iterable[str] = (),
    allergies: Iterable[str] = (),
    severe: Iterable[str] = (),
    pregnant: bool | None = None,
    age: float | None = 40,
) -> RecordFacts:
    return RecordFacts(
        age_years=age,
        pregnant=pregnant,
        drugs=tuple((name, drug) for drug in drugs for name in sorted(TABLES.drugs.classes_of(drug))),
        conditions=tuple((name, name) for name in conditions),
        allergies=(
            *((name, drug) for drug in allergies for name in allergy_classes(drug, TABLES.facts)),
            *(("severe", drug) for drug in severe),
        ),
    )


def worst(checked: Checked) -> Acuity:
    return max((flag.acuity for flag in checked.flags), default=Acuity.INFORMATIONAL)


def flags(checked: Checked) -> set[Flag]:
    return {flag.flag for flag in checked.flags}


def test_the_packaged_table_is_right_and_short() -> None:
    assert PROBLEMS == []
    assert len(TABLES.pairs) <= 60
    for hazard in (*TABLES.pairs, *TABLES.cautions, *TABLES.crosses, TABLES.allergy, TABLES.duplicate):
        assert hazard.source.startswith("https://")
        assert "@" in hazard.rule
        assert hazard.one or hazard is TABLES.allergy, hazard.rule
    rules = [hazard.rule for hazard in (*TABLES.pairs, *TABLES.cautions, *TABLES.crosses)]
    assert len(rules) == len(set(rules))


def test_every_sign_that_is_watched_is_a_concept() -> None:
    problems: list[str] = []
    concepts = Packaged().read("concepts.toml", problems)["concept"]
    assert isinstance(concepts, dict)
    watched = {sign for hazard in (*TABLES.pairs, *TABLES.cautions) for sign in hazard.watch}
    said = {concept for kind in TABLES.kinds.conditions for concept in kind.said} | set(TABLES.talk.said)
    assert (watched | said) <= set(concepts)


def test_a_wrong_line_is_a_problem_that_names_it() -> None:
    class Wrong(Packaged):
        def read(self, path: str, problems: list[str]) -> dict[str, object]:
            if path != "interactions.toml":
                return dict(super().read(path, problems))
            pair = {"id": "odd", "a": ["nonsense"], "b": ["nsaid"], "severity": "fatal", "watch": "nothing"}
            return {"pair": [pair, pair]}

    problems: list[str] = []
    Tables.read(Wrong(), problems)
    told = " ".join(problems)
    for what in ("'nonsense'", "'fatal'", "'nothing'", "there twice", "https"):
        assert what in told


# -- asked, taken, with a sign ---------------------------------------------------------------------------------------


def test_asking_for_a_painkiller_on_a_blood_thinner_waits_for_a_clinician_within_the_day() -> None:
    checked = TABLES.check(findings("Can I take ibuprofen for my knee?"), record(["Warfarin 5 mg"]))
    assert (worst(checked), flags(checked)) == (Acuity.URGENT, {Flag.DRUG_INTERACTION})
    (flag,) = checked.flags
    assert flag.evidence == ("ibuprofen",)
    assert flag.record == ("Warfarin 5 mg",)


def test_taken_with_a_sign_of_bleeding_is_an_emergency_and_a_sore_knee_is_no_sign() -> None:
    facts = record(["Apixaban 5 mg"])
    knee = TABLES.check(findings("I took Advil for my sore knee", "pain"), facts)
    blood = TABLES.check(findings("I took Advil and my nose bleeds", "nosebleed"), facts)
    assert (worst(knee), worst(blood)) == (Acuity.URGENT, Acuity.EMERGENCY)


def test_a_nitrate_and_an_erection_drug_is_an_emergency_once_one_is_taken() -> None:
    asked = TABLES.check(findings("Is it safe to use viagra?"), record(["Nitroglycerin 0.4 mg sublingual"]))
    both = TABLES.check(findings("I took viagra an hour ago and have nitroglycerin here"), RecordFacts())
    spray = TABLES.check(findings("I took cialis, can I use my nitro spray?"), RecordFacts())
    faint = TABLES.check(findings("took viagra after my nitro spray, now faint", "near_faint"), RecordFacts())
    assert (worst(asked), worst(both), worst(spray)) == (Acuity.URGENT, Acuity.EMERGENCY, Acuity.EMERGENCY)
    assert worst(faint) is Acuity.EMERGENCY_NOW


def test_an_mao_inhibitor_with_an_ssri_and_shaking_is_an_emergency() -> None:
    text = findings("I took my Zoloft and now I shake and sweat", "tremor", "sweating")
    assert worst(TABLES.check(text, record(["Phenelzine 15 mg"]))) >= Acuity.EMERGENCY


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I'm on warfarin, is motrin ok?"),
        ("es", "¿Puedo tomar ibuprofeno si tomo Sintrom?"),
        ("fr", "Puis-je prendre de l'ibuprofène ? Je prends du Xarelto."),
        ("de", "Darf ich Ibuprofen nehmen? Ich nehme Marcumar."),
        ("pt", "Posso tomar ibuprofeno? Tomo varfarina."),
        ("it", "Posso prendere ibuprofene? Prendo il Coumadin."),
        ("pl", "Czy mogę wziąć ibuprofen? Biorę warfarynę."),
        ("ru", "Можно ли ибупрофен, если я пью варфарин?"),
        ("zh", "我在吃华法林, 可以吃布洛芬吗"),
        ("ja", "ワーファリンを飲んでいますが、イブプロフェンを飲んでもいいですか"),
        ("ar", "هل يمكنني تناول الايبوبروفين وأنا آخذ الوارفارين؟"),
        ("hi", "मैं वारफेरिन लेता हूँ, क्या मैं इबुप्रोफेन ले सकता हूँ?"),
    ],
)
def test_two_drugs_of_a_text_meet_without_any_record_in_every_language(language: str, text: str) -> None:
    checked = TABLES.check(findings(text, language=language), RecordFacts())
    assert (worst(checked), flags(checked)) == (Acuity.URGENT, {Flag.DRUG_INTERACTION})


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I stopped taking warfarin in May. Is ibuprofen ok?"),
        ("en", "I don't take warfarin. Is ibuprofen ok?"),
        ("es", "No tomo Sintrom. ¿Puedo tomar ibuprofeno?"),
        ("de", "Marcumar habe ich abgesetzt. Darf ich Ibuprofen nehmen?"),
        ("ru", "Я не принимаю варфарин. Можно ибупрофен?"),
        ("zh", "我没有吃华法林。可以吃布洛芬吗"),
        ("ja", "ワーファリンは飲んでいません。イブプロフェンを飲んでもいいですか"),
    ],
)
def test_what_is_not_taken_meets_nothing(language: str, text: str) -> None:
    checked = TABLES.check(findings(text, language=language), RecordFacts())
    assert Flag.DRUG_INTERACTION not in flags(checked)


def test_what_was_prescribed_together_is_not_argued_with() -> None:
    facts = record(["Warfarin 5 mg", "Aspirin 81 mg"])
    assert TABLES.check(findings("When should I take my warfarin?"), facts).flags == ()
    assert TABLES.check(findings("a refill of warfarin please", "refill_question"), facts).flags == ()
    assert TABLES.check(findings("Is aspirin ok with my warfarin?"), facts).flags != ()


def test_a_blood_thinner_and_warfarin_are_one_thing() -> None:
    assert TABLES.check(findings("I took my blood thinner"), record(["Warfarin 5 mg"])).flags == ()


def test_a_glass_of_wine_beside_the_record_counts_only_when_it_is_asked_about_or_shows() -> None:
    facts = record(["Oxycodone 5 mg"])
    assert TABLES.check(findings("I had a beer last night"), facts).flags == ()
    assert worst(TABLES.check(findings("Can I drink alcohol tonight?"), facts)) is Acuity.URGENT
    drowsy = TABLES.check(findings("He had a beer and can hardly be woken", "hard_to_wake"), facts)
    assert worst(drowsy) is Acuity.EMERGENCY


# -- allergies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allergy", "text", "acuity"),
    [
        ("Penicillin", "can I take amoxicillin?", Acuity.URGENT),
        ("Penicillin", "they gave me Augmentin", Acuity.URGENT),
        ("Penicillin", "can I take keflex?", Acuity.URGENT),
        ("Sulfamethoxazole", "is bactrim ok?", Acuity.URGENT),
        ("Ibuprofen", "can I take aspirin?", Acuity.URGENT),
        ("Aspirin", "is pepto bismol fine?", Acuity.URGENT),
        ("Lisinopril", "should I start ramipril?", Acuity.URGENT),
        ("Codeine", "can I take morphine?", Acuity.URGENT),
    ],
)
def test_a_drug_of_the_allergy_s_family_is_a_conflict(allergy: str, text: str, acuity: Acuity) -> None:
    checked = TABLES.check(findings(text), record(allergies=[allergy]))
    assert (worst(checked), flags(checked)) == (acuity, {Flag.ALLERGY_CONFLICT})
    assert checked.flags[0].record == (allergy,)


def test_another_antibiotic_is_no_conflict_only_because_both_are_antibiotics() -> None:
    checked = TABLES.check(findings("can I take doxycycline?"), record(allergies=["Penicillin"]))
    assert checked.flags == ()
    assert checked.gate == ("not_checked",)


def test_taken_despite_a_grave_allergy_is_an_emergency_and_with_hives_more() -> None:
    facts = record(allergies=["Penicillin"], severe=["Penicillin"])
    assert worst(TABLES.check(findings("I took amoxicillin an hour ago"), facts)) is Acuity.EMERGENCY
    hives = TABLES.check(findings("took amoxicillin, now hives all over", "hives"), facts)
    assert worst(hives) is Acuity.EMERGENCY_NOW
    mild = record(allergies=["Penicillin"])
    assert worst(TABLES.check(findings("took amoxicillin, now hives", "hives"), mild)) is Acuity.EMERGENCY


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I'm allergic to penicillin. Can I take amoxicillin?"),
        ("en", "I have a penicillin allergy and they prescribed amoxicillin"),
        ("es", "Soy alérgica a la penicilina, ¿puedo tomar amoxicilina?"),
        ("fr", "Je suis allergique à la pénicilline, puis-je prendre de l'amoxicilline ?"),
        ("de", "Ich bin allergisch gegen Penicillin. Darf ich Amoxicillin nehmen?"),
        ("ru", "Аллергия на пенициллин, можно амоксициллин?"),
        ("zh", "我对青霉素过敏, 可以吃阿莫西林吗"),
        ("ja", "ペニシリンアレルギーです。アモキシシリンを飲んでもいいですか"),
    ],
)
def test_an_allergy_that_the_text_tells_of_counts_like_a_recorded_one(language: str, text: str) -> None:
    checked = TABLES.check(findings(text, language=language), RecordFacts())
    assert Flag.ALLERGY_CONFLICT in flags(checked)


def test_a_denied_allergy_is_none_and_telling_of_one_asks_for_nothing() -> None:
    assert TABLES.check(findings("I'm not allergic to penicillin. Is amoxicillin ok?"), RecordFacts()).flags == ()
    assert TABLES.check(findings("My chart says allergic to penicillin"), record(allergies=["Penicillin"])).flags == ()


# -- the body it goes into --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "facts", "acuity"),
    [
        ("can I take naproxen?", record(conditions=["kidney_disease"]), Acuity.URGENT),
        ("can I take naproxen?", record(conditions=["heart_failure"]), Acuity.URGENT),
        ("can I take naproxen?", record(["Lisinopril 10 mg", "Furosemide 40 mg"]), Acuity.URGENT),
        ("is tylenol ok?", record(conditions=["liver_failure"]), Acuity.URGENT),
        ("can I use propranolol?", record(conditions=["asthma"]), Acuity.URGENT),
        ("is advil safe?", record(pregnant=True), Acuity.URGENT),
        ("I took isotretinoin", record(pregnant=True), Acuity.EMERGENCY),
        ("can I start the pill?", record(conditions=["clot_history"]), Acuity.URGENT),
        ("can I give aspirin?", record(age=7), Acuity.URGENT),
        ("gave codeine syrup", record(age=5), Acuity.EMERGENCY),
        ("can I get the MMR vaccine?", record(conditions=["transplant"]), Acuity.URGENT),
        ("is sudafed ok?", record(conditions=["hypertension"]), Acuity.ROUTINE),
    ],
)
def test_a_drug_that_does_not_suit_the_patient_is_flagged(text: str, facts: RecordFacts, acuity: Acuity) -> None:
    assert worst(TABLES.check(findings(text), facts)) is acuity


def test_a_pregnancy_or_dialysis_that_the_text_tells_of_counts() -> None:
    assert worst(TABLES.check(findings("pregnant, is advil ok?", "pregnant_self"), RecordFacts())) is Acuity.URGENT
    assert worst(TABLES.check(findings("on dialysis, is advil ok?", "dialysis_said"), RecordFacts())) is Acuity.URGENT


def test_aspirin_suits_a_heart_that_ibuprofen_does_not() -> None:
    heart = record(conditions=["coronary_disease"])
    assert TABLES.check(findings("can I take aspirin?"), heart).flags == ()
    assert TABLES.check(findings("can I take ibuprofen?"), heart).flags != ()


# -- the same substance twice, and what is not known ------------------------------------------------------------------


def test_one_substance_in_two_products_is_flagged() -> None:
    both = TABLES.check(findings("Can I take Tylenol and NyQuil together?"), RecordFacts())
    hidden = TABLES.check(
        findings("can I take paracetamol?"), record(["oxycodone 5 MG / acetaminophen 325 MG [Percocet]"])
    )
    names = TABLES.check(findings("can I take tylenol with paracetamol?"), RecordFacts())
    for checked in (both, hidden, names):
        assert (worst(checked), flags(checked)) == (Acuity.URGENT, {Flag.MEDICATION_TOXICITY})


def test_the_own_drug_by_its_brand_is_not_twice() -> None:
    assert TABLES.check(findings("I took my Tylenol"), record(["Acetaminophen 325 MG Oral Tablet"])).flags == ()


@pytest.mark.parametrize("text", ["Can I take zyrbanox?", "can I take paracetamol with omeprazole?"])
def test_what_the_table_does_not_hold_is_not_checked_and_never_safe(text: str) -> None:
    checked = TABLES.check(findings(text, "medicine_question"), RecordFacts())
    assert (checked.flags, checked.gate) == ((), ("not_checked",))


def test_a_text_without_a_drug_asks_for_nothing() -> None:
    assert TABLES.check(findings("my knee hurts", "pain"), record(["Warfarin 5 mg"])) == Checked()
    assert TABLES.check(findings(""), RecordFacts()) == Checked()


# -- what never happens -----------------------------------------------------------------------------------------------

DRUGS = st.sampled_from([
    "Warfarin 5 mg", "Aspirin 81 mg", "Lithium carbonate 300 mg", "Nitroglycerin 0.4 mg", "Phenelzine 15 mg",
    "Metformin 500 mg", "Oxycodone 5 mg", "Lisinopril 10 mg", "Furosemide 40 mg", "Ibuprofen 200 mg",
])  # fmt: skip
CONDITIONS = st.sampled_from(sorted(kind.name for kind in TABLES.kinds.conditions))
ALLERGIES = st.sampled_from(["Penicillin", "Aspirin", "Codeine", "Sulfamethoxazole", "Lisinopril", "Peanut"])
FACTS = st.builds(
    record,
    drugs=st.lists(DRUGS, max_size=4),
    conditions=st.lists(CONDITIONS, max_size=3),
    allergies=st.lists(ALLERGIES, max_size=2),
    pregnant=st.sampled_from([None, False]),
)
PHRASES = st.sampled_from([
    "can I take ibuprofen", "I took viagra", "my warfarin", "took two Tylenol and NyQuil", "is amoxicillin ok?",
    "a refill of aspirin", "I had a beer", "sertraline and tramadol", "they prescribed bactrim", "on my lithium",
])  # fmt: skip
SIGNS = st.lists(st.sampled_from(["nosebleed", "near_faint", "tremor", "hives", "vomiting", "pain"]), max_size=2)


@given(PHRASES, PHRASES, SIGNS, FACTS, DRUGS, CONDITIONS, ALLERGIES)
def test_a_record_item_never_lowers_anything(
    one: str, two: str, signs: list[str], facts: RecordFacts, drug: str, condition: str, allergy: str
) -> None:
    text = findings(f"{one}. {two}", *signs)
    before = {flag.rule: flag.acuity for flag in TABLES.check(text, facts).flags}
    more = record([drug], [condition], [allergy], pregnant=True)
    fuller = RecordFacts(
        age_years=facts.age_years,
        pregnant=True,
        drugs=facts.drugs + more.drugs,
        conditions=facts.conditions + more.conditions,
        allergies=facts.allergies + more.allergies,
    )
    after = {flag.rule: flag.acuity for flag in TABLES.check(text, fuller).flags}
    for rule, acuity in before.items():
        assert after.get(rule, Acuity.INFORMATIONAL) >= acuity


@given(PHRASES, SIGNS, FACTS, st.text(max_size=60))
def test_another_sentence_never_lowers_what_a_drug_called_for(
    one: str, signs: list[str], facts: RecordFacts, more: str
) -> None:
    before = worst(TABLES.check(findings(one, *signs), facts))
    longer = findings(f"{one}.\n\n{more}", *signs)
    assert worst(TABLES.check(longer, facts)) >= before


@given(st.text(max_size=200), st.sampled_from(TONGUES), FACTS)
def test_no_text_makes_a_check_fail(text: str, language: str, facts: RecordFacts) -> None:
    for flag in TABLES.check(findings(text, language=language), facts).flags:
        assert flag.evidence
