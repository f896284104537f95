"""A page that browsers get: the files of a package, read once, served as they are under a strict policy.

Each service's `page` package reads its files here, and its router gives them out. Files ask for nothing outside their
own folder, so a page works without a network and under any path prefix. What more than one page needs stands in
`serving/page` and is served beside each page's own files.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

import serving
from serving.errors import NotFound
from serving.http.accept import prefers

INDEX = "index.html"

_SHARED = Path(serving.__file__).parent / "page"
#: Kinds of file that are served. Everything else in a folder stays inside.
_MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    # The type that a browser insists on before it runs a module.
    ".js": "text/javascript; charset=utf-8",
}

#: Nothing from elsewhere, nothing inline, no frame around it: what somebody typed can not become a script here.
POLICY = "; ".join(
    (
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Kept, and asked about each time: an old script under a new page would fail in ways nobody can explain.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it leaves the service."""

    body: bytes
    media_type: str
    etag: str  #: strong, quoted

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Asset":
        return cls(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def read_assets(folder: Path) -> Mapping[str, Asset]:
    """Every file of a page by its name: those of `folder`, before those that all pages share."""
    files = [path for part in (_SHARED, folder) for path in sorted(part.iterdir()) if path.suffix in _MEDIA_TYPES]
    return {path.name: Asset.of(path.read_bytes(), _MEDIA_TYPES[path.suffix]) for path in files}


def wants_page(request: Request) -> bool:
    """Whether a browser asks; everybody else gets JSON."""
    return prefers("text/html", "application/json", request.headers.getlist("accept"))


def assets_router(assets: Mapping[str, Asset]) -> APIRouter:
    """`GET /page/{name}`: the files that the page at `/` loads."""
    router = APIRouter(tags=["page"])

    @router.get("/page/{name}", include_in_schema=False)
    async def asset(request: Request, name: str) -> Response:
        if name == INDEX or name not in assets:
            raise NotFound("The page has no such file.")
        return asset_response(request, assets[name])

    return router


def asset_response(request: Request, asset: Asset, more: Mapping[str, str] | None = None) -> Response:
    """The file, or 304 for a caller that has it. `more`: headers besides."""
    headers = {**_HEADERS, **(more or {}), "ETag": asset.etag}
    held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.etag in held or "*" in held:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)
