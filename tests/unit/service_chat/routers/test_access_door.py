"""What callers notice of access: whose a question is, what a refusal still says, limits, and a browser elsewhere."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.identity_provider import IdentityProvider, ec_key
from tests.unit.service_chat.routers.guarded_house import (
    MRN,
    OTHER_MRN,
    guarded_settings,
    new_key_in,
    opened,
)

pytestmark = pytest.mark.anyio

COUGH = {"patient_mrn": MRN, "query": "I have had a cough since Tuesday."}
HEART = {"patient_mrn": MRN, "query": "Crushing chest pain and I am sweating."}


def bearer(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credentials}"}


@dataclass
class Doors:
    """What a house is made of, and who comes to it."""

    settings: dict[str, Any]
    provider: IdentityProvider
    keys_file: Path
    nurse: dict[str, str]
    second: dict[str, str]  #: another key of the nurse's
    doctor: dict[str, str]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with guarded_settings(tmp_path_factory.mktemp("doors")) as (provider, keys_file, settings):
        nurse, second = (bearer(new_key_in(keys_file, owner="nurse")) for _ in range(2))
        yield Doors(settings, provider, keys_file, nurse, second, bearer(new_key_in(keys_file)))


@pytest.fixture(scope="module")
async def client(doors: Doors) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(doors.settings) as client:
        yield client


def limited(doors: Doors, **more: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return opened({**doors.settings, "rate_limit_per_minute": 0.1, "rate_limit_burst": 2, **more})


async def asked(
    client: httpx.AsyncClient, headers: Mapping[str, str], body: Mapping[str, str] = COUGH, **more: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return await client.post("/triage", json=body, headers={**headers, **named})


def has_the_floor(answer: httpx.Response) -> bool:
    body = answer.json()
    assert "response" not in body
    assert "conversation_id" not in body
    return bool(
        body.get("acuity_floor") in ("emergency", "emergency_now") and body["red_flags"] and body["emergency_notice"]
    )


async def test_a_question_is_its_callers_own(client: httpx.AsyncClient, doors: Doors) -> None:
    job = f"/triage/{(await asked(client, doors.nurse)).json()['job_id']}"
    events = f"{job}/events"
    for own in (doors.nurse, doors.second):
        assert (await client.get(job, headers=own)).status_code == 200
        assert "event: result" in (await client.get(events, headers=own)).text
    patient = bearer(doors.provider.token("triage feedback", sub="nurse"))
    for other in (doors.doctor, patient):
        for method, path in (("GET", job), ("GET", events), ("DELETE", job)):
            answer = await client.request(method, path, headers=other)
            assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
        verdict = {"job_id": job.rsplit("/", 1)[1], "verdict": "too_high"}
        answer = await client.post("/feedback", json=verdict, headers=other)
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    assert (await client.delete(job, headers=doors.second)).status_code == 200


async def test_a_token_for_one_patient_sees_that_patients_questions_only(
    client: httpx.AsyncClient, doors: Doors
) -> None:
    """The same person opens two charts, one after the other, with a token for each."""
    here, there = (bearer(doors.provider.token("triage", patient=mrn)) for mrn in (MRN, OTHER_MRN))
    anybody = bearer(doors.provider.token("triage"))
    job = f"/triage/{(await asked(client, here)).json()['job_id']}"
    assert [(await client.get(job, headers=who)).status_code for who in (here, there, anybody)] == [200, 404, 200]


async def test_an_idempotency_key_is_its_callers_own(client: httpx.AsyncClient, doors: Doors) -> None:
    first, again, of_another = [
        await asked(client, who, Idempotency_Key="shared") for who in (doors.nurse, doors.second, doors.doctor)
    ]
    assert first.json()["job_id"] == again.json()["job_id"] != of_another.json()["job_id"]
    assert [answer.headers.get("idempotency-replayed") for answer in (first, again, of_another)] == [None, "true", None]
    other_question = await asked(client, doors.doctor, HEART, Idempotency_Key="shared")
    assert (other_question.status_code, has_the_floor(other_question)) == (422, True)


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_refusal_says_what_the_rules_found_and_nothing_else(
    client: httpx.AsyncClient, doors: Doors, streaming: bool
) -> None:
    accept = {"Accept": "text/event-stream"} if streaming else {}
    scopes = bearer(doors.provider.token("openai"))
    other = bearer(doors.provider.token("triage", patient=OTHER_MRN))
    for headers, status in (({}, 401), (bearer("sluice_wrong"), 401), (scopes, 403), (other, 403)):
        answer = await asked(client, {**headers, **accept}, HEART)
        assert (answer.status_code, has_the_floor(answer)) == (status, True)
        quiet = await asked(client, {**headers, **accept})
        assert quiet.status_code == status
        assert "acuity_floor" not in quiet.json()


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b'{"query": "Crushing chest pain and I am sweating."}', "application/json", 401),
        (b'["x"]', "application/json", 401),
        (b"[" * 50_000, "text/plain", 401),
        (b"", "application/json", 401),
        (b"{", "application/json", 422),  # what is no JSON is refused before anybody is asked
    ],
    ids=lambda value: ascii(value[:12]) if isinstance(value, bytes) else str(value),
)
async def test_a_body_that_fits_no_schema_is_no_way_around_the_guard(
    client: httpx.AsyncClient, content: bytes, media_type: str, status: int
) -> None:
    answer = await client.post("/triage", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert ("acuity_floor" in answer.json()) == (b"chest" in content)


async def test_a_provider_that_is_away_is_not_the_callers_fault(doors: Doors) -> None:
    doors.provider.fail = 503
    try:
        async with opened(doors.settings) as fresh:
            answer = await asked(fresh, bearer(doors.provider.token("triage")), HEART)
            assert (answer.status_code, answer.json()["code"]) == (503, "identity_provider_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert has_the_floor(answer)
            v1 = await fresh.get("/v1/models", headers=bearer(doors.provider.token("openai")))
            assert (v1.status_code, v1.json()["error"]["type"]) == (503, "server_error")
            assert (await asked(fresh, doors.nurse)).status_code == 200  # keys need no provider
    finally:
        doors.provider.fail = None


async def test_no_more_than_the_rate_allows_but_every_emergency(doors: Doors) -> None:
    async with limited(doors) as client:
        for _ in range(4):
            assert (await asked(client, doors.nurse, HEART)).status_code == 200
        statuses = [(await asked(client, doors.nurse)).status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        refused = await asked(client, doors.second)  # another key of the same nurse
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 600
        chat = await client.post(
            "/v1/chat/completions", headers=doors.nurse, json={"messages": [{"role": "user", "content": "Hello"}]}
        )
        assert (chat.status_code, chat.json()["error"]["code"]) == (429, "rate_limited")
        assert int(chat.headers["retry-after"]) >= 1
        told = await asked(client, doors.nurse, HEART)
        assert (told.status_code, told.json()["acuity"]) == (200, "emergency_now")
        assert (await client.get("/queue", headers=doors.nurse)).status_code == 200


async def test_a_replay_is_not_counted(doors: Doors) -> None:
    async with limited(doors) as client:
        answers = [await asked(client, doors.nurse, Idempotency_Key="once") for _ in range(5)]
        assert {answer.status_code for answer in answers} == {200}


async def test_an_address_is_bounded_where_nobody_is_asked_who_comes(doors: Doors) -> None:
    async with limited(doors, api_keys_file=None, oidc_issuer="", oidc_audience="", oidc_jwks_url="") as client:
        assert [(await asked(client, {})).status_code for _ in range(3)] == [200, 200, 429]
        body = (await asked(client, {}, HEART)).json()
        assert body["acuity"] == "emergency_now"


async def test_a_page_elsewhere_may_send_its_key_and_no_cookie(client: httpx.AsyncClient, doors: Doors) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-api-key"}
    known, unknown = "https://page.example.org", "https://evil.example.org"
    allowed = await client.options("/triage", headers={"Origin": known, **asks})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, known)
    assert {"authorization", "x-api-key"} <= {
        name.strip().lower() for name in allowed.headers["access-control-allow-headers"].split(",")
    }
    refused = await client.options("/triage", headers={"Origin": unknown, **asks})
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
    for headers in (doors.nurse, {}):
        answer = await asked(client, {"Origin": known, **headers})
        assert answer.headers["access-control-allow-origin"] == known
        assert "www-authenticate" in answer.headers["access-control-expose-headers"].lower()
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_token_by_a_new_key_of_the_provider_is_good(doors: Doors) -> None:
    doors.provider.keys.append(ec_key("second"))
    async with opened(doors.settings) as client:
        token = doors.provider.token("triage", key=doors.provider.keys[1])
        assert (await client.get("/queue", headers=bearer(token))).status_code == 200
