"""What stands at `/` and under `/page/`, asked without a browser."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from service_chat.main import create_app
from service_chat.page import load_assets
from service_chat.settings import ChatSettings

pytestmark = pytest.mark.anyio

#: What Chromium sends for an address that somebody typed.
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ASSETS = load_assets()
MODULES = {name: asset.body.decode() for name, asset in ASSETS.items() if name.endswith(".js")}


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Before the records are open: the page is there from the first moment."""
    settings = ChatSettings(llm_mode="mock", region="GB")
    transport = httpx.ASGITransport(app=create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://chat") as found:
        yield found


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html;q=0.4, application/json"])
async def test_a_program_is_told_what_the_service_is_and_whom_to_call(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("/", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert (told["service"], told["default_llm_mode"], told["vector_mode"]) == ("CarePath Chat API", "mock", "mock")
    assert (told["llm_modes"], told["max_query_chars"]) == (["mock"], 8000)
    assert told["emergency_number"] == {"label": "999", "number": "999"}
    assert told["example_patients"] == []


async def test_a_browser_gets_a_page_that_may_load_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"Accept": BROWSER})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "accept" in answer.headers["vary"].lower()
    for path in ("/", *(f"/page/{name}" for name in ASSETS if name != "index.html")):
        headers = (await client.get(path, headers={"Accept": BROWSER})).headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


async def test_every_file_that_the_page_names_is_served_and_no_other(client: httpx.AsyncClient) -> None:
    page = ASSETS["index.html"].body.decode()
    named = set(re.findall(r'(?:src|href)="page/([^"]+)"', page))
    for body in MODULES.values():
        named |= set(re.findall(r'from "\./([^"]+)"', body))
    assert named == set(ASSETS) - {"index.html"}
    for name in named:
        assert (await client.get(f"/page/{name}")).status_code == 200
    for name in ("__init__.py", "index.html", "nothing.js", "..%2fmain.py"):
        answer = await client.get(f"/page/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/dom.js"])
async def test_a_file_that_the_browser_has_is_not_sent_again(client: httpx.AsyncClient, path: str) -> None:
    headers = {"Accept": BROWSER}
    first = await client.get(path, headers=headers)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for held in (tag, f'"old", W/{tag}', "*"):
        again = await client.get(path, headers={**headers, "If-None-Match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await client.get(path, headers={**headers, "If-None-Match": '"old"'})).content == first.content


def test_nothing_of_the_page_is_kept_in_the_browser_or_made_of_markup() -> None:
    for name, body in MODULES.items():
        for door in ("localStorage", "sessionStorage", "indexedDB", ".cookie", "innerHTML", "insertAdjacent", "eval("):
            assert door not in body, (name, door)
    page = ASSETS["index.html"].body.decode()
    assert re.findall(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", page) == []


def test_every_picture_that_a_module_asks_for_is_on_the_sheet() -> None:
    sheet = set(re.findall(r'<symbol id="icon-(\w+)"', ASSETS["index.html"].body.decode()))
    asked = {name for body in MODULES.values() for name in re.findall(r'icon(?:\(|: )"(\w+)"', body)}
    assert len(asked) >= 6
    assert asked - sheet == set()
