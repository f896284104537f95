"""The small shapes that every FHIR resource is made of: concepts, references, quantities. Pure.

Used by `fhir_mapping`. R4 is what is meant; where STU3 or R5 write a thing differently and it costs a word to read it,
it is read.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import NamedTuple

from service_chat.records.json_values import JsonObject, as_object, day, moment, number, objects, text
from service_chat.records.kinds import without_tag

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


class Entry(NamedTuple):
    """What stands in a bundle: an address and the resource that it is of."""

    full_url: str  #: may be empty
    resource: JsonObject

    @property
    def kind(self) -> str:
        return text(self.resource.get("resourceType"))


def entries(bundle: JsonObject) -> Iterator[Entry]:
    """Those that hold a resource; a server's remarks about the search are none."""
    for entry in objects(bundle.get("entry")):
        resource = as_object(entry.get("resource"))
        if resource and text(as_object(entry.get("search")).get("mode")) != "outcome":
            yield Entry(text(entry.get("fullUrl")), resource)


def codings(concept: object) -> Iterator[tuple[str, str, str]]:
    """(system, code, display) of each coding."""
    for coding in objects(as_object(concept).get("coding")):
        yield text(coding.get("system")), text(coding.get("code")), text(coding.get("display"))


def codes(concept: object, system: str | None = None) -> tuple[str, ...]:
    """Codes of one system, or of all. A concept that is a bare text (STU3's statuses) is its own code."""
    if isinstance(concept, str):
        return (concept,)
    return tuple(code for of, code, _ in codings(concept) if code and system in (None, of))


def statuses(concept: object) -> tuple[str, ...]:
    """The codes of a status; where it has none its words are the code."""
    return codes(concept) or tuple(filter(None, [text(as_object(concept).get("text")).casefold()]))


def concept_text(*concepts: object) -> str:
    """What a human reads, with its semantic tag: the text, or the first display of the first concept that has one."""
    for concept in concepts:
        found = text(as_object(concept).get("text"), *(display for _, _, display in codings(concept)))
        if found:
            return found
    return ""


def plain_text(*concepts: object) -> str:
    return without_tag(concept_text(*concepts))


def has_code(concept: object, wanted: Iterable[str]) -> bool:
    """Whether a coding is among them; a concept without codings is taken by its text."""
    found = [code.casefold() for code in codes(concept)] or [text(as_object(concept).get("text")).casefold()]
    return any(code in wanted for code in found)


def preferred_code(concept: object) -> str:
    """ICD-10 before SNOMED CT before what else there is."""
    icd = [code for system, code, _ in codings(concept) if "icd-10" in system.casefold()]
    return next(iter((*icd, *codes(concept, SNOMED), *codes(concept))), "")


def reference_of(value: object) -> str:
    return text(as_object(value).get("reference"))


def points_to(value: object, kind: str, logical_id: str) -> bool:
    """Whether a reference means `kind/logical_id`, relative or absolute, with a version or without."""
    path = reference_of(value).split("/_history/")[0]
    return path == f"{kind}/{logical_id}" or path.endswith(f"/{kind}/{logical_id}")


def quantity(value: object) -> tuple[float, str, str] | None:
    """(value, unit, comparator); the unit as a UCUM code where there is one."""
    found = as_object(value)
    amount = number(found.get("value"))
    if amount is None:
        return None
    # A code of "1" says that there is no unit; the unit's text may still say more.
    unit = text(found.get("code")) if text(found.get("code")) not in ("", "1") else text(found.get("unit"))
    comparator = text(found.get("comparator"))
    return amount, unit, comparator if comparator in ("<", "<=", ">=", ">") else ""


def when(resource: JsonObject, *names: str) -> datetime | None:
    """The first of these elements that holds a moment; of a period its end, or else its start."""
    for name in names:
        value = resource.get(name)
        period = as_object(value)
        found = moment(value, period.get("end"), period.get("start"))
        if found is not None:
            return found
    return None


def since(resource: JsonObject, *names: str) -> date | None:
    """The first of these elements that holds a day; of a period its start."""
    for name in names:
        value = resource.get(name)
        found = day(value, as_object(value).get("start"))
        if found is not None:
            return found
    return None
