"""One caller of a chat server, as exact as a stopwatch: when did which text come? HTTP/1.1 over asyncio streams.

Called by `crowd` and by the parts. A library would put its own buffers and its own pool between the socket and the
clock; here a line is stamped when its last byte is there. It reads streams of events and whole JSON answers alike.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
CHAT_PATH = "/v1/chat/completions"
#: Longer than the slowest peer takes for the last of its callers.
PATIENCE_S = 600.0


@dataclass(slots=True)
class Answer:
    """What came back. Times are seconds since the request was sent."""

    status: int = 0  #: 0: no head came
    retry_after: str | None = None
    stamps: list[float] = field(default_factory=list)  #: one for each piece of text
    text: str = ""
    usage: int | None = None  #: tokens of the answer by the server's own count; not every server gives one
    prompt_tokens: int = 0
    cached_tokens: int = 0
    took_s: float = 0.0
    began: float = 0.0  #: on the clock of `time.perf_counter`
    error: str = ""  #: empty when the answer came to its end as the protocol says

    @property
    def tokens(self) -> int:
        """Of the answer: counted by the server, else the pieces of text, which are tokens where all are visible."""
        return len(self.stamps) if self.usage is None else self.usage

    @property
    def whole(self) -> bool:
        return self.status == 200 and not self.error

    @property
    def first_s(self) -> float:
        """To the first text; NaN when there was none."""
        return self.stamps[0] if self.stamps else float("nan")

    @property
    def gaps_s(self) -> list[float]:
        """Between one text and the next."""
        return [later - earlier for earlier, later in pairwise(self.stamps)]


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    fields: Mapping[str, str]  #: names in lower case


class NotHttp(Exception):
    """The server closed the connection or spoke something else."""


async def ask(port: int, body: Mapping[str, Json], hang_up_after_s: float | None = None) -> Answer:
    """One chat to its end; or, with `hang_up_after_s`, until then at most, and the connection is dropped."""
    answer = Answer(began=time.perf_counter())
    try:
        async with asyncio.timeout(hang_up_after_s or PATIENCE_S):
            await _read(port, body, answer)
    except TimeoutError:
        answer.error = "hung up" if hang_up_after_s else "no end in sight"
    except (OSError, NotHttp, ValueError) as failure:
        answer.error = f"{type(failure).__name__}: {failure}"
    answer.took_s = time.perf_counter() - answer.began
    return answer


async def _read(port: int, body: Mapping[str, Json], answer: Answer) -> None:
    async with exchange(port, "POST", CHAT_PATH, json.dumps(body).encode()) as (head, lines):
        answer.status, answer.retry_after = head.status, head.fields.get("retry-after")
        if not head.fields.get("content-type", "").startswith("text/event-stream"):
            whole = b"".join([line async for line in lines])
            if head.status == 200:
                _take(json.loads(whole), answer)
            return
        async for line in lines:
            data = line.strip().removeprefix(b"data:").strip()
            if not line.startswith(b"data:"):
                continue  # a comment that keeps the line alive, or the empty line after an event
            if data == b"[DONE]":
                return
            _take(json.loads(data), answer)
        answer.error = answer.error or "ended without [DONE]"


def _take(event: Json, answer: Answer) -> None:
    """A chunk of a stream, or a whole completion: they differ in one word."""
    match event:
        case {"error": problem}:
            answer.error = f"error event: {problem}"
        case {"choices": [{"delta": {"content": str(text)}} | {"message": {"content": str(text)}}, *_]} if text:
            answer.stamps.append(time.perf_counter() - answer.began)
            answer.text += text
    match event:
        case {"usage": {"completion_tokens": int(tokens), "prompt_tokens": int(prompt_tokens), **more}}:
            answer.usage, answer.prompt_tokens = tokens, prompt_tokens
            match more:
                case {"prompt_tokens_details": {"cached_tokens": int(cached)}}:
                    answer.cached_tokens = cached


@asynccontextmanager
async def exchange(
    port: int, method: str, path: str, body: bytes = b""
) -> AsyncGenerator[tuple[Head, AsyncGenerator[bytes, None]], None]:
    """One request on a connection of its own; the answer's body line by line. Leaving early hangs up.

    Raises:
        NotHttp: The answer is not one.
        OSError: There is nobody, or the connection broke.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
        if body:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        found = await _head(reader)
        async with aclosing(_lines(reader, found)) as lines:
            yield found, lines
    finally:
        # Our own end only: who hangs up does not wait for the other side to agree.
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body."""
    async with exchange(port, "GET", path) as (head, lines):
        return head.status, b"".join([line async for line in lines])


async def _head(reader: asyncio.StreamReader) -> Head:
    first = (await reader.readline()).split()
    if len(first) < 2 or not first[1].isdigit():
        raise NotHttp("the answer has no status line")
    fields: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return Head(int(first[1]), fields)


async def _lines(reader: asyncio.StreamReader, head: Head) -> AsyncGenerator[bytes, None]:
    """Each with its newline; the last one as it is."""
    rest = b""
    async with aclosing(_pieces(reader, head)) as pieces:
        async for piece in pieces:
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line + b"\n"
    if rest:
        yield rest


async def _pieces(reader: asyncio.StreamReader, head: Head) -> AsyncGenerator[bytes, None]:
    if head.fields.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await _line(reader)).partition(b";")[0], 16):
            try:
                yield await reader.readexactly(size)
            except asyncio.IncompleteReadError as cut:
                raise NotHttp("the connection broke within a chunk") from cut
            await reader.readline()
        return
    left = int(head.fields.get("content-length", -1))
    while left != 0 and (piece := await reader.read(65536 if left < 0 else left)):
        left -= len(piece) if left > 0 else 0
        yield piece


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.strip():
        raise NotHttp("the connection ended between two chunks")
    return line
