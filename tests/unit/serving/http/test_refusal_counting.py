"""What uvicorn answers by itself is counted, on both kinds of its protocol that we use, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from inference_container.routers.bounded_protocol import BoundedProtocol
from serving.http.bounded_head import BoundedHead
from serving.http.refusal_counting import RefusalCounting
from serving.http.server import server_config
from serving.metrics import Metrics
from serving.settings import ServiceSettings

pytestmark = pytest.mark.anyio
GET = b"GET / HTTP/1.1\r\nhost: house\r\n\r\n"


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@asynccontextmanager
async def serving(metrics: Metrics, protocol: type[RefusalCounting], most: int = 2000) -> AsyncIterator[int]:
    config = server_config(answers, ServiceSettings(uvicorn_limit_concurrency=most), 0, protocol, metrics=metrics)
    config.lifespan = "off"
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    door = socket.create_server(("127.0.0.1", 0))
    await server.startup([door])
    try:
        yield door.getsockname()[1]
    finally:
        await server.shutdown([door])


async def told(port: int, request: bytes) -> bytes:
    """The status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(5):
        line = await reader.readline()
    writer.close()
    return line.split()[1]


def counted(metrics: Metrics, method: str, status: int) -> float | None:
    labels = {"endpoint": "unmatched", "method": method, "status": str(status)}
    return metrics.registry.get_sample_value("http_requests_total", labels)


@pytest.mark.parametrize("protocol", [BoundedHead, BoundedProtocol])
async def test_a_server_that_is_full_counts_whom_it_sends_away(protocol: type[RefusalCounting]) -> None:
    metrics = Metrics()
    async with serving(metrics, protocol, most=1) as port:
        assert await told(port, GET) == b"503"
    assert counted(metrics, "GET", 503) == 1
    assert metrics.registry.get_sample_value("http_request_errors_total", {"endpoint": "unmatched"}) == 1


@pytest.mark.parametrize("protocol", [BoundedHead, BoundedProtocol])
async def test_bytes_that_are_no_http_are_counted(protocol: type[RefusalCounting]) -> None:
    metrics = Metrics()
    async with serving(metrics, protocol) as port:
        assert await told(port, b"\x16\x03\x01 hello\r\n\r\n") == b"400"
    assert counted(metrics, "other", 400) == 1


async def test_a_head_without_an_end_is_counted() -> None:
    metrics = Metrics()
    async with serving(metrics, BoundedHead) as port:
        assert await told(port, b"GET / HTTP/1.1\r\nx: " + b"y" * 900_000) == b"431"
    assert counted(metrics, "other", 431) == 1


@pytest.mark.parametrize("protocol", [BoundedHead, BoundedProtocol])
async def test_who_is_answered_by_the_application_is_not_counted_here(protocol: type[RefusalCounting]) -> None:
    metrics = Metrics()
    async with serving(metrics, protocol) as port:
        assert await told(port, GET) == b"200"
    assert metrics.http_requests.counts() == {}
