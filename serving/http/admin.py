"""Administration routes: off (404) while no token is set, else behind a bearer token compared in constant time.

A service with credentials of its own may let those in too.
"""

import re
import secrets
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from serving.errors import NotFound, Unauthorized
from serving.http.problems import declared
from serving.settings import ServiceSettings

_SECRET = ("token", "key", "secret", "password")


def admin_router(
    token: str, settings: ServiceSettings, admits: Callable[[Request], Awaitable[None]] | None = None
) -> APIRouter:
    """A router whose routes all ask for `token`. It starts with `GET /admin/settings`; a service adds its own.

    `admits` is asked where the token was not brought; it raises for who may not come in either.
    """
    bearer = HTTPBearer(auto_error=False, description="The value of ADMIN_TOKEN.")

    async def guard(
        request: Request,
        credentials: HTTPAuthorizationCredentials | None = Depends(bearer),  # noqa: B008 - FastAPI
    ) -> None:
        brought = credentials.credentials if credentials is not None else ""
        if token and secrets.compare_digest(brought.encode(), token.encode()):
            return
        if admits is not None:
            await admits(request)
        elif not token:
            raise NotFound("The administration routes are off: ADMIN_TOKEN is not set.")
        else:
            raise Unauthorized("This route asks for the administration token.")

    router = APIRouter(tags=["administration"], dependencies=[Depends(guard)], responses=declared(401, 404))

    @router.get("/admin/settings", summary="The settings in force, secrets masked")
    async def effective() -> dict[str, object]:
        shown = settings.model_dump(mode="json")
        return {name: "***" if value and _is_secret(name) else _masked(value) for name, value in shown.items()}

    return router


def _masked(value: object) -> object:
    """An address without the credentials that may stand in it."""
    return re.sub(r"://[^/@\s]+@", "://***@", value) if isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    return name.endswith(_SECRET)
