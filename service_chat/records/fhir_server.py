"""Asks a FHIR R4 server: searches and all their pages, single resources, and what may go wrong with either.

Used by `fhir`, which knows what is asked for. A search is a POST with its terms in the body, so that no address, and
so no log on the way, holds them. A page's `next` link is followed as it stands, but only to the scheme, host and port
that the operator configured: the host in it is whatever the request or the server says, and the token travels along.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import httpx

from service_chat.records.fhir_values import Entry, entries
from service_chat.records.http_client import bounded, checked_base, origin
from service_chat.records.json_values import JsonObject, objects, parse, text
from serving.errors import DependencyFailed

#: What a server answers that does not have this kind of resource, or not for us.
NOT_OFFERED = frozenset({400, 403, 404, 405, 501})

Terms = Sequence[tuple[str, str]]
Form = dict[str, list[str]]


class Page(NamedTuple):
    found: list[Entry]
    last: bool  #: nothing follows


class Tokens(Protocol):
    """Where the bearer token comes from."""

    async def token(self) -> str:
        """Empty: none is sent.

        Raises:
            DependencyFailed: It could not be had.
        """
        ...

    def refused(self, token: str) -> bool:
        """The server did not take it; true when asking again may give another one."""
        ...


class _Refused(Exception):
    """Any status but success; turned into DependencyFailed or into "there is nothing" before it leaves this room."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class FhirServer:
    def __init__(self, base_url: str, tokens: Tokens, client: httpx.AsyncClient) -> None:
        """`client` is used and not closed here; it must not follow redirects.

        Raises:
            ValueError: `base_url` is no http or https address.
        """
        self._base = checked_base(base_url)
        self._tokens, self._client = tokens, client

    async def search(
        self, kind: str, terms: Terms, most_pages: int, whole: bool = True, optional: bool = False
    ) -> list[Entry]:
        """All entries, page after page; entries of other kinds that came along are among them.

        Args:
            whole: a list of more pages is a failure; otherwise it ends there, for lists whose first pages matter most.
            optional: servers may do without this kind; one that does not offer it has no entries.

        Raises:
            DependencyFailed: The server did not answer as agreed; or a page leads to another origin.
        """
        try:
            return await self._from_the_start(kind, terms, most_pages, whole)
        except _Refused as refused:
            if optional and refused.status in NOT_OFFERED:
                return []
            if refused.status != 410:
                raise _plain(refused) from None
        # The search that a page belongs to is gone: servers keep it for a while only.
        try:
            return await self._from_the_start(kind, terms, most_pages, whole)
        except _Refused as refused:
            raise _plain(refused) from None

    async def first_page(self, kind: str, terms: Terms) -> Page:
        """The beginning of a list, and whether that is all of it.

        Raises:
            DependencyFailed: The server did not answer as agreed.
        """
        address = f"{self._base}/{kind}/_search"
        try:
            page = await self._object("POST", address, _form(terms))
        except _Refused as refused:
            raise _plain(refused) from None
        return Page(_entries_of(page), self._next(page, address) is None)

    async def read(self, reference: str) -> Entry | None:
        """The resource that a reference of this server means; None when there is none, or it is another server's."""
        parts = reference.split("/_history/")[0].split("/")
        if len(parts) < 2 or not all(part.replace("-", "").replace(".", "").isalnum() for part in parts[-2:]):
            return None
        address = f"{self._base}/{parts[-2]}/{parts[-1]}"
        if len(parts) > 2 and "/".join(parts) != address:
            return None
        try:
            return Entry(address, await self._object("GET", address))
        except _Refused as refused:
            if refused.status in (404, 410):
                return None
            raise _plain(refused) from None

    async def _from_the_start(self, kind: str, terms: Terms, most_pages: int, whole: bool) -> list[Entry]:
        address = f"{self._base}/{kind}/_search"
        page = await self._object("POST", address, _form(terms))
        found: list[Entry] = []
        seen = {address}
        while True:
            found.extend(_entries_of(page))
            following = self._next(page, address)
            if following is None:
                return found
            if following in seen:
                raise DependencyFailed("The FHIR server's pages lead in a circle.")
            if len(seen) == most_pages:
                if whole:
                    raise DependencyFailed(f"The FHIR server has more than {most_pages} pages of {kind}.")
                return found
            seen.add(following)
            page, address = await self._object("GET", following), following

    def _next(self, page: JsonObject, address: str) -> str | None:
        """Where the page after this one is. `address` is where this one came from: links may be relative to it."""
        link = next((link for link in objects(page.get("link")) if link.get("relation") == "next"), None)
        if link is None or not text(link.get("url")):
            return None
        try:
            url = httpx.URL(address).join(text(link.get("url")))
        except httpx.InvalidURL:
            raise DependencyFailed("The FHIR server names a next page that is no address.") from None
        if origin(url) != origin(self._base) or url.userinfo:
            raise DependencyFailed(
                "The FHIR server's next page lies at another origin than FHIR_BASE_URL; it is not asked for."
            )
        return str(url)

    async def _object(self, method: str, url: str, form: Form | None = None) -> JsonObject:
        """Raises _Refused for every status but success."""
        for again in (True, False):
            token = await self._tokens.token()
            try:
                return await self._ask(method, url, form, token)
            except _Refused as refused:
                if refused.status != 401 or not (again and self._tokens.refused(token)):
                    raise
        raise AssertionError("the second turn returns or raises")

    async def _ask(self, method: str, url: str, form: Form | None, token: str) -> JsonObject:
        # no-cache: a server may otherwise answer an equal search from a minute ago.
        headers = {"Accept": "application/fhir+json", "Cache-Control": "no-cache"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            # `data` gives the form its Content-Type, without which a server reads no terms and returns everybody.
            async with self._client.stream(method, url, data=form, headers=headers) as response:
                if not response.is_success:
                    # Its body may quote what was asked for.
                    raise _Refused(response.status_code)
                return parse(await bounded(response))
        except httpx.HTTPError as error:
            raise DependencyFailed("The FHIR server did not answer.", reason=type(error).__name__) from None
        except ValueError:
            raise DependencyFailed("The FHIR server answered with something that is no JSON.") from None


def _form(terms: Terms) -> Form:
    """A term may stand twice: `date` from here and to there."""
    found: Form = {}
    for name, value in terms:
        found.setdefault(name, []).append(value)
    return found


def _entries_of(page: JsonObject) -> list[Entry]:
    if page.get("resourceType") != "Bundle":
        raise DependencyFailed("The FHIR server answered a search with something that is no bundle.")
    return list(entries(page))


def _plain(refused: _Refused) -> DependencyFailed:
    return DependencyFailed(f"The FHIR server answered with status {refused.status}.", upstream_status=refused.status)
