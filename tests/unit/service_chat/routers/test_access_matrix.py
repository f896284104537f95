"""Every route against every kind of credentials. A route that stands in no row fails the first test."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route, WebSocketRoute

from service_chat.access.grant import SCOPES
from service_chat.access.keys import hash_of
from tests.fakes.identity_provider import IdentityProvider, ec_key
from tests.unit.service_chat.routers.guarded_house import (
    ADMIN_TOKEN,
    MRN,
    NOW,
    OTHER_MRN,
    app_of,
    entered,
    guarded_settings,
    new_key_in,
)

pytestmark = pytest.mark.anyio

OPEN, ANY = "open", "any"  #: nobody is asked; any good credentials will do. Else the scope.
HELLO = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}
NO_JOB = "AAAAAAAAAAAAAAAAAAAAAA"


@dataclass(frozen=True, slots=True)
class Row:
    needs: str
    answers: frozenset[int]  #: to who may
    path: str = ""  #: to ask at, where the route's own has braces
    body: Mapping[str, Any] | None = None
    about_a_patient: bool = False


def row(needs: str, *answers: int, path: str = "", body: Mapping[str, Any] | None = None, patient: bool = False) -> Row:
    return Row(needs, frozenset(answers), path, body, patient)


ROWS: Mapping[str, Row] = {
    "POST /triage": row("triage", 200, body={"patient_mrn": MRN, "query": "Can I take ibuprofen?"}, patient=True),
    "GET /triage/{job_id}": row("triage", 404, path=f"/triage/{NO_JOB}"),
    "DELETE /triage/{job_id}": row("triage", 404, path=f"/triage/{NO_JOB}"),
    "GET /triage/{job_id}/events": row("triage", 404, path=f"/triage/{NO_JOB}/events"),
    "POST /feedback": row("feedback", 404, body={"job_id": NO_JOB, "verdict": "agree"}),
    "POST /v1/chat/completions": row("openai", 200, body=HELLO),
    "GET /v1/models": row("openai", 200),
    "GET /v1/models/{model}": row("openai", 404, path="/v1/models/none"),
    "GET /": row(OPEN, 200),
    "GET /health": row(OPEN, 200),
    "GET /ready": row(OPEN, 200),
    "GET /metrics": row(OPEN, 200),
    "GET /health/model": row(ANY, 200),
    "GET /queue": row(ANY, 200),
    "GET /admin/settings": row("admin", 200),
    "GET /admin/model": row("admin", 404),
    "POST /admin/model": row("admin", 404, body={"path": "/nowhere.gguf"}),
}

#: Not in the document, and open: the page's files and the documents themselves.
UNLISTED = ("/page/app.js", "/openapi.json", "/docs")


Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Who:
    """Headers by what they are."""

    right: Mapping[str, Headers]
    wrong: Mapping[str, Headers]
    all_but: Mapping[str, Mapping[str, Headers]]  #: good for every scope but this one
    for_another: Mapping[str, Headers]  #: good, and for another patient


def bearer(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credentials}"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, Who]]:
    with guarded_settings(tmp_path_factory.mktemp("house")) as (provider, keys_file, settings):
        who = everybody(provider, keys_file)
        yield app_of(settings), who


def everybody(provider: IdentityProvider, keys_file: Path) -> Who:
    every, key = " ".join(SCOPES), new_key_in(keys_file)
    return Who(
        right={
            "key": bearer(key),
            "key in its own header": {"X-API-Key": key},
            "key after a lower-case scheme": {"Authorization": f"bearer {key}"},
            "token": bearer(provider.token(every)),
            "token for the patient": bearer(provider.token(every, patient=MRN)),
            "key for the patient": bearer(new_key_in(keys_file, patient=MRN)),
        },
        wrong={
            "unknown key": bearer("sluice_0123456789ab_" + "x" * 43),
            "right id, wrong secret": bearer(key[:-1] + ("a" if key[-1] != "a" else "b")),
            "expired key": bearer(new_key_in(keys_file, expires=NOW - timedelta(days=1))),
            "the hash and not the key": bearer(hash_of(key)),
            "another scheme": {"Authorization": f"Basic {key}"},
            "nothing after the scheme": bearer(""),
            "expired token": bearer(provider.token(every, exp=1_700_000_000)),
            "token for somebody else": bearer(provider.token(every, aud="another")),
            "token of somebody else": bearer(provider.token(every, key=ec_key())),
            "no token": bearer("a.b.c"),
            "the administrators' token, a letter short": bearer(ADMIN_TOKEN[:-1]),
        },
        all_but={
            scope: {
                "key": bearer(new_key_in(keys_file, *(SCOPES - {scope}))),
                "token": bearer(provider.token(" ".join(SCOPES - {scope}))),
                "token without scopes": bearer(provider.token(None)),
            }
            for scope in SCOPES
        },
        for_another={
            "key": bearer(new_key_in(keys_file, patient=OTHER_MRN)),
            "token": bearer(provider.token(every, patient=OTHER_MRN)),
        },
    )


@pytest.fixture(scope="module")
async def client(made: tuple[FastAPI, Who]) -> AsyncIterator[httpx.AsyncClient]:
    async with entered(made[0]) as client:
        yield client


@pytest.fixture(scope="module")
def who(made: tuple[FastAPI, Who]) -> Who:
    return made[1]


async def asked(client: httpx.AsyncClient, named: str, headers: Headers) -> httpx.Response:
    method, path = named.split(" ", 1)
    return await client.request(method, ROWS[named].path or path, json=ROWS[named].body, headers=headers)


def refused(answer: httpx.Response, status: int, challenge: str) -> None:
    """As a door says it: a problem, or OpenAI's shape, and the challenge."""
    assert (answer.status_code, answer.headers.get("www-authenticate")) == (status, challenge), answer.text
    body = answer.json()
    if answer.request.url.path.startswith("/v1/"):
        kind = {401: "authentication_error", 403: "permission_error"}[status]
        assert (set(body), body["error"]["type"]) == ({"error"}, kind)
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert body["code"] == {401: "unauthorized", 403: "forbidden"}[status]
        assert "response" not in body


