"""The whole chat service over ASGI with keys and a provider, for tests: made without a loop, entered with one."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service_chat.access.grant import SCOPES
from service_chat.access.key_file import add_key
from service_chat.access.keys import new_key
from service_chat.main import create_app
from service_chat.services.guard import Guard
from service_chat.settings import ChatSettings
from tests.fakes.answers import guard
from tests.fakes.identity_provider import AUDIENCE, ISSUER, IdentityProvider

NOW = datetime.now(UTC)
ADMIN_TOKEN = "the-administrators"
MRN, OTHER_MRN = "P000123", "P000001"


def new_key_in(file: Path, *scopes: str, **more: Any) -> str:
    """A key for these scopes, or for all. Make it before an app reads the file."""
    text, key = new_key(scopes or SCOPES, NOW, **more)
    add_key(file, key)
    return text


@contextmanager
def guarded_settings(folder: Path) -> Iterator[tuple[IdentityProvider, Path, dict[str, Any]]]:
    """With an empty file of keys, which the caller fills before `guarded_app` reads it."""
    provider, keys_file = IdentityProvider(), folder / "keys"
    keys_file.touch()
    with provider.served() as jwks:
        yield (
            provider,
            keys_file,
            {
                "llm_mode": "mock",
                "records_path": folder / "records.sqlite",
                "audit_path": "off",  # several houses of one test share the folder
                "chat_log": "none",
                "admin_token": ADMIN_TOKEN,
                "api_keys_file": keys_file,
                "oidc_issuer": ISSUER,
                "oidc_audience": AUDIENCE,
                "oidc_jwks_url": jwks,
                "cors_allow_origins": ("https://page.example.org",),
            },
        )


def app_of(settings: Mapping[str, Any]) -> FastAPI:
    """The rules are read once for all tests; a lifespan must not take over pytest's logging or freeze its heap."""
    rules = guard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Guard, "load", lambda *_: rules)
        return create_app(ChatSettings(**settings))


@asynccontextmanager
async def opened(settings: Mapping[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """Made in a thread: files are read before there is a loop, and here there is one."""
    async with entered(await asyncio.to_thread(app_of, settings)) as client:
        yield client


@asynccontextmanager
async def entered(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("10.1.2.3", 5000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service_chat.main.configure_logging", lambda *_: None)
        patch.setattr("service_chat.main.settle_heap", lambda: None)
        patch.setattr(ChatSettings, "warn_of_announced", lambda _: None)  # reads .env, before there is much to block
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://house") as client,
        ):
            yield client
