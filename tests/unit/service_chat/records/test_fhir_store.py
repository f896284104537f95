"""The FHIR store against a server with the habits of real ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service_chat.errors import AmbiguousPatient
from service_chat.records.fhir import FhirConfig, FhirRecords
from service_chat.records.fhir_mapping import record_from
from service_chat.records.fhir_values import entries
from service_chat.records.smart import FixedToken
from serving.errors import DependencyFailed, NotFound
from tests.fakes.clock import ManualClock
from tests.fakes.fhir_server import FakeFhir
from tests.fakes.written_patient import MRN, MRN_SYSTEM, bundle, condition, measured, observation, patient, request

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def store(
    server: FakeFhir,
    token: str = "",
    system: str = MRN_SYSTEM,
    timeout_s: float = 5,
    base: str = "http://fhir.test/fhir",
) -> AsyncIterator[FhirRecords]:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(server.app))
    found = FhirRecords(FhirConfig(base, system, timeout_s), FixedToken(token), client, ManualClock())
    try:
        yield found
    finally:
        await found.aclose()


def many(number: int, **more: Any) -> list[dict[str, Any]]:
    return [condition({"text": f"Disease {each}"}, "active", **more) for each in range(number)]


async def test_a_server_gives_the_record_that_its_resources_give() -> None:
    server = FakeFhir(bundle())
    async with store(server) as records:
        found = await records.patient(MRN)
    held = list(entries(bundle()))
    assert found == record_from(MRN, held[0].resource, held[1:], ManualClock().now().date())


async def test_the_number_travels_in_a_form_and_never_in_an_address() -> None:
    server = FakeFhir(bundle())
    async with store(server) as records:
        await records.patient(MRN)
    first = server.asked[0]
    assert (first.method, first.path) == ("POST", "/fhir/Patient/_search")
    assert first.form["identifier"] == f"{MRN_SYSTEM}|{MRN}"
    assert all(MRN not in each.path + each.query for each in server.asked)
    assert all(each.headers["cache-control"] == "no-cache" for each in server.asked)


async def test_without_a_system_an_identifier_of_any_system_is_the_number() -> None:
    async with store(FakeFhir(bundle()), system="") as records:
        assert (await records.patient(MRN)).mrn == MRN


@pytest.mark.parametrize("mrn", ["HW-0043", "hw-0042", "HW-0042 "])
async def test_nobody_is_not_found(mrn: str) -> None:
    async with store(FakeFhir(bundle())) as records:
        with pytest.raises(NotFound) as refused:
            await records.patient(mrn)
    assert mrn not in str(refused.value)


async def test_two_patients_with_one_number_are_nobodys_guess() -> None:
    twins = bundle()
    twins["entry"].append({"fullUrl": "urn:uuid:p-2", "resource": {**patient(), "id": "p-2"}})
    async with store(FakeFhir(twins)) as records:
        with pytest.raises(AmbiguousPatient):
            await records.patient(MRN)


async def test_a_patient_who_was_merged_into_another_is_not_counted() -> None:
    twins = bundle()
    gone = {**patient(), "id": "p-2", "active": False, "link": [{"type": "replaced-by", "other": {}}]}
    twins["entry"].append({"fullUrl": "urn:uuid:p-2", "resource": gone})
    async with store(FakeFhir(twins)) as records:
        assert (await records.patient(MRN)).conditions


async def test_a_server_that_returns_everybody_is_not_believed() -> None:
    server = FakeFhir(bundle())
    server.ignored = {"identifier"}
    async with store(server) as records:
        with pytest.raises(DependencyFailed, match="another number"):
            await records.patient("SOMEBODY-ELSE")


async def test_a_resource_of_another_patient_is_not_taken() -> None:
    server = FakeFhir(bundle())
    server.resources.append(
        {**condition({"text": "Not mine"}, "active"), "id": "x", "subject": {"reference": "Patient/9"}}
    )
    server.ignored = {"patient"}
    async with store(server) as records:
        with pytest.raises(DependencyFailed, match="another patient"):
            await records.patient(MRN)


async def test_every_page_of_a_list_is_read() -> None:
    server = FakeFhir(bundle(found=many(21)))
    server.page_size = 10
    async with store(server) as records:
        assert len((await records.patient(MRN)).conditions) == 21
    assert [each.method for each in server.asked].count("GET") == 2


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://evil.test/fhir",
        "https://fhir.test/fhir",
        "http://fhir.test:8080/fhir",
        "http://fhir.test@evil.test/fhir",
    ],
)
async def test_a_next_page_on_another_origin_is_never_asked_for(elsewhere: str) -> None:
    server = FakeFhir(bundle(found=many(21)))
    server.page_size, server.link_base, server.tokens = 10, elsewhere, {"secret"}
    async with store(server, token="secret") as records:
        with pytest.raises(DependencyFailed, match="another origin") as failed:
            await records.patient(MRN)
    assert "evil" not in f"{failed.value.message} {failed.value.details}"
    assert all(each.method == "POST" for each in server.asked)


async def test_a_relative_next_link_is_followed() -> None:
    server = FakeFhir(bundle(found=many(21)))
    server.page_size, server.link_base = 10, "/fhir"
    async with store(server) as records:
        assert len((await records.patient(MRN)).conditions) == 21


async def test_a_search_that_vanished_is_begun_again_once() -> None:
    server = FakeFhir(bundle(found=many(21)))
    server.page_size, server.gone = 10, 1
    async with store(server) as records:
        assert len((await records.patient(MRN)).conditions) == 21
        server.gone = 2
        with pytest.raises(DependencyFailed) as failed:
            await records.patient(MRN)
    assert failed.value.details["upstream_status"] == 410


async def test_more_pages_than_anybody_reads_are_a_failure_and_not_a_shorter_list() -> None:
    server = FakeFhir(bundle(found=many(60)))
    server.page_size = 1
    async with store(server) as records:
        with pytest.raises(DependencyFailed, match="pages of Condition"):
            await records.patient(MRN)


async def test_of_observations_the_newest_pages_are_enough() -> None:
    old = [observation("2160-0", "Creatinine", f"20{year:02}-01-01", "laboratory", **measured(year, "mg/dL"))
           for year in range(1, 26)]  # fmt: skip
    server = FakeFhir(bundle(found=old))
    server.page_size = 1
    async with store(server) as records:
        assert [each.value for each in (await records.patient(MRN)).labs] == [25, 24]


async def test_an_old_value_is_found_behind_a_thousand_newer_ones() -> None:
    many = [
        observation("2160-0", "Creatinine", f"{2005 + number // 50}-{number % 12 + 1:02}-01", "laboratory", **value)
        for number in range(1000)
        if (value := measured(number, "mg/dL"))
    ]
    rare = observation("6690-2", "Leukocytes", "2005-01-01", "laboratory", **measured(4, "10*3/uL"))
    server = FakeFhir(bundle(found=[*many, rare]))
    server.page_size = 200
    async with store(server) as records:
        labs = (await records.patient(MRN)).labs
    assert [each.name for each in labs] == ["Creatinine", "Creatinine", "Leukocytes"]
    assert labs[0].taken_at.year == 2024


@pytest.mark.parametrize("kind", ["MedicationStatement", "Encounter", "DocumentReference"])
@pytest.mark.parametrize("status", [400, 403, 404, 501])
async def test_a_kind_that_servers_may_lack_is_an_empty_list(kind: str, status: int) -> None:
    server = FakeFhir(bundle())
    server.refuse = {kind: status}
    async with store(server) as records:
        assert (await records.patient(MRN)).allergies


@pytest.mark.parametrize("kind", ["Patient", "Condition", "AllergyIntolerance", "MedicationRequest", "Observation"])
@pytest.mark.parametrize("status", [302, 400, 403, 404, 429, 500, 503])
async def test_a_list_that_matters_and_can_not_be_read_is_a_failure(kind: str, status: int) -> None:
    server = FakeFhir(bundle())
    server.refuse = {kind: status}
    async with store(server) as records:
        with pytest.raises(DependencyFailed) as failed:
            await records.patient(MRN)
    assert failed.value.details["upstream_status"] == status


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"resourceType":"OperationOutcome"}', b"[" * 100_000])
async def test_what_is_no_bundle_is_a_failed_dependency(body: bytes) -> None:
    server = FakeFhir(bundle())
    server.raw = {"Condition": body}
    async with store(server) as records:
        with pytest.raises(DependencyFailed):
            await records.patient(MRN)


async def test_a_slow_server_is_a_failed_dependency_within_the_time_given() -> None:
    server = FakeFhir(bundle())
    server.delay_s = 30
    async with store(server, timeout_s=0.05) as records:
        with pytest.raises(DependencyFailed, match="too long"):
            await records.patient(MRN)


async def test_a_wrong_token_is_a_failed_dependency() -> None:
    server = FakeFhir(bundle())
    server.tokens = {"right"}
    async with store(server, token="wrong") as records:
        with pytest.raises(DependencyFailed) as failed:
            await records.patient(MRN)
    assert failed.value.details["upstream_status"] == 401
    assert "wrong" not in str(failed.value)


async def test_a_drug_that_did_not_come_along_is_asked_for() -> None:
    server = FakeFhir(bundle())
    server.ignored = {"_include"}
    async with store(server) as records:
        names = [each.name for each in (await records.patient(MRN)).medications]
    assert "Levothyroxine 50 MCG" in names


async def test_a_server_that_refuses_to_bring_drugs_along_is_asked_without() -> None:
    server = FakeFhir(bundle())
    server.refuses_include = True
    async with store(server) as records:
        names = [each.name for each in (await records.patient(MRN)).medications]
    assert {"Levothyroxine 50 MCG", "St John's wort"} <= set(names)


async def test_a_server_that_does_not_sort_is_read_to_its_end() -> None:
    days = [f"20{year:02}-01-01" for year in range(1, 26)]
    values = [observation("2160-0", "Creatinine", day, "laboratory", **measured(1, "mg/dL")) for day in days]
    visits = [{"resourceType": "Encounter", "status": "finished", "subject": {"reference": "urn:uuid:p-1"},
               "period": {"start": day}} for day in days]  # fmt: skip
    server = FakeFhir(bundle(found=[*values, *visits]))
    server.ignored, server.page_size = {"_sort"}, 2
    async with store(server) as records:
        found = await records.patient(MRN)
    assert [each.taken_at.year for each in found.labs] == [2025, 2024]
    assert [each.started_at.year for each in found.encounters] == [2025, 2024]


async def test_a_reference_to_another_server_is_never_asked_for() -> None:
    far = request("active", medicationReference={"reference": "http://evil.test/fhir/Medication/1"})
    server = FakeFhir(bundle(found=[far]))
    async with store(server) as records:
        [drug] = (await records.patient(MRN)).medications
    assert drug.name == "medicine not named in the record"
    assert all(each.headers["host"] == "fhir.test" for each in server.asked)


async def test_signs_of_a_search_stand_for_themselves() -> None:
    odd = patient(identifier=[{"system": MRN_SYSTEM, "value": "A|B,C$D"}])
    server = FakeFhir(bundle(odd))
    async with store(server) as records:
        with pytest.raises(NotFound):
            await records.patient("B,C$D")
    assert server.asked[0].form["identifier"].endswith("|B\\,C\\$D")


@pytest.mark.parametrize(
    "base", ["ftp://x/fhir", "http://", "https://u:p@h/fhir", "https://h/fhir?x=1", "fhir", "http://h:99999"]
)
def test_an_address_that_means_nothing_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="address"):
        FhirRecords(FhirConfig(base, "", 1), FixedToken(""), httpx.AsyncClient(), ManualClock())
