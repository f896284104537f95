"""The `fhir` store on a real HAPI FHIR server reads what the import reads from the files."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from service_chat.errors import AmbiguousPatient
from service_chat.record_stores import open_records
from service_chat.records.ports import RecordStore
from service_chat.services.context import context_of
from service_chat.settings import ChatSettings
from serving.clock import SystemClock
from serving.errors import NotFound
from tests.acceptance.fhir.conftest import RealServer
from tests.fakes.answers import guard

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
MR = {"coding": [{"code": "MR"}]}
SYSTEM = "http://hospital.smarthealthit.org"

#: What a record may make graver, each by another part of it.
QUESTIONS = (
    "I have had a fever of 38.6 since this morning.",
    "Can I take ibuprofen?",
    "I hit my head.",
    "My head hurts.",
)
GUARD = guard()  # here, because it reads files


async def opened(server: RealServer) -> RecordStore:
    settings = ChatSettings(llm_mode="mock", records_backend="fhir", fhir_base_url=server.base, fhir_mrn_system=SYSTEM)
    return await open_records(settings, SystemClock())


async def test_every_patient_reads_the_same_from_the_file_and_from_the_server(real_server: RealServer) -> None:
    store = await opened(real_server)
    try:
        for name, expected in real_server.records.items():
            found = await store.patient(expected.mrn)
            assert context_of(found) == context_of(expected), name
            assert found == expected, name
            for asked in QUESTIONS:
                heard = GUARD.hear(asked)
                assert GUARD.of_record(heard, found) == GUARD.of_record(heard, expected), (name, asked)
    finally:
        await store.aclose()
    assert len(real_server.records) == 9


async def test_the_largest_patient_is_read_within_two_seconds(real_server: RealServer) -> None:
    largest = real_server.records["multimorbid-large"]
    store = await opened(real_server)
    took = []
    try:
        for _ in range(5):
            begun = time.perf_counter()
            await store.patient(largest.mrn)
            took.append(time.perf_counter() - begun)
    finally:
        await store.aclose()
    print(f"2,028 resources: {', '.join(f'{each:.2f} s' for each in took)}")  # noqa: T201  # a figure for the reader
    assert median(took) < 2


async def test_what_was_added_a_moment_ago_is_read(real_server: RealServer) -> None:
    expected = real_server.records["healthy"]
    store = await opened(real_server)
    try:
        before = await store.patient(expected.mrn)
        async with httpx.AsyncClient() as client:
            query = {"identifier": f"{SYSTEM}|{expected.mrn}"}
            found = (await client.post(f"{real_server.base}/Patient/_search", data=query)).json()
            who = {"reference": f"Patient/{found['entry'][0]['resource']['id']}"}
            allergy: dict[str, Any] = {
                "resourceType": "AllergyIntolerance",
                "patient": who,
                "code": {"text": "Amoxicillin"},
            }
            answer = await client.post(f"{real_server.base}/AllergyIntolerance", json=allergy)
            assert answer.status_code == 201
            after = await store.patient(expected.mrn)
            await client.delete(answer.headers["location"].split("/_history/")[0])
    finally:
        await store.aclose()
    assert before.allergies == ()
    assert [each.substance for each in after.allergies] == ["Amoxicillin"]


async def test_nobody_is_not_found_and_two_are_ambiguous(real_server: RealServer, tmp_path: Path) -> None:
    file = tmp_path / "twice.json"
    who = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": "TWICE-1", "type": MR}]}
    entry = {"resource": who, "request": {"method": "POST", "url": "Patient"}}
    await asyncio.to_thread(
        file.write_text, json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    )
    store = await opened(real_server)
    try:
        with pytest.raises(NotFound):
            await store.patient("TWICE-1")
        await asyncio.to_thread(real_server.load, file)
        assert (await store.patient("TWICE-1")).mrn == "TWICE-1"
        await asyncio.to_thread(real_server.load, file)
        with pytest.raises(AmbiguousPatient):
            await store.patient("TWICE-1")
    finally:
        await store.aclose()


async def test_the_servers_log_never_holds_a_number(real_server: RealServer) -> None:
    mrn = real_server.records["infant"].mrn
    store = await opened(real_server)
    try:
        await store.patient(mrn)
    finally:
        await store.aclose()
    log = (await asyncio.to_thread(real_server.log.read_bytes)).decode(errors="replace")
    assert "/Patient/_search" in log
    assert mrn not in log


def test_the_command_shows_the_same_for_both(real_server: RealServer, tmp_path: Path) -> None:
    path, mrn = real_server.patients["pregnant"], real_server.records["pregnant"].mrn
    embedded = {**os.environ, "RECORDS_PATH": str(tmp_path / "records.sqlite")}
    remote = {
        **os.environ, "RECORDS_BACKEND": "fhir", "FHIR_BASE_URL": real_server.base, "FHIR_MRN_SYSTEM": SYSTEM
    }  # fmt: skip

    def command(environment: dict[str, str], *arguments: str) -> str:
        words = [sys.executable, "-m", "service_chat", "records", *arguments]
        return subprocess.run(words, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout

    command(embedded, "import", str(path))
    shown = [command(where, "show", mrn, "--json") for where in (embedded, remote)]
    assert shown[0] == shown[1]
    assert json.loads(shown[0])["items"]
