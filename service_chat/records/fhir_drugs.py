"""Prescriptions and statements about drugs: which of them somebody takes, what they are called, how they are taken.

Used by `fhir_mapping`. Pure. A drug is named in the prescription or in a `Medication` that it points to; one that can
not be found is still a drug, and no drug that somebody takes is left out.
"""

from collections.abc import Iterable, Iterator

from service_chat.records.fhir_values import RXNORM, Entry, codes, plain_text, quantity, reference_of, since
from service_chat.records.json_values import JsonObject, as_object, number, objects, text
from service_chat.records.ports import Medication

DRUG_TYPES = frozenset({"MedicationRequest", "MedicationStatement", "MedicationUsage"})
UNNAMED = "medicine not named in the record"

#: Taken, or meant to be taken again; whoever wrote `unknown` did not write that it was stopped.
_TAKEN = frozenset({"", "active", "recorded", "unknown", "on-hold"})
#: A wish, not an order. A `plan` is how patients' own reports are written.
_ONLY_PROPOSED = frozenset({"proposal", "option"})
_UNITS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}
_TIMES = {1: "once", 2: "twice"}


class Drugs:
    """Knows the `Medication` resources that came along."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_reference: dict[str, JsonObject] = {}
        for entry in entries:
            if entry.kind == "Medication":
                self._by_reference[f"Medication/{text(entry.resource.get('id'))}"] = entry.resource
                if entry.full_url:
                    self._by_reference[entry.full_url] = entry.resource

    def taken(self, resource: JsonObject) -> Iterator[Medication]:
        """The drug, if it is one that is taken or on hold."""
        status = text(resource.get("status"))
        if (
            status not in _TAKEN
            or text(resource.get("intent")) in _ONLY_PROPOSED
            or resource.get("doNotPerform") is True
            or text(resource.get("taken")) in ("n", "na")  # STU3 said so beside the status
        ):
            return
        name, code = self._named(resource)
        started = since(resource, "authoredOn", "effectiveDateTime", "effectivePeriod", "dateAsserted")
        yield Medication(name, dosage(resource), started, code, status == "on-hold")

    def missing(self, resources: Iterable[JsonObject]) -> tuple[str, ...]:
        """References of drugs that are taken and whose name is not at hand; sorted."""
        wanted = set()
        for each in resources:
            reference = reference_of(each.get("medicationReference"))
            if reference and any(drug.name == UNNAMED for drug in self.taken(each)):
                wanted.add(reference)
        return tuple(sorted(wanted))

    def _named(self, resource: JsonObject) -> tuple[str, str | None]:
        either = as_object(resource.get("medication"))  # R5 wraps both
        reference = as_object(resource.get("medicationReference") or either.get("reference"))
        concept = resource.get("medicationCodeableConcept") or either.get("concept")
        found = self._resolved(resource, reference_of(reference))
        name = plain_text(concept, found.get("code")) or text(reference.get("display"))
        code = (*codes(concept, RXNORM), *codes(found.get("code"), RXNORM))
        return name or _ingredients(found) or UNNAMED, code[0] if code else None

    def _resolved(self, resource: JsonObject, reference: str) -> JsonObject:
        if not reference:
            return {}
        if reference.startswith("#"):
            held = (each for each in objects(resource.get("contained")) if each.get("id") == reference[1:])
            return next(held, {})
        bare = reference.split("/_history/")[0]
        relative = "/".join(bare.split("/")[-2:])
        return self._by_reference.get(bare) or self._by_reference.get(relative) or {}


def _ingredients(medication: JsonObject) -> str:
    parts = objects(medication.get("ingredient"))
    return " / ".join(filter(None, (plain_text(part.get("itemCodeableConcept")) for part in parts)))


def dosage(resource: JsonObject) -> str | None:
    """As a human wrote it, or else made from what is coded; None when there is nothing."""
    found = list(objects(resource.get("dosageInstruction") or resource.get("dosage")))
    told = [text(each.get("text"), each.get("patientInstruction")) or _spelled_out(each) for each in found]
    return "; ".join(dict.fromkeys(filter(None, told))) or None


def _spelled_out(instruction: JsonObject) -> str:
    timing = as_object(instruction.get("timing"))
    needed = instruction.get("asNeededBoolean") is True or "asNeededCodeableConcept" in instruction
    parts = (
        next(filter(None, map(_dose, objects(instruction.get("doseAndRate")))), ""),
        plain_text(instruction.get("route")),
        plain_text(timing.get("code")) or _often(as_object(timing.get("repeat"))),
        "when needed" if needed else "",
    )
    return ", ".join(filter(None, parts))


def _dose(rate: JsonObject) -> str:
    found = quantity(rate.get("doseQuantity"))
    if found is None:
        return ""
    value, unit, _ = found
    return f"{value:g} {text(as_object(rate.get('doseQuantity')).get('unit'), unit)}".strip()


def _often(repeat: JsonObject) -> str:
    """`twice a day`, `once every 8 hours`."""
    period, unit = number(repeat.get("period")), _UNITS.get(text(repeat.get("periodUnit")))
    if not period or unit is None:
        return ""
    often = number(repeat.get("frequency")) or 1
    times = _TIMES.get(int(often), f"{often:g} times")
    return f"{times} {'an' if unit == 'hour' else 'a'} {unit}" if period == 1 else f"{times} every {period:g} {unit}s"
