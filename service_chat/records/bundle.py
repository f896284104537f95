"""FHIR bundles in files, plain or gzip'd, as an export writes them: whose they are, and each patient's record.

Called by `commands.records`. One file is in memory at a time, and of it only what a record is made of: the claims and
images of an export are most of its bytes. A bundle may hold one patient, several or none (hospitals and practitioners
come in files of their own); what belongs to whom is read from the references.
"""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from service_chat.records.fhir_mapping import READ_TYPES, record_from
from service_chat.records.fhir_patient import identifiers, medical_record_number
from service_chat.records.fhir_values import Entry, entries, reference_of
from service_chat.records.json_values import JsonObject, as_object, parse, text
from service_chat.records.ports import PatientRecord
from serving.errors import InvalidInput

_GZIP = b"\x1f\x8b"


def records_in(path: Path, today: date) -> Iterator[PatientRecord]:
    """The record of each patient in a file, as of `today`.

    Raises:
        InvalidInput: It is no FHIR bundle, or a patient in it has no medical record number that is beyond doubt.
        OSError: It can not be read.
    """
    found = [entry for entry in entries(_bundle(path)) if entry.kind in READ_TYPES or entry.kind == "Patient"]
    patients = [entry for entry in found if entry.kind == "Patient"]
    drugs = [entry for entry in found if entry.kind == "Medication"]
    owned = _by_owner(found, patients)
    for number, patient in enumerate(patients):
        mrn = medical_record_number(patient.resource)
        if mrn is None:
            raise InvalidInput(f"{path.name}: a patient in it has no identifier of type MR.")
        yield record_from(mrn, patient.resource, (*owned[number], *drugs), today)


def _bundle(path: Path) -> JsonObject:
    data = path.read_bytes()
    try:
        # By its first bytes, not its name: browsers unpack on the way and keep the name, or the other way round.
        found = parse(gzip.decompress(data) if data.startswith(_GZIP) else data)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile):
        raise InvalidInput(f"{path.name}: no JSON, plain or gzip'd.") from None
    if found.get("resourceType") != "Bundle":
        raise InvalidInput(f"{path.name}: a {text(found.get('resourceType')) or 'JSON file'}, not a FHIR bundle.")
    return found


def _by_owner(found: list[Entry], patients: list[Entry]) -> dict[int, list[Entry]]:
    """Entries by the place of their patient in `patients`. What refers to nobody in the bundle is left out."""
    places: dict[str, int] = {}
    for number, patient in enumerate(patients):
        logical_id = text(patient.resource.get("id"))
        places |= {patient.full_url: number, f"Patient/{logical_id}": number, f"urn:uuid:{logical_id}": number}
        places |= {_by_identifier(system, value): number for system, value in identifiers(patient.resource)}
    owned: dict[int, list[Entry]] = defaultdict(list)
    for entry in found:
        place = _place(entry.resource.get("subject") or entry.resource.get("patient"), places)
        if place is not None:
            owned[place].append(entry)
    return owned


def _place(owner: object, places: Mapping[str, int]) -> int | None:
    reference = reference_of(owner).split("/_history/")[0]
    if not reference:
        logical = as_object(as_object(owner).get("identifier"))
        reference = _by_identifier(text(logical.get("system")), text(logical.get("value")))
    return places.get(reference, places.get("/".join(reference.split("/")[-2:])))


def _by_identifier(system: str, value: str) -> str:
    """As a reference that a server resolves when the bundle is loaded."""
    return f"Patient?identifier={system}|{value}"