def test_every_route_stands_in_a_row(made: tuple[FastAPI, Who]) -> None:
    paths = made[0].openapi()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(ROWS)


def test_nothing_is_served_past_the_guard_but_the_documents(made: tuple[FastAPI, Who]) -> None:
    """The guard is a dependency: a mount, or a route that FastAPI did not make, has none."""
    plain = {route.path for route in made[0].routes if isinstance(route, Route) and not isinstance(route, APIRoute)}
    assert plain == {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
    assert not [route for route in made[0].routes if isinstance(route, Mount | WebSocketRoute)]


def test_the_document_says_which_routes_ask(made: tuple[FastAPI, Who]) -> None:
    document = made[0].openapi()
    for named, row in ROWS.items():
        method, path = named.split(" ", 1)
        operation = document["paths"][path][method.lower()]
        assert bool(operation.get("security")) == (row.needs != OPEN), named
        if row.needs != OPEN:
            assert {"401", "403"} <= set(operation["responses"]) or "4XX" in operation["responses"], named
    assert made[0].openapi() is document


@pytest.mark.parametrize("named", ROWS)
async def test_without_good_credentials_only_open_routes_answer(
    client: httpx.AsyncClient, who: Who, named: str
) -> None:
    row = ROWS[named]
    for headers in ({}, *who.wrong.values()):
        answer = await asked(client, named, headers)
        if row.needs == OPEN:
            assert answer.status_code in row.answers, (headers, answer.text)
        else:
            sent = headers.get("Authorization", "").removeprefix("Bearer ").strip()
            nothing = not sent or sent.startswith("Basic")
            refused(answer, 401, 'Bearer realm="sluice"' + ("" if nothing else ', error="invalid_token"'))


@pytest.mark.parametrize("named", ROWS)
async def test_good_credentials_open_every_route(client: httpx.AsyncClient, who: Who, named: str) -> None:
    for kind, headers in who.right.items():
        answer = await asked(client, named, headers)
        assert answer.status_code in ROWS[named].answers, (kind, answer.text)


@pytest.mark.parametrize("named", ROWS)
async def test_good_credentials_for_everything_else_do_not(client: httpx.AsyncClient, who: Who, named: str) -> None:
    row = ROWS[named]
    for scope in SCOPES if row.needs in (OPEN, ANY) else {row.needs}:
        for kind, headers in who.all_but[scope].items():
            answer = await asked(client, named, headers)
            if row.needs in (OPEN, ANY):
                assert answer.status_code in row.answers, (kind, answer.text)
            else:
                refused(answer, 403, f'Bearer realm="sluice", error="insufficient_scope", scope="{row.needs}"')


@pytest.mark.parametrize("named", ROWS)
async def test_credentials_for_another_patient_open_what_is_about_no_patient(
    client: httpx.AsyncClient, who: Who, named: str
) -> None:
    for kind, headers in who.for_another.items():
        answer = await asked(client, named, headers)
        if ROWS[named].about_a_patient:
            assert (answer.status_code, answer.json()["code"]) == (403, "other_patient"), kind
        else:
            assert answer.status_code in ROWS[named].answers, (kind, answer.text)


@pytest.mark.parametrize("named", [named for named, row in ROWS.items() if row.needs == "admin"])
async def test_the_administrators_token_opens_their_routes(client: httpx.AsyncClient, named: str) -> None:
    assert (await asked(client, named, bearer(ADMIN_TOKEN))).status_code in ROWS[named].answers


@pytest.mark.parametrize("named", [named for named, row in ROWS.items() if row.needs not in (OPEN, "admin")])
async def test_the_administrators_token_opens_nothing_else(client: httpx.AsyncClient, named: str) -> None:
    assert (await asked(client, named, bearer(ADMIN_TOKEN))).status_code == 401


@pytest.mark.parametrize("path", UNLISTED)
async def test_what_a_browser_loads_first_is_open(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_an_unknown_path_is_unknown_to_everybody(client: httpx.AsyncClient) -> None:
    assert (await client.get("/records/P000123")).status_code == 404
