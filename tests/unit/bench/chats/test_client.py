import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

import pytest

from bench.chats.client import NotHttp, ask, get
from bench.chats.crowd import at_once, probing
from bench.chats.words import chat

pytestmark = pytest.mark.anyio

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[object, object, None]]
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    done: list[asyncio.Event] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.append(ended := asyncio.Event())
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            ended.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        for ended in done:
            await ended.wait()


def saying(*pieces: bytes) -> Handler:
    """A server that reads a request, sends these pieces and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length: " in head:
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    return handle


def event(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def delta(text: str | None) -> bytes:
    return event({"choices": [{"delta": {} if text is None else {"content": text}}]})


def chunked(*pieces: bytes) -> list[bytes]:
    return [*(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces), b"0\r\n\r\n"]


USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}


async def test_a_stream_is_stamped_where_text_comes_and_counted_by_its_usage() -> None:
    parts = [delta(""), b": prefill 64/128\n\n", delta("one"), delta(" two"), delta(None)]
    pieces = chunked(*parts, event({"choices": [], "usage": USAGE}), b"data: [DONE]\n\n")
    async with serving(saying(STREAM + b"transfer-encoding: chunked\r\n\r\n", *pieces)) as port:
        answer = await ask(port, chat(1, 2, 2, 3))
    assert answer.whole
    assert answer.text == "one two"
    assert (answer.tokens, answer.prompt_tokens, answer.cached_tokens) == (3, 9, 5)
    assert len(answer.stamps) == 2
    assert 0 < answer.first_s < answer.stamps[1] <= answer.took_s
    assert answer.gaps_s == [answer.stamps[1] - answer.stamps[0]]


async def test_lines_that_are_cut_anywhere_are_put_together() -> None:
    whole = delta("one") + delta("two") + b"data: [DONE]\n\n"
    pieces = chunked(*(whole[start : start + 7] for start in range(0, len(whole), 7)))
    async with serving(saying(STREAM + b"transfer-encoding: chunked\r\n\r\n", *pieces)) as port:
        answer = await ask(port, chat(1, 2, 2, 3))
    assert (answer.text, answer.tokens, answer.whole) == ("onetwo", 2, True)


async def test_a_server_that_does_not_stream_has_one_piece_at_its_end() -> None:
    body = json.dumps({"choices": [{"message": {"content": "all of it"}}], "usage": USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with serving(saying(head + body)) as port:
        answer = await ask(port, chat(1, 2, 2, 3, stream=False))
    assert (answer.text, answer.tokens, len(answer.stamps), answer.whole) == ("all of it", 3, 1, True)
    assert answer.gaps_s == []


async def test_a_refusal_says_when_to_come_back() -> None:
    head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\ncontent-length: 2\r\n\r\n{}"
    async with serving(saying(head)) as port:
        answer = await ask(port, chat(1, 2, 2, 3))
    assert (answer.status, answer.retry_after, answer.whole, answer.stamps) == (429, "7", False, [])


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"SSH-2.0-other\r\n"],
        [STREAM + b"transfer-encoding: chunked\r\n\r\n", *chunked(delta("half"))],
        [STREAM + b"transfer-encoding: chunked\r\n\r\n", b"40\r\ndata: "],
        [STREAM + b"transfer-encoding: chunked\r\n\r\n", *chunked(event({"error": {"code": "engine_died"}}))],
        [STREAM + b"\r\n", b"data: {half"],
    ],
    ids=["nothing", "no http", "no end", "broken chunk", "error event", "broken json"],
)
async def test_an_answer_that_does_not_come_to_its_end_is_not_whole(pieces: list[bytes]) -> None:
    async with serving(saying(*pieces)) as port:
        answer = await ask(port, chat(1, 2, 2, 3))
    assert not answer.whole
    assert answer.error


async def test_who_hangs_up_is_gone_at_that_moment_and_the_server_sees_it() -> None:
    gone = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + b"\r\n" + delta("one"))
        while await reader.read(1024):
            pass
        gone.set()

    async with serving(handle) as port:
        answer = await ask(port, chat(1, 2, 2, 3), hang_up_after_s=0.1)
        await asyncio.wait_for(gone.wait(), 20)
    assert (answer.error, answer.text) == ("hung up", "one")
    assert 0.09 < answer.took_s < 15  # a loop's timers end up to a millisecond early


async def test_a_page_is_its_status_and_its_body() -> None:
    async with serving(saying(b"HTTP/1.1 503 No\r\ncontent-length: 5\r\n\r\na\nb\nc")) as port:
        assert await get(port, "/ready") == (503, b"a\nb\nc")


async def test_a_line_of_noise_is_no_http() -> None:
    async with serving(saying(b"hello\r\n")) as port:
        with pytest.raises(NotHttp):
            await get(port, "/")


async def test_a_crowd_asks_at_the_same_moment() -> None:
    here, both = 0, asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal here
        here += 1
        if here == 2:
            both.set()
        await both.wait()  # nobody is answered before the other has come
        await saying(STREAM + b"\r\n", delta("x"), b"data: [DONE]\n\n")(reader, writer)

    async with serving(handle) as port:
        crowd = await at_once(port, [chat(number, 2, 2, 1) for number in (1, 2)])
    assert [answer.whole for answer in crowd.answers] == [True, True]
    assert crowd.wall_s >= max(answer.took_s for answer in crowd.answers)


async def test_probes_count_what_is_not_well() -> None:
    asked = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")(reader, writer)
        if asked.is_set():
            second.set()
        asked.set()

    second = asyncio.Event()
    async with serving(handle) as port, probing(port, "/health") as probes:
        await second.wait()  # so the first one has been answered
    assert probes.failed == len(probes.took_s) > 0
