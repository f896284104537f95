"""What a name in a problem list is: a disease, what once was, or a fact about somebody's life. Pure.

Called by the mappings. Problem lists carry employment, schooling, paperwork and violence at home beside diseases; rules
about diseases must not count them, and a reader may still want them. What is in doubt is a disease.
"""

import re

from service_chat.records.ports import ConditionKind

#: Semantic tags of SNOMED CT names: `Anemia (disorder)`.
_TAG = re.compile(
    r"\s*\((?:disorder|finding|situation|person|substance|organism|product|procedure|event|observable entity|"
    r"morphologic abnormality|medicinal product|clinical drug|social concept|occupation|regime/therapy)\)$"
)
_HISTORY = re.compile(
    r"^(?:(?:personal |family |past |medical )*history of|past \w+(?: \w+)? history|h/o|hx of|status post|s/p)\b"
    r"|\bhistory of .*\(situation\)$",
    re.IGNORECASE,
)
_SOCIAL = re.compile(
    r"\b(?:employ(?:ed|ment)|unemployed|labor force|labour force|criminal record|armed forces|refugee|"
    r"received (?:higher|certificate|primary|secondary|no)|only received|school education|education (?:level|received)|"
    r"certificate of high school|housing|homeless\w*|transport(?:ation)?|social (?:contact|isolation|migrant|support)|"
    r"limited social|intimate partner|violence|victim of|lives alone|income|poverty|risk activity|not in labor|"
    r"medication review|referral|has a carer|financial|food insecurity|legal (?:problem|issue)|served in|"
    r"unable to (?:afford|read)|migrant|literacy|only child|married|divorced|widow\w*)\b",
    re.IGNORECASE,
)
_EXACTLY_SOCIAL = frozenset({"stress", "stressed", "part-time employment", "student", "retired"})
_SOCIAL_CODES = (
    "73595000 160903007 160904001 73438004 224299000 224295006 5251000175109 266948004 224355006 160968000 314529007 "
    "424393004 706893006 423315002 422650009 446654005 105531004 713458007 266934004 741062008 32911000"
)
_SNOMED_SOCIAL = frozenset(_SOCIAL_CODES.split())
_ICD_SOCIAL = re.compile(r"^Z(?:5[5-9]|6[0-5])")
_ICD_HISTORY = re.compile(r"^Z8[0-7]")


def without_tag(name: str) -> str:
    return _TAG.sub("", name) or name


def kind_of(name: str, codes: tuple[str, ...] = (), categories: tuple[str, ...] = ()) -> ConditionKind:
    """`name` with its tag, where it has one; `categories` are those of FHIR."""
    if any(_ICD_SOCIAL.match(code) or code in _SNOMED_SOCIAL for code in codes) or "sdoh" in categories:
        return ConditionKind.SOCIAL
    if any(_ICD_HISTORY.match(code) for code in codes) or _HISTORY.search(name):
        return ConditionKind.HISTORY
    plain = without_tag(name)
    if plain.casefold() in _EXACTLY_SOCIAL or _SOCIAL.search(plain):
        return ConditionKind.SOCIAL
    return ConditionKind.DISEASE
