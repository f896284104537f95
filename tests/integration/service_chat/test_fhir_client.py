"""The whole service on a FHIR server: what befalls a record becomes a status, and no log line names a patient."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.fakes.fhir_server import FakeFhir
from tests.fakes.written_patient import MRN, MRN_SYSTEM, bundle, condition, patient
from tests.integration.processes import ServiceProcess
from tests.integration.service_chat.conftest import Start
from tests.integration.service_chat.loopback_asgi import served

pytestmark = pytest.mark.anyio
QUESTION = "Can I take my tablets with grapefruit juice?"


@asynccontextmanager
async def chat_on(fhir: FakeFhir, start: Start, **more: str) -> AsyncIterator[ServiceProcess]:
    async with served(fhir.app) as base:
        fhir.link_base = f"{base}/fhir"
        settings = {
            "LLM_MODE": "mock",
            "RECORDS_BACKEND": "fhir",
            "FHIR_BASE_URL": f"{base}/fhir",
            "FHIR_MRN_SYSTEM": MRN_SYSTEM,
            "FHIR_TOKEN": "canary-token",
            "LOG_LEVEL": "DEBUG",
            **more,
        }
        running = start(settings)
        process = await asyncio.to_thread(running.__enter__)
        try:
            await asyncio.to_thread(process.until_ready)
            yield process
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def ask(process: ServiceProcess, mrn: str = MRN) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.post(f"{process.url}/triage", json={"patient_mrn": mrn, "query": QUESTION})


async def test_a_record_of_a_server_is_answered_from_and_what_goes_wrong_has_its_status(start: Start) -> None:
    twins = bundle()
    for number in (2, 3):
        twin = {**patient(identifier=[{"system": MRN_SYSTEM, "value": "TWIN-1"}]), "id": f"p-{number}"}
        twins["entry"].append({"fullUrl": f"urn:uuid:p-{number}", "resource": twin})
    fhir = FakeFhir(twins)
    fhir.tokens, fhir.page_size = {"canary-token"}, 7
    async with chat_on(fhir, start) as process:
        assert (await ask(process)).status_code == 200
        assert (await ask(process, "NOBODY-1")).status_code == 404
        ambiguous = await ask(process, "TWIN-1")
        assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "ambiguous_patient")
        fhir.refuse = {"AllergyIntolerance": 500}
        assert (await ask(process)).status_code == 502
        fhir.refuse = {}
        assert (await ask(process)).status_code == 200
        log = "\n".join(process.log)
    for canary in (MRN, "NOBODY-1", "TWIN-1", "canary-token", "Canaryfamily"):
        assert canary not in log


async def test_a_slow_server_is_given_up_in_the_time_given(start: Start) -> None:
    fhir = FakeFhir(bundle())
    async with chat_on(fhir, start, RECORDS_TIMEOUT_SECONDS="1.5") as process:
        fhir.delay_s = 20
        begun = time.monotonic()
        assert (await ask(process)).status_code == 502
        assert time.monotonic() - begun < 15
        fhir.delay_s = 0
        assert (await ask(process)).status_code == 200


async def test_a_page_on_another_host_gets_neither_a_question_nor_the_token(start: Start) -> None:
    fhir, other = (
        FakeFhir(bundle(found=[condition({"text": f"D{n}"}, "active") for n in range(30)])),
        FakeFhir(bundle()),
    )
    fhir.page_size = 10
    async with served(other.app) as elsewhere, chat_on(fhir, start) as process:
        fhir.link_base = f"{elsewhere}/fhir"
        assert (await ask(process)).status_code == 502
    assert other.asked == []
