"""Records of a FHIR R4 server: finds the patient by their number, reads what belongs to them, maps it.

Opened by `service_chat.wiring` for `RECORDS_BACKEND=fhir`; one client and its connections for the life of the process.
The searches of a patient run at the same time. Nothing is believed: the patient that comes back must carry the number
that was asked for, and each resource must say that it is theirs, because there are servers that pass over a search term
and return everybody. A list that could not be read whole is a failure and never a shorter list: a drug that is missing
looks like none.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar

import httpx
from typing_extensions import override

from service_chat.errors import AmbiguousPatient
from service_chat.records.fhir_drugs import DRUG_TYPES, Drugs
from service_chat.records.fhir_mapping import EFFECTIVE, record_from
from service_chat.records.fhir_patient import identifiers, replaced
from service_chat.records.fhir_server import NOT_OFFERED, FhirServer, Terms, Tokens
from service_chat.records.fhir_values import Entry, points_to, reference_of, when
from service_chat.records.json_values import JsonObject, text
from service_chat.records.ports import PatientRecord, RecordStore
from serving.clock import Clock
from serving.errors import DependencyFailed, NotFound

T = TypeVar("T")

#: Pages of a list that must be whole; a patient with more is refused rather than cut.
_MOST_PAGES = 25
#: Of observations each of the last years is asked for by itself, and what is older at once.
_OBSERVATION, _YEARS = "Observation", 8
#: A year of two thousand values ends there; the newest are the first.
_MOST_OLD_PAGES = 10
#: Drugs that prescriptions point to and that did not come along.
_MOST_MEDICATIONS = 50


@dataclass(frozen=True, slots=True)
class FhirConfig:
    base_url: str  #: FHIR_BASE_URL
    mrn_system: str  #: FHIR_MRN_SYSTEM; empty: any system
    timeout_s: float  #: RECORDS_TIMEOUT_SECONDS, for one patient


@dataclass(frozen=True, slots=True)
class _List:
    kind: str
    terms: Terms = ()
    #: Elements by which the newest come first, which are enough, and servers may lack. Empty: it must be whole.
    newest_by: tuple[str, ...] = ()
    optional: bool = False


_LISTS = (
    _List("Condition"),
    _List("AllergyIntolerance"),
    _List("MedicationRequest", (("_include", "MedicationRequest:medication"),)),
    _List("MedicationStatement", (("_include", "MedicationStatement:medication"),), optional=True),
    _List("Encounter", (("_sort", "-date"), ("_count", "50")), ("period",)),
    _List("DocumentReference", (("status", "current"), ("_sort", "-date"), ("_count", "50")), ("date",)),
)


class FhirRecords(RecordStore):
    def __init__(self, config: FhirConfig, tokens: Tokens, client: httpx.AsyncClient, clock: Clock) -> None:
        """Takes the client over: `aclose` closes it.

        Raises:
            ValueError: The base address is none.
        """
        self._server = FhirServer(config.base_url, tokens, client)
        self._config, self._client, self._clock = config, client, clock

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                patient = await self._found(mrn)
                entries = await self._all_of(text(patient.get("id")))
        except TimeoutError:
            raise DependencyFailed("The FHIR server took too long.", reason="timeout") from None
        today = self._clock.now().date()
        # Two thousand resources take a tenth of a second: not on the loop.
        return await asyncio.to_thread(record_from, mrn, patient, entries, today)

    @override
    async def aclose(self) -> None:
        await self._client.aclose()

    async def _found(self, mrn: str) -> JsonObject:
        system = self._config.mrn_system
        wanted = f"{_escaped(system)}|{_escaped(mrn)}" if system else _escaped(mrn)
        found = await self._server.search("Patient", (("identifier", wanted), ("_count", "10")), most_pages=1)
        patients = [entry.resource for entry in found if entry.kind == "Patient"]
        if any(not _carries(patient, system, mrn) for patient in patients):
            raise DependencyFailed("The FHIR server returned a patient with another number.")
        by_id = {text(patient.get("id")): patient for patient in patients if not replaced(patient)}
        if not by_id:
            raise NotFound("Patient not found")
        if len(by_id) > 1:
            raise AmbiguousPatient(found=len(by_id))
        return next(iter(by_id.values()))

    async def _all_of(self, patient_id: str) -> list[Entry]:
        asked = [self._list(each, patient_id) for each in _LISTS]
        lists = await _together([*asked, self._observations(patient_id)])
        # A server may send an included resource with each page.
        unique = {(entry.kind, text(entry.resource.get("id"))): entry for found in lists for entry in found}
        entries = list(unique.values())
        drugs = Drugs(entries)
        wanted = drugs.missing(entry.resource for entry in entries if entry.kind in DRUG_TYPES)
        read = await _together([self._server.read(reference) for reference in wanted[:_MOST_MEDICATIONS]])
        return entries + [entry for entry in read if entry is not None]

    async def _list(self, which: _List, patient_id: str) -> list[Entry]:
        terms = (("patient", patient_id), *which.terms)
        if which.newest_by:
            try:
                newest = await self._server.first_page(which.kind, terms)
            except DependencyFailed as failed:
                if failed.details.get("upstream_status") in NOT_OFFERED:
                    return []
                raise
            if newest.last or _newest_first(newest.found, which.newest_by):
                return _theirs(newest.found, which.kind, patient_id)
        whole = not which.newest_by
        count = () if which.newest_by else (("_count", "100"),)
        found = await self._whole(which.kind, (*terms, *count), whole, which.optional)
        return _theirs(found, which.kind, patient_id)

    async def _whole(self, kind: str, terms: Terms, whole: bool, optional: bool) -> list[Entry]:
        without = tuple(term for term in terms if term[0] != "_include")
        if without != tuple(terms):
            try:
                return await self._server.search(kind, terms, _MOST_PAGES, whole)
            except DependencyFailed as failed:
                if failed.details.get("upstream_status") not in NOT_OFFERED:
                    raise
            # It may lack the kind, or only bring nothing along: then what is missing is asked for piece by piece.
        return await self._server.search(kind, without, _MOST_PAGES, whole, optional)

    async def _observations(self, patient_id: str) -> list[Entry]:
        """The newest page; and where that is not all, the years before it at the same time.

        A page after the first costs a server most of a second, because it goes on with a search that it has put aside;
        a first page costs a tenth of that. A patient with a thousand values has five pages, and years of two hundred.
        """
        terms = (("patient", patient_id), ("_sort", "-date"), ("_count", "200"))
        newest = await self._server.first_page(_OBSERVATION, terms)
        found = _theirs(newest.found, _OBSERVATION, patient_id)
        if newest.last:
            return found
        if not _newest_first(newest.found, EFFECTIVE):  # it does not sort: only all of them hold the newest
            all_of_them = await self._server.search(_OBSERVATION, terms, _MOST_PAGES, whole=False)
            return _theirs(all_of_them, _OBSERVATION, patient_id)
        taken = [at for entry in found if (at := when(entry.resource, *EFFECTIVE)) is not None]
        if not taken:
            return found
        # A day more, for the time zone in which the server counts its days.
        newer = min(taken).date() + timedelta(days=1)
        years = [newer - timedelta(days=365 * number) for number in range(_YEARS + 1)]
        spans = [(("date", f"ge{first}"), ("date", f"le{last}")) for last, first in pairwise(years)]
        asked = [
            self._server.search(_OBSERVATION, (*terms, *span), _MOST_OLD_PAGES, whole=False)
            for span in (*spans, (("date", f"le{years[-1]}"),))
        ]
        older = [entry for each in await _together(asked) for entry in each]
        return found + _theirs(older, _OBSERVATION, patient_id)


def _carries(patient: JsonObject, system: str, mrn: str) -> bool:
    return any(value == mrn and system in ("", of) for of, value in identifiers(patient))


def _is_theirs(resource: JsonObject, patient_id: str) -> bool:
    owner = resource.get("subject") if reference_of(resource.get("subject")) else resource.get("patient")
    return points_to(owner, "Patient", patient_id)


def _newest_first(found: Sequence[Entry], elements: Sequence[str]) -> bool:
    """Whether a server sorts as it was asked to. Periods overlap, so a few in another order prove nothing."""
    at = [moment for entry in found if (moment := when(entry.resource, *elements)) is not None]
    wrong = sum(later > earlier for earlier, later in pairwise(at))
    return wrong <= len(at) // 10


def _theirs(found: Sequence[Entry], kind: str, patient_id: str) -> list[Entry]:
    """Those of the kind that was asked for, and drugs that came along."""
    for entry in found:
        if entry.kind == kind and not _is_theirs(entry.resource, patient_id):
            raise DependencyFailed("The FHIR server returned a resource of another patient.", kind=kind)
    return [entry for entry in found if entry.kind in (kind, "Medication")]


def _escaped(value: str) -> str:
    """The signs that mean something in a search term stand for themselves behind a backslash."""
    return "".join(f"\\{sign}" if sign in "\\|,$" else sign for sign in value)


async def _together(calls: Sequence[Awaitable[T]]) -> list[T]:
    """Their results in order. The first that fails ends the others, and its error is the error."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_awaited(call)) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def _awaited(call: Awaitable[T]) -> T:
    return await call
