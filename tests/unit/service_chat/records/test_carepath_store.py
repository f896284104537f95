"""The CarePath API: what it sends is read in both spellings, what goes wrong there is told apart."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import httpx
import orjson
import pytest

from service_chat.records.carepath import CarePathConfig, CarePathRecords
from service_chat.records.carepath_mapping import record_from_summary
from service_chat.records.ports import AllergyStatus, Sex
from serving.errors import DependencyFailed, NotFound
from tests.fakes.clock import ManualClock
from tests.fakes.written_patient import MRN, summary

pytestmark = pytest.mark.anyio
TODAY = date(2026, 11, 21)
Answer = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def store(answer: Answer, base: str = "http://db.test:8001") -> AsyncIterator[CarePathRecords]:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    found = CarePathRecords(CarePathConfig(base, 1.0), client, ManualClock())
    try:
        yield found
    finally:
        await found.aclose()


async def test_the_summary_is_asked_for_and_read() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=orjson.dumps(summary()))

    async with store(answer, "http://db.test:8001/") as records:
        found = await records.patient(MRN)
    assert asked == [f"http://db.test:8001/patients/{MRN}/summary"]
    assert found.mrn == MRN
    assert found.medications


@pytest.mark.parametrize("mrn", ["a/b", "a?b", "a#b", "a b", "%2e", "ä", "a\\b", "../x"])
async def test_a_number_stays_one_part_of_the_path(mrn: str) -> None:
    paths: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(404)

    async with store(answer) as records:
        with pytest.raises(NotFound):
            await records.patient(mrn)
    [path] = paths
    assert path.count(b"/") == 3
    assert b"?" not in path
    assert path.startswith(b"/patients/")
    assert path.endswith(b"/summary")


@pytest.mark.parametrize("mrn", ["", ".", ".."])
async def test_dots_alone_are_never_asked_for(mrn: str) -> None:
    async with store(lambda _: pytest.fail("it was asked")) as records:
        with pytest.raises(NotFound):
            await records.patient(mrn)


@pytest.mark.parametrize("status", [301, 400, 401, 500, 503])
async def test_any_other_status_is_a_failed_dependency(status: int) -> None:
    async with store(lambda _: httpx.Response(status, text=f"secret {MRN}")) as records:
        with pytest.raises(DependencyFailed) as failed:
            await records.patient(MRN)
    assert failed.value.details == {"upstream_status": status}
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"patient":', b"[" * 100_000])
async def test_what_is_no_summary_is_a_failed_dependency(body: bytes) -> None:
    async with store(lambda _: httpx.Response(200, content=body)) as records:
        with pytest.raises(DependencyFailed, match="no JSON"):
            await records.patient(MRN)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
async def test_no_answer_is_a_failed_dependency_that_names_nobody(error: type[httpx.TransportError]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error(f"no answer from {request.url}")

    async with store(answer) as records:
        with pytest.raises(DependencyFailed) as failed:
            await records.patient(MRN)
    assert failed.value.details == {"reason": error.__name__}
    assert MRN not in f"{failed.value.message} {failed.value.details}"


async def test_another_patient_is_not_believed() -> None:
    async with store(lambda _: httpx.Response(200, content=orjson.dumps(summary()))) as records:
        with pytest.raises(DependencyFailed, match="another number"):
            await records.patient("HW-0043")


def test_the_spelling_of_the_documentation_is_read_too() -> None:
    told: dict[str, Any] = {
        "patient": {
            "gender": "female",
            "birth_date": "1990-03-15",
            "conditions": [{"name": "Asthma", "onset": "2005-01-01"}],
            "medications": [{"name": "Metformin", "dose": "500 mg", "frequency": "twice daily"}],
            "allergies": [{"allergen": "Penicillin", "reactions": ["Rash"], "severity": "Severe"}],
        },
        "recent_encounters": [{"date": "2026-10-01", "encounter_type": "Telehealth", "reason": "Cough"}],
        "recent_documents": [{"title": "Letter", "content": "All well.", "created_at": "2026-10-02"}],
    }
    found = record_from_summary("P1", told, TODAY)
    assert (found.sex, found.age_years) == (Sex.FEMALE, 36)
    assert [(each.display, each.onset) for each in found.conditions] == [("Asthma", date(2005, 1, 1))]
    assert [(each.name, each.sig) for each in found.medications] == [("Metformin", "500 mg, twice daily")]
    assert [(each.substance, each.reaction, each.severity) for each in found.allergies] == [
        ("Penicillin", "Rash", "severe")
    ]
    assert [(each.kind, each.reason) for each in found.encounters] == [("telehealth", "Cough")]
    assert [(each.title, each.text) for each in found.documents] == [("Letter", "All well.")]


def test_a_drug_whose_end_has_come_is_not_taken() -> None:
    drugs = [{"name": "Old", "end_date": "2026-11-21"}, {"name": "Going", "end_date": "2026-11-22"}, {"name": "On"}]
    found = record_from_summary("P1", {"patient": {"medications": drugs}}, TODAY)
    assert {each.name for each in found.medications} == {"Going", "On"}


@pytest.mark.parametrize(
    ("listed", "status"),
    [
        ([], AllergyStatus.NOT_RECORDED),
        (None, AllergyStatus.NOT_RECORDED),
        (["NKDA"], AllergyStatus.NONE_KNOWN),
        ([{"substance": "No known allergies"}], AllergyStatus.NONE_KNOWN),
        ("None known", AllergyStatus.NONE_KNOWN),
        (["Latex"], AllergyStatus.LISTED),
    ],
)
def test_none_known_and_never_asked_are_told_apart(listed: object, status: AllergyStatus) -> None:
    assert record_from_summary("P1", {"patient": {"allergies": listed}}, TODAY).allergy_status is status


def test_nothing_that_names_the_patient_or_who_pays_is_kept() -> None:
    assert "Canary" not in repr(record_from_summary(MRN, summary(), TODAY))


@pytest.mark.parametrize(
    "odd", [{}, {"patient": []}, {"patient": {"name": 7, "conditions": "x", "allergies": {"a": 1}}}]
)
def test_what_makes_no_sense_is_an_empty_record_and_no_error(odd: dict[str, Any]) -> None:
    found = record_from_summary(
        "P1", {**odd, "recent_encounters": [{"vitals": 3, "labs": "x", "start": "soon"}]}, TODAY
    )
    assert (found.conditions, found.medications, found.vitals) == ((), (), ())
