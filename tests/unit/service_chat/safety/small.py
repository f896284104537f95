"""A safety of a few words, so that a test shows all that it rests on; and the packaged one, loaded once a run."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hypothesis import settings

from service_chat.safety.assess import Ruleset
from service_chat.safety.findings import Findings, Hit
from service_chat.safety.packaged import Packaged
from service_chat.safety.values import Assertion

#: The acceptance run raises it: SLUICE_EXAMPLES=2000.
EXAMPLES = settings(max_examples=int(os.environ.get("SLUICE_EXAMPLES", "100")), deadline=None)

LANGUAGES = """
[supported]
en = "i i'm my me the a an is it have has had no not and or but you do to of in what if can't cant don't dont help"
es = "el la no tengo me un una y o pero de mi"
[foreign]
nl = "ik heb een niet mijn het"
[common]
en = "heard there please chess"
"""
CONCEPTS = """
[concept]
chest_site = { gloss = "chest", samples = ["chest"], symptom = false }
pain = { gloss = "pain", samples = ["pain"], symptom = true }
fever = { gloss = "fever", samples = ["fever"], symptom = true }
hay_fever = { gloss = "hay fever", samples = ["hay fever"], symptom = true, hides = ["fever"] }
rash = { gloss = "rash", samples = ["rash"], symptom = true }
cant_breathe = { gloss = "can not breathe", samples = ["can't breathe"], symptom = true }
heart_attack = { gloss = "heart attack", samples = ["heart attack"], symptom = true }
swelling = { gloss = "swelling", samples = ["swollen"], symptom = true }
baby = { gloss = "baby", samples = ["baby"], symptom = false }
pregnant_self = { gloss = "pregnant", samples = ["pregnant"], symptom = false }
unwell_vague = { gloss = "unwell", samples = ["not right"], symptom = true }
appointment_question = { gloss = "appointment", samples = ["appointment"], symptom = false }
out_of_scope_request = { gloss = "poem", samples = ["poem"], symptom = false }
injection_phrase = { gloss = "orders", samples = ["ignore previous instructions"], symptom = false }
"""
ENGLISH = """
chest_site = ["chest"]
pain = ["pain*", "hurt*|ache*|aching"]
fever = ["fever|feverish"]
hay_fever = ["hay fever"]
rash = ["rash|rashes"]
cant_breathe = ["can't|couldn't .. breathe|breath"]
heart_attack = ["heart attack"]
swelling = ["swollen", "*swell*"]
baby = ["baby"]
pregnant_self = ["pregnant"]
unwell_vague = ["not right"]
appointment_question = ["appointment*"]
out_of_scope_request = ["poem"]
injection_phrase = ["ignore .. instructions"]
"""
SPANISH = """
chest_site = ["pecho"]
pain = ["dolor", "duele*"]
fever = ["fiebre"]
cant_breathe = ["no puedo respirar"]
"""
CUES = """
negation_before = ["no", "not", "without", "don't have|feel", "denies"]
negation_after = ["is gone", "negative"]
negation_never = ["not just", "no relief"]
scope_end = ["but"]
past = ["years ago", "history of"]
family = ["my father had", "runs in the family"]
hypothetical = ["what if", "if i get"]
idiom = ["pain in the neck"]
denial_reported = ["doctor said no"]
"""
SPANISH_CUES = """
negation_before = ["no tengo", "sin"]
negation_after = []
negation_never = []
scope_end = ["pero"]
past = []
family = []
hypothetical = []
idiom = []
denial_reported = []
"""
GRAMMAR = """
[en]
or = ["or"]
restart = ["i|my|he|she"]
stop = ["and"]
current = ["now|still|again"]
now = ["right now"]
undo = ["can't say"]
"""
RULES = """
[[rule]]
id = "cardiac.chest_pain"
version = 2
flag = "cardiac"
acuity = "emergency"
when = "chest_site & pain"
label = "Pain in the chest"
source = "https://example.org/chest"
questions = ["onset"]

[[rule]]
id = "breathing.cant"
version = 1
flag = "breathing"
acuity = "emergency_now"
when = "cant_breathe"
label = "Can not breathe"
source = "https://example.org/breath"

[[rule]]
id = "child.fever"
version = 1
flag = "paediatric_danger"
acuity = "emergency"
when = "fever & age_years < 0.25"
within = "text"
label = "Fever in a young baby"
source = "https://example.org/fever"

[[rule]]
id = "common.rash"
version = 1
acuity = "routine"
when = "rash"
label = "Rash"
"""
TEMPLATES = """
[acuity]
emergency_now = "Call {number}."
emergency = "Go now or call {number}."
urgent = "Within a day."
routine = "Book."
self_care = "At home."
informational = "No symptom."
[crisis]
self_harm = "You are not alone. Talk to {crisis}. We are here."
self_harm_now = "Call {number}."
no_doses = "No amounts."
violence = "Is it safe?"
[notice]
language_unsupported = "Not read."
prompt_injection = "Not followed."
privacy = "No names."
out_of_scope = "Only health."
[question]
age = "How old?"
onset = "Since when?"
severity = "How bad?"
"""
REGIONS = """
[EU]
emergency = "112"
crisis = "116 123"
source = "https://example.org/eu"
[XX]
emergency = "100"
source = "https://example.org/xx"
"""
FILES: Mapping[str, str] = {
    "concepts.toml": CONCEPTS,
    "languages.toml": LANGUAGES,
    "grammar.toml": GRAMMAR,
    "numbers.toml": """
[[reading]]
quantity = "age_years"
min = 0
max = 120
after = '[ -]*(?:(?P<y>years?)|(?P<m>months?))[ -]old'
""",
    "orders.toml": 'roles = ["system"]\nen = ["as the developer .. i confirm|order*"]',
    "regions.toml": REGIONS,
    "lexicon/en.toml": ENGLISH,
    "lexicon/es.toml": SPANISH,
    "cues/en.toml": CUES,
    "cues/es.toml": SPANISH_CUES,
    "rules/all.toml": RULES,
    "templates/en.toml": TEMPLATES,
    "second_reader.toml": """
[reading]
unit = 1.0
lengths = [1, 2, 4]
bars = [-1.0, -1.0, -1.0]
urgent = 0.0
emergency = 1.0
[naming]
unit = 1.0
dangers = ["self_harm", "cardiac"]
biases = [0.5, 0.0]
""",
}
#: A reader that has learned nothing, and so suspects nothing.
UNLEARNED: Mapping[str, bytes] = {"second_reader.bin": bytes(64), "second_reader_dangers.bin": bytes(2 * 64)}


def data_in(folder: Path, **changes: str) -> Packaged:
    """The small data, with files replaced: `data_in(tmp_path, **{"rules/all.toml": "..."})`."""
    for name, content in {**FILES, **changes}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for name, weights in UNLEARNED.items():
        (folder / name).write_bytes(weights)
    return Packaged(folder)


def small(folder: Path, **changes: str) -> Ruleset:
    return Ruleset.load(data=data_in(folder, **changes))


@cache
def packaged() -> Ruleset:
    """All that the service ships."""
    return Ruleset.load()


def said(findings: Findings, concept: str) -> list[Assertion]:
    """What a text says of a concept, in its order."""
    return [hit.assertion for hit in of(findings, concept)]


def of(findings: Findings, concept: str) -> list[Hit]:
    return sorted((hit for hit in findings.hits if hit.concept == concept), key=lambda hit: hit.first)
