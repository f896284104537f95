"""One patient, three stores: what the prompt would hold is the same whichever way the record came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from service_chat.record_stores import open_records
from service_chat.records.bundle import records_in
from service_chat.records.ports import PatientRecord
from service_chat.records.sqlite_file import opened_for_import, put
from service_chat.services.context import context_of
from service_chat.settings import ChatSettings
from serving.errors import DependencyFailed, NotFound
from tests.fakes.clock import ManualClock
from tests.fakes.fhir_server import FakeFhir
from tests.fakes.written_patient import MRN, MRN_SYSTEM, bundle, summary
from tests.integration.service_chat.loopback_asgi import served

pytestmark = pytest.mark.anyio


class November(ManualClock):
    """The day for which the patient was written."""

    @override
    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC)


async def asked(mrn: str, **settings: Any) -> PatientRecord:
    store = await open_records(ChatSettings(llm_mode="mock", **settings), November())
    try:
        return await store.patient(mrn)
    finally:
        await store.aclose()


@asynccontextmanager
async def carepath(body: bytes = orjson.dumps(summary()), status: int = 200) -> AsyncIterator[str]:
    async def answer(request: Request) -> Response:
        found = request.path_params["mrn"] == MRN
        return Response(body if found else b"{}", status if found else 404, media_type="application/json")

    async with served(Starlette(routes=[Route("/patients/{mrn}/summary", answer)])) as base:
        yield base


def imported(tmp_path: Path) -> Path:
    path, file = tmp_path / "records.sqlite", tmp_path / "bundle.json"
    file.write_bytes(orjson.dumps(bundle()))
    with opened_for_import(path) as connection:
        for record in records_in(file, November().now().date()):
            put(connection, record)
    return path


async def test_one_patient_reads_the_same_from_the_file_from_carepath_and_from_fhir(tmp_path: Path) -> None:
    from_file = await asked(MRN, records_path=await asyncio.to_thread(imported, tmp_path))
    async with carepath() as base:
        from_carepath = await asked(MRN, db_api_base_url=base)
    fhir = FakeFhir(bundle())
    async with served(fhir.app) as base:
        fhir.link_base = f"{base}/fhir"
        fhir.page_size = 5
        from_fhir = await asked(MRN, records_backend="fhir", fhir_base_url=f"{base}/fhir", fhir_mrn_system=MRN_SYSTEM)
    assert from_file == from_fhir
    assert context_of(from_file) == context_of(from_carepath)
    assert context_of(from_file).items


async def test_an_address_alone_selects_carepath_and_an_unknown_number_is_not_found() -> None:
    async with carepath() as base:
        assert (await asked(MRN, db_api_base_url=base)).mrn == MRN
        with pytest.raises(NotFound):
            await asked("HW-9", db_api_base_url=base)


async def test_a_server_that_is_not_there_is_a_failed_dependency() -> None:
    with pytest.raises(DependencyFailed):
        await asked(MRN, db_api_base_url="http://127.0.0.1:9")


async def test_a_server_that_never_finishes_its_answer_is_given_up() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{")
        try:
            while True:  # each piece comes in time, the whole never does
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DependencyFailed, match="too long"):
            await asked(MRN, db_api_base_url=f"http://127.0.0.1:{port}", records_timeout_seconds=0.2)
