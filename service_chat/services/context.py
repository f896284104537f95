"""What of a record a prompt may hold and an answer may cite. Pure.

Called by the triage use case once for each question, and by the command that shows what a prompt would hold. Minimum
necessary: no name, record number, birth date, address, insurer or claim enters; what somebody typed goes through
`redaction` first. The items are `record_items`', and what of them fits into a prompt is `fitting`'s to say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service_chat.records.ports import AllergyStatus, PatientRecord, Pregnancy, Sex
from service_chat.services.record_items import Item, items_of
from service_chat.services.redaction import Redaction


@dataclass(frozen=True, slots=True)
class Context:
    #: Who it is about, line by line: age and sex, pregnancy, and what is known of allergies where none is listed.
    about: tuple[str, ...]
    items: tuple[Item, ...]  #: by kind in the order of `Kind`, ids unique

    def item(self, item_id: str) -> Item | None:
        return next((item for item in self.items if item.id == item_id), None)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(item.id for item in self.items)


def context_of(record: PatientRecord, private: Iterable[str] = ()) -> Context:
    """`private`: words that must not pass, as the record's store knows them: names, parts of an address, numbers.

    The record's own number and birth date are always among them.
    """
    redaction = Redaction((record.mrn, *private), record.birth_date)
    return Context(tuple(_about(record)), tuple(items_of(record, redaction)))


def _about(record: PatientRecord) -> Iterator[str]:
    sex = {Sex.FEMALE: "female", Sex.MALE: "male", Sex.UNKNOWN: "sex not recorded"}[record.sex]
    yield f"Patient: {sex}, {_age(record)}" + (", deceased" if record.deceased else "")
    if record.sex is not Sex.MALE:
        yield f"Pregnant: {_pregnancy(record)}"
    match record.allergy_status:
        case AllergyStatus.NONE_KNOWN:
            denied = ", ".join(record.allergies_denied)
            yield f"Allergies: none known{f' ({denied})' if denied else ''}"
        case AllergyStatus.NOT_RECORDED:
            yield "Allergies: not recorded"
        case AllergyStatus.LISTED:
            pass  # its items say it
    if not record.medications:
        yield "Medicines: none recorded"


def _age(record: PatientRecord) -> str:
    years, born, day = record.age_years, record.birth_date, record.as_of
    if years is None or born is None:
        return "age not recorded"
    if years >= 2:
        return f"{years} years old"
    months = (day.year - born.year) * 12 + day.month - born.month - (day.day < born.day)
    return f"{months} months old" if months >= 2 else f"{max(0, (day - born).days)} days old"


def _pregnancy(record: PatientRecord) -> str:
    match record.pregnancy:
        case Pregnancy.PREGNANT:
            return "yes" if record.gestation_weeks is None else f"yes, {record.gestation_weeks} weeks"
        case Pregnancy.NOT_PREGNANT:
            return "no"
        case Pregnancy.NOT_RECORDED:
            return "not recorded"
