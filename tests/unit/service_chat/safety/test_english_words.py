"""English words and cues: people's own wording finds the concept, and harmless talk does not.

The sentences are this file's own; rules are tested elsewhere. Each row can fail by itself.
"""

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Assertion
from tests.unit.service_chat.safety.small import packaged

_FOUND = (
    ("SOB since this morning", "short_breath"),
    ("my mum can't breathe", "cant_breathe"),
    ("i can not breathe", "cant_breathe"),
    ("he is unable to breathe", "cant_breathe"),
    ("her lips have gone blue", "blue_lips"),
    ("puffer is doing nothing for me", "inhaler_fails"),
    ("he collapsed at the bus stop", "fainting"),
    ("nearly passed out getting up", "near_faint"),
    ("like an elephant on my chest", "pressure_sensation"),
    ("we can not find a pulse", "no_pulse"),
    ("nan's mouth has gone wonky", "face_droop"),
    ("dad is talking gibberish", "slurred_speech"),
    ("she had a fit in the kitchen", "seizure"),
    ("worst headache of my life", "worst_ever"),
    ("my neck is really stiff", "stiff_neck"),
    ("spots do not fade under a glass", "nonblanching_rash"),
    ("haven't peed all day", "no_urine"),
    ("threw up something like coffee grounds", "blood_vomit"),
    ("poo is black as tar", "black_stool"),
    ("soaked through two towels with blood", "heavy_bleeding"),
    ("can't keep even water down", "cant_keep_down"),
    ("numb when i wipe", "saddle_site"),
    ("cant pee since last night", "urinary_retention"),
    ("bleach splashed in her eye", "eye_chemical"),
    ("knocked his head on the kerb", "head_blow"),
    ("came off my motorbike", "vehicle_crash"),
    ("finger cut off by a saw", "amputation"),
    ("swallowed a whole packet of tylenol", "overdose"),
    ("drank antifreeze", "poisoned"),
    ("throat is closing up", "mouth_throat_swelling"),
    ("ran out of insulin", "missed_insulin"),
    ("breath smells of pear drops", "fruity_breath"),
    ("baby is floppy", "floppy"),
    ("no wet diaper since breakfast", "no_wet_nappies"),
    ("can't feel the baby move", "reduced_movements"),
    ("kms tonight", "suicidal_thought"),
    ("saved up my tablets", "suicide_means"),
    ("wrote goodbye letters", "suicide_preparation"),
    ("everyone is better off without me", "suicidal_passive"),
    ("voices tell me to do it", "command_voices"),
    ("he choked me last night", "strangled"),
    ("carer hits my gran", "elder_mistreated"),
    ("erection for five hours", "priapism"),
    ("when is my flu shot due", "vaccine_question"),
    ("need a sick note", "paperwork_question"),
)
_ABSENT = (
    ("i have a cold", "fever"),
    ("i have a question about the form", "fever"),
    ("i am fit and well", "seizure"),
    ("take it now or tomorrow", "suicidal_thought"),
    ("best way to treat a cold", "lethal_question"),
    ("tonight i will be at work", "suicide_means"),
    ("the doctor wrote a letter to my school", "suicide_act"),
    ("i came back yesterday", "back_site"),
    ("tennis balls", "testicle_site"),
    ("pain shot through my leg", "stab_gunshot"),
    ("it hurts a bit on my left side", "animal_bite"),
    ("i can't get an appointment", "cant_walk"),
    ("a contraceptive implant in my arm", "delusion"),
    ("i drank too much coffee", "overdose"),
    ("took my tablets at eight", "afraid_home"),
    ("two ibuprofen did the trick", "accidental_double"),
    ("flu jab booked", "flu_like"),
    ("a sunburn on my shoulders", "burn"),
)
_ASSERTED = (
    ("no chest pain, fever or cough", "pain", Assertion.NEGATED),
    ("no chest pain, fever or cough", "cough", Assertion.NEGATED),
    ("she is not suicidal", "suicidal_thought", Assertion.NEGATED),
    ("i don't want to die", "suicidal_thought", Assertion.NEGATED),
    ("the cut isn't infected", "infection_said", Assertion.NEGATED),
    ("no fever but my chest hurts", "pain", Assertion.PRESENT),
    ("not just a headache", "headache", Assertion.PRESENT),
    ("never had chest pain like this before", "pain", Assertion.PRESENT),
    ("nothing helps the pain", "pain", Assertion.PRESENT),
    ("i'm not sure why my chest hurts", "pain", Assertion.PRESENT),
    ("the past two days i have had chest pain", "pain", Assertion.PRESENT),
    ("my back hurts in the morning", "pain", Assertion.PRESENT),
    ("gp said it is not serious but it hurts", "pain", Assertion.PRESENT),
    ("i had a seizure as a child", "seizure", Assertion.PAST),
    ("stroke in 2009", "stroke_said", Assertion.PAST),
    ("my uncle died of a heart attack", "heart_attack_said", Assertion.FAMILY),
    ("family history of stroke", "stroke_said", Assertion.FAMILY),
    ("my dad just had a seizure", "seizure", Assertion.PRESENT),
    ("what should i do if someone has a seizure", "seizure", Assertion.HYPOTHETICAL),
    ("this queue is killing me", "pain", Assertion.IDIOM),
    ("i am confused about my bill", "confusion", Assertion.IDIOM),
    ("nearly had a heart attack when i saw the price", "heart_attack_said", Assertion.IDIOM),
)


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return packaged()


def _statuses(rules: Ruleset, text: str, concept: str) -> set[Assertion]:
    return {hit.assertion for hit in rules.explain(text, language="en").findings.hits if hit.concept == concept}


def test_every_concept_has_english_words(rules: Ruleset) -> None:
    sizes = rules.lexicon.sizes["en"]
    assert [name for name in rules.lexicon.concepts if not sizes.get(name)] == []


@pytest.mark.parametrize(("text", "concept"), _FOUND)
def test_lay_words_find_their_concept(rules: Ruleset, text: str, concept: str) -> None:
    assert Assertion.PRESENT in _statuses(rules, text, concept)


@pytest.mark.parametrize(("text", "concept"), _ABSENT)
def test_harmless_talk_finds_nothing(rules: Ruleset, text: str, concept: str) -> None:
    assert _statuses(rules, text, concept) == set()


@pytest.mark.parametrize(("text", "concept", "assertion"), _ASSERTED)
def test_cues_decide_what_a_text_says_of_a_thing(rules: Ruleset, text: str, concept: str, assertion: Assertion) -> None:
    assert _statuses(rules, text, concept) == {assertion}
