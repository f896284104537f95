"""What a caller sends beside its body has an end; bodies and long conversations have none here."""

import asyncio
from collections.abc import Iterator
from itertools import repeat

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.server import ServerState

from serving.http.bounded_head import MOST_BYTES, BoundedHead

pytestmark = pytest.mark.anyio
PIECE = 64 * 1024
HEAD = b"POST /triage HTTP/1.1\r\nhost: house\r\n"


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 1), "sockname": ("10.0.0.2", 2)})
        self.sent, self.closed = b"", False

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    @override
    def close(self) -> None:
        self.closed = True

    @override
    def is_closing(self) -> bool:
        return self.closed

    @override
    def pause_reading(self) -> None:
        pass

    @override
    def resume_reading(self) -> None:
        pass


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def connected() -> tuple[BoundedHead, Wire]:
    config = uvicorn.Config(reads_all, http=BoundedHead, log_config=None, lifespan="off")
    protocol, wire = BoundedHead(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    return protocol, wire


async def fed(protocol: BoundedHead, wire: Wire, pieces: Iterator[bytes]) -> int:
    """How many bytes were taken before the connection closed, or all."""
    taken = 0
    for piece in pieces:
        if wire.closed:
            break
        protocol.data_received(piece)
        taken += len(piece)
        await asyncio.sleep(0)
    return taken


@pytest.mark.parametrize(
    "endless",
    [
        HEAD + b"x-long: ",
        HEAD + b"x-long",
        b"GET /",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-trailer: ",
    ],
)
async def test_what_goes_on_for_ever_beside_a_body_ends_the_connection(endless: bytes) -> None:
    protocol, wire = connected()
    taken = await fed(protocol, wire, iter([endless, *repeat(b"a" * PIECE, 100)]))
    assert wire.closed
    assert taken <= len(endless) + MOST_BYTES + PIECE


async def test_a_head_that_is_too_long_is_told_so() -> None:
    protocol, wire = connected()
    await fed(protocol, wire, iter([HEAD, *repeat(b"x-more: y\r\n" * 6000, 100)]))
    assert wire.sent.startswith(b"HTTP/1.1 431 ")


async def test_a_long_body_and_many_requests_on_one_connection_are_not_bounded() -> None:
    protocol, wire = connected()
    size = 20 * PIECE
    await fed(protocol, wire, iter([HEAD + b"content-length: %d\r\n\r\n" % size, *repeat(b"b" * PIECE, 20)]))
    chunk = b"400\r\n" + b"c" * 1024 + b"\r\n"
    await fed(protocol, wire, iter([HEAD + b"transfer-encoding: chunked\r\n\r\n", *repeat(chunk, 500), b"0\r\n\r\n"]))
    await fed(protocol, wire, repeat(HEAD + b"x-long: " + b"a" * 1000 + b"\r\ncontent-length: 0\r\n\r\n", 500))
    for _ in range(5000):
        await asyncio.sleep(0)
        if wire.sent.count(b"HTTP/1.1 200") == 502:
            break
    assert not wire.closed
    assert wire.sent.count(b"HTTP/1.1 200") == 502
    protocol.connection_lost(None)
