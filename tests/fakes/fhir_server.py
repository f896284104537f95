"""A FHIR server in memory, as an ASGI application, with the habits of real ones.

It pages, its next links name whatever host it is told to name, a form without its Content-Type is no search, and an
unknown page is 410. What it was asked stands in `asked`.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: str
    form: Mapping[str, str]
    headers: Mapping[str, str]


class FakeFhir:
    def __init__(self, bundle: Mapping[str, Any], base: str = "http://fhir.test/fhir") -> None:
        """Takes a collection over as a server does: with ids of its own and references to them."""
        text = orjson.dumps(bundle).decode()
        text = re.sub(r'"(?:urn:uuid:)p-(\d+)"', r'"Patient/srv-\1"', text).replace('"urn:uuid:m-', '"Medication/m-')
        self.resources: list[dict[str, Any]] = [dict(e["resource"]) for e in orjson.loads(text)["entry"]]
        for resource in self.resources:
            resource["id"] = str(resource.get("id")).replace("p-", "srv-")
        self.base = base
        self.link_base = base  #: what next links begin with
        self.page_size = 100
        self.asked: list[Asked] = []
        self.gone = 0  #: so many pages are 410 first
        self.delay_s = 0.0
        self.refuse: dict[str, int] = {}  #: kind → status
        self.ignored: set[str] = set()  #: search terms that it passes over
        self.refuses_include = False
        self.tokens: set[str] | None = None  #: those it takes; None: it asks for none
        self.raw: dict[str, bytes] = {}  #: kind → body as it is
        self._pages: dict[str, tuple[list[Any], int]] = {}
        routes = [
            Route("/fhir/{kind}/_search", self._search, methods=["POST"]),
            Route("/fhir/{kind}/{id}", self._read, methods=["GET"]),
            Route("/fhir", self._page, methods=["GET"]),
        ]
        self.app = Starlette(routes=routes)

    async def _noted(self, request: Request) -> Asked:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        body = (await request.body()).decode()
        form = {name: " ".join(values) for name, values in parse_qs(body).items()}
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            form = {}
        asked = Asked(request.method, request.url.path, request.url.query, form, dict(request.headers))
        self.asked.append(asked)
        return asked

    def _unauthorized(self, asked: Asked) -> bool:
        return self.tokens is not None and asked.headers.get("authorization", "")[7:] not in self.tokens

    async def _search(self, request: Request) -> Response:
        asked, kind = await self._noted(request), request.path_params["kind"]
        if self._unauthorized(asked):
            return Response(status_code=401)
        if kind in self.refuse:
            return Response(b'{"resourceType":"OperationOutcome"}', self.refuse[kind])
        if "_include" in asked.form and self.refuses_include:
            return Response(status_code=400)
        if kind in self.raw:
            return Response(self.raw[kind], media_type="application/fhir+json")
        found = [each for each in self.resources if each["resourceType"] == kind and self._matches(each, asked.form)]
        if "_sort" in asked.form and "_sort" not in self.ignored:
            found.sort(key=_date, reverse=True)
        entries: list[Any] = [{"resource": each, "search": {"mode": "match"}} for each in found]
        if "_include" in asked.form and "_include" not in self.ignored:
            pointed = {each.get("medicationReference", {}).get("reference") for each in found}
            entries += [
                {"resource": each, "search": {"mode": "include"}}
                for each in self.resources
                if f"{each['resourceType']}/{each['id']}" in pointed
            ]
        return self._answer(entries, min(self.page_size, int(asked.form.get("_count", "20"))))

    def _matches(self, resource: Resource, form: Mapping[str, str]) -> bool:
        for term, value in form.items():
            if term in self.ignored:
                continue
            if term == "identifier":
                system, _, number = value.replace("\\", "").rpartition("|")
                held = [(each.get("system", ""), each["value"]) for each in resource.get("identifier", [])]
                if not any(of_number == number and system in ("", of) for of, of_number in held):
                    return False
            if term == "patient":
                owner = resource.get("subject", resource.get("patient", {})).get("reference")
                if owner != f"Patient/{value}":
                    return False
            if term == "date" and not _between(_date(resource)[:10], value.split(" ")):
                return False
            if term == "status" and resource.get("status") != value:
                return False
        return True

    def _answer(self, entries: Sequence[Any], size: int, offset: int = 0) -> Response:
        page: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": []}
        if entries[offset:]:  # a search without matches has no `entry` at all
            page["entry"] = list(entries[offset : offset + size])
        if len(entries) > offset + size:
            key = f"page-{len(self._pages)}"
            self._pages[key] = (list(entries), size)
            url = f"{self.link_base}?_getpages={key}&_getpagesoffset={offset + size}"
            page["link"].append({"relation": "next", "url": url})
        return Response(orjson.dumps(page), media_type="application/fhir+json")

    async def _page(self, request: Request) -> Response:
        asked = await self._noted(request)
        if self._unauthorized(asked):
            return Response(status_code=401)
        terms = dict(parse_qsl(asked.query))
        if self.gone > 0 or terms.get("_getpages") not in self._pages:
            self.gone -= 1
            return Response(status_code=410)
        entries, size = self._pages[terms["_getpages"]]
        return self._answer(entries, size, int(terms["_getpagesoffset"]))

    async def _read(self, request: Request) -> Response:
        await self._noted(request)
        kind, own = request.path_params["kind"], request.path_params["id"]
        found = [each for each in self.resources if each["resourceType"] == kind and each["id"] == own]
        return Response(orjson.dumps(found[0])) if found else Response(status_code=404)


def _between(day: str, bounds: Sequence[str]) -> bool:
    return all(day >= each[2:] if each.startswith("ge") else day <= each[2:] for each in bounds)


def _date(resource: Resource) -> str:
    return str(resource.get("effectiveDateTime") or resource.get("date") or resource.get("period", {}).get("start"))
