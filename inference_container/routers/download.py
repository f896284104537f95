"""`GET` and `HEAD /download/{bucket}/{key}`: objects of the allowed places, read-only, piece by piece.

What may be read is decided by the store, which is opened with the door's own allow-list and with nothing more; which
part is sent, in `selection`. Stores block, so every call of one runs on a thread; a caller that hangs up, or takes
nothing for a minute, ends the reading.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC
from email.utils import format_datetime
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import anyio.to_thread
from anyio import CancelScope, CapacityLimiter
from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from inference_container.errors import ObjectChanged, StoreUnavailable
from inference_container.routers.selection import Asked, Held, Part, Unsatisfiable, Verdict, judge, part_of
from inference_container.stores.ports import ObjectInfo, ObjectStore, Opened
from serving.clock import Clock
from serving.errors import DeadlineExceeded, QueueFull
from serving.http.problems import declared, problem, problem_response

T = TypeVar("T")

#: An object that changes between being looked at and being opened is looked at again so often.
_LOOKS = 3
_THREADS = 8
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_ERRORS = declared(403, 404, 412, 416, 429, 502, 503)


class Downloads:
    """How many run, and the threads that they take turns on."""

    def __init__(self, most: int = 32, stall_s: float = 60.0) -> None:
        """`most` at a time: each holds a connection of the store. `stall_s`: how long a caller may take nothing."""
        self._most, self.stall_s = most, stall_s
        self.running = 0
        self._threads: CapacityLimiter | None = None

    def begin(self) -> None:
        """
        Raises:
            QueueFull: As many run as may.
        """
        if self.running >= self._most:
            raise QueueFull("Too many downloads at a time, try again.", retry_after_s=1)
        self.running += 1

    def end(self) -> None:
        self.running -= 1

    async def aside(self, act: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = CapacityLimiter(_THREADS)  # its own: forecasts never wait for a thread of a download
        return await anyio.to_thread.run_sync(act, limiter=self._threads)


def download_router(store: ObjectStore, clock: Clock, downloads: Downloads | None = None) -> APIRouter:
    """`store` allows what may be downloaded, and nothing else."""
    router = APIRouter(tags=["downloads"])
    line = downloads or Downloads()

    @router.get(
        "/download/{bucket}/{key:path}",
        summary="An object of the store, whole or one part of it",
        response_class=Response,
        responses={
            200: {"description": "The object.", "content": _BINARY},
            206: {"description": "The part that Range names.", "content": _BINARY},
            304: {"description": "The caller has it already."},
            **_ERRORS,
        },
    )
    async def download(request: Request, bucket: str, key: str) -> Response:
        asked = _asked(request)
        for _ in range(_LOOKS):
            info = await line.aside(partial(store.stat, bucket, key))
            held = Held(info.etag, info.modified, info.size)
            refused = _refused(asked, held, info)
            if refused is not None:
                return refused
            try:
                part = part_of(asked, held, clock.now())
            except Unsatisfiable:
                told = _problem(416, "range_not_satisfiable", "The range begins behind the end of the object.")
                told.headers["Content-Range"] = f"bytes */{info.size}"
                return told
            length = part.length if part is not None else None
            reading = store.open(bucket, key, part.start if part is not None else 0, length, info.etag)
            line.begin()
            try:
                opened = await line.aside(reading.__enter__)
            except ObjectChanged:
                line.end()
                continue
            except BaseException:  # a caller that is gone too: the place among the downloads is free again
                line.end()
                raise
            return _Streamed(line, reading, opened, part)
        raise StoreUnavailable("The object changes faster than it can be read; try again.")

    @router.head(
        "/download/{bucket}/{key:path}",
        summary="What GET would tell of it, without the object",
        response_class=Response,
        responses={200: {"description": "The object."}, 304: {"description": "The caller has it already."}, **_ERRORS},
    )
    async def head(request: Request, bucket: str, key: str) -> Response:
        info = await line.aside(partial(store.stat, bucket, key))
        # A range is a matter of GET alone (RFC 9110, 14.2): here the whole is described.
        refused = _refused(_asked(request), Held(info.etag, info.modified, info.size), info)
        return refused or Response(headers={**_described(info), "Content-Length": str(info.size)})

    return router


class _Streamed(Response):
    """The object's bytes as they come. Sends the length first, so a reading that breaks is seen to be one."""

    def __init__(
        self, line: Downloads, reading: AbstractContextManager[Opened], opened: Opened, part: Part | None
    ) -> None:
        info = opened.info
        headers = {**_described(info), "Content-Length": str(part.length if part is not None else info.size)}
        if part is not None:
            headers["Content-Range"] = part.content_range(info.size)
        super().__init__(None, 206 if part is not None else 200, headers)
        self._line, self._reading, self._opened = line, reading, opened

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_hung_up(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while not gone.done():
                piece = await self._line.aside(partial(next, self._opened.pieces, b""))
                await self._sent(send, piece)
                if not piece:
                    return
        finally:
            gone.cancel()
            self._line.end()
            with CancelScope(shield=True):  # closed also when the whole request is being cancelled
                await asyncio.gather(gone, return_exceptions=True)
                await self._line.aside(partial(self._reading.__exit__, None, None, None))

    async def _sent(self, send: Send, piece: bytes) -> None:
        try:
            async with asyncio.timeout(self._line.stall_s):
                await send({"type": "http.response.body", "body": piece, "more_body": bool(piece)})
        except TimeoutError:
            raise DeadlineExceeded("The caller takes nothing.") from None


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _asked(request: Request) -> Asked:
    lines = request.headers.getlist
    return Asked(
        lines("if-match"),
        lines("if-unmodified-since"),
        lines("if-none-match"),
        lines("if-modified-since"),
        lines("range"),
        lines("if-range"),
    )


def _refused(asked: Asked, held: Held, info: ObjectInfo) -> Response | None:
    """The answer that a condition gives; None when the object is to be sent."""
    match judge(asked, held):
        case Verdict.FAILED:
            return _problem(412, ObjectChanged.code, ObjectChanged.default_message)
        case Verdict.NOT_MODIFIED:
            return Response(status_code=304, headers=_validators(info))
        case Verdict.SEND:
            return None


def _problem(status: int, code: str, detail: str) -> Response:
    return problem_response(problem(status, code, detail))


def _validators(info: ObjectInfo) -> dict[str, str]:
    return {
        "ETag": f'"{info.etag}"',
        "Last-Modified": format_datetime(info.modified.astimezone(UTC), usegmt=True),
        "Cache-Control": "no-cache",  # keep it, and ask each time whether it is still the one
    }


def _described(info: ObjectInfo) -> dict[str, str]:
    name = quote(info.key.rpartition("/")[2], safe="")
    return {
        **_validators(info),
        "Accept-Ranges": "bytes",
        "Content-Type": info.content_type,
        # Whoever wrote the object: a page or a script in it must not run as if it came from this service.
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
