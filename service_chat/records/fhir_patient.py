"""The Patient resource: who somebody is, as far as a record needs it, and what their texts must not say. Pure.

Used by `fhir_mapping`; the store and the import read identifiers here, to find the patient who was asked for.
"""

from collections.abc import Iterator
from datetime import date

from service_chat.records.assembly import Parts
from service_chat.records.fhir_values import codes
from service_chat.records.json_values import JsonObject, as_object, days, objects, text
from service_chat.records.ports import Sex
from service_chat.records.redaction import Private

_SEX = {"female": Sex.FEMALE, "f": Sex.FEMALE, "male": Sex.MALE, "m": Sex.MALE}
_BIRTH_SEX = "us-core-birthsex"


def patient_parts(patient: JsonObject, today: date) -> Parts:
    died = days(patient.get("deceasedDateTime"))
    return Parts(
        sex=_sex(patient),
        birth_date=youngest_birth(patient.get("birthDate"), today),
        deceased=died is not None or patient.get("deceasedBoolean") is True,
        died=died[0] if died else None,
        private=_private(patient),
    )


def youngest_birth(value: object, today: date) -> date | None:
    """Of a partial date its last day: then an age in completed years is certain, and a child is not made older."""
    found = days(value)
    if found is None:
        return None
    first, last = found
    return min(last, today) if first <= today else None


def identifiers(patient: JsonObject) -> Iterator[tuple[str, str]]:
    """(system, value) of each."""
    for each in objects(patient.get("identifier")):
        if value := text(each.get("value")):
            yield text(each.get("system")), value


def medical_record_number(patient: JsonObject) -> str | None:
    """The identifier of type MR; where there is none the only one there is, else nobody's guess."""
    typed = [each for each in objects(patient.get("identifier")) if "MR" in codes(each.get("type"))]
    values = [text(each.get("value")) for each in typed if text(each.get("use")) != "old"]
    values = [value for value in values if value] or sorted({value for _, value in identifiers(patient)})
    return values[0] if typed or len(values) == 1 else None


def replaced(patient: JsonObject) -> bool:
    """Whether it was merged into another one, which carries the number now."""
    links = {text(link.get("type")) for link in objects(patient.get("link"))}
    return "replaced-by" in links


def _sex(patient: JsonObject) -> Sex:
    gender = _SEX.get(text(patient.get("gender")).lower())
    if gender is not None:
        return gender
    born = [text(each.get("valueCode")).lower() for each in objects(patient.get("extension")) if _is_birth_sex(each)]
    return next((_SEX[code] for code in born if code in _SEX), Sex.UNKNOWN)


def _is_birth_sex(extension: JsonObject) -> bool:
    return text(extension.get("url")).endswith(_BIRTH_SEX)


def _private(patient: JsonObject) -> Private:
    people = [*objects(patient.get("name")), *(as_object(c.get("name")) for c in objects(patient.get("contact")))]
    names = [text(name.get("family")) for name in people] + [
        given for name in people for given in _texts(name.get("given"))
    ]
    names += [text(name.get("text")) for name in people]
    names += [
        text(each.get("valueString"))
        for each in objects(patient.get("extension"))
        if text(each.get("url")).endswith("mothersMaidenName")
    ]
    others = [value for _, value in identifiers(patient)]
    others += [text(each.get("value")) for each in objects(patient.get("telecom"))]
    for address in objects(patient.get("address")):
        others += [*_texts(address.get("line")), *(text(address.get(key)) for key in ("text", "city", "postalCode"))]
    return Private(tuple(filter(None, names)), (*filter(None, others), *written_dates(text(patient.get("birthDate")))))


def written_dates(birth_date: str) -> tuple[str, ...]:
    """A birth date the ways letters write it; a partial one stands for too much to be looked for."""
    found = days(birth_date)
    if found is None or found[0] != found[1]:
        return ()
    born = found[0]
    return (
        born.isoformat(),
        f"{born:%m/%d/%Y}",
        f"{born.month}/{born.day}/{born.year}",
        f"{born:%d.%m.%Y}",
        f"{born:%B} {born.day}, {born.year}",
        f"{born.day} {born:%B} {born.year}",
    )


def _texts(value: object) -> list[str]:
    return [found for each in (value if isinstance(value, list) else [value]) if (found := text(each))]
