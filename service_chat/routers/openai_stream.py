"""A chat as the event stream that OpenAI's clients read: chunks under `data:`, `[DONE]` at the end.

Called by `openai`. While nothing is written yet, comments say how far it is (`: queued position=2 eta_s=3`,
`: prefill 128/390`): clients pass over them, proxies count them as life, a person with curl reads them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from service_chat.engines.protocol import Completion, Delta, Prefill
from service_chat.routers.event_stream import EVENT_STREAM
from service_chat.routers.openai_answers import Head
from service_chat.routers.openai_errors import openai_error, problem_of
from service_chat.services.chat_lane import ChatStep, Waiting
from serving.encoding import dumps
from serving.errors import SluiceError
from serving.events import unexpected_error
from serving.http.problems import problem
from serving.logging import where

#: Proxies cut silent connections after 60 s, some after 15.
_SIGN_EVERY_S = 5.0
#: How long the status line may wait for a second step. An idle engine finds within this time that a prompt does not
#: fit, and that is then a plain 400 instead of an error under a 200.
_HOLD_S = 0.25


class Quiet:
    """Nothing came in time."""


class Followed:
    """A chat's steps, read by a task of their own: who waits for the next one may give up without losing it."""

    def __init__(self, steps: AsyncGenerator[ChatStep, None]) -> None:
        self._steps = steps
        self._told: asyncio.Queue[ChatStep | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def next(self, within_s: float | None = None) -> ChatStep | Quiet | None:
        """The next step; None after the last. Raises what the steps raise."""
        try:
            async with asyncio.timeout(within_s):
                step = await self._told.get()
        except TimeoutError:
            return Quiet()
        if step is None:
            await self._reading
        return step

    async def aclose(self) -> None:
        """Gives the place and the slot up, wherever the chat is."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async with aclosing(self._steps) as steps:
                async for step in steps:
                    self._told.put_nowait(step)
        finally:
            self._told.put_nowait(None)


class _ChatStream(StreamingResponse):
    """Ends the chat with the response: a caller who is gone before the first byte never starts the body, and with it
    none of its `finally`."""

    def __init__(self, body: AsyncIterator[bytes], chat: Followed) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(body, media_type=EVENT_STREAM, headers=headers)
        self._chat = chat

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._chat.aclose()


async def chat_stream(
    steps: AsyncGenerator[ChatStep, None], head: Head, usage: bool, named: Callable[[SluiceError], SluiceError]
) -> StreamingResponse:
    """Answers once the chat is admitted. `usage`: a chunk with the sums comes before the end; `named` names the field
    of the request that an error is about.

    Raises:
        SluiceError: It was refused; what is found later is told in the stream.
    """
    chat = Followed(steps)
    try:
        begun = [await chat.next(), await chat.next(_HOLD_S)]
    except BaseException:  # cancelled too: nobody else knows of the chat yet
        await chat.aclose()
        raise
    return _ChatStream(_render(begun, chat, head, usage, named), chat)


async def _render(
    begun: list[ChatStep | Quiet | None],
    chat: Followed,
    head: Head,
    usage: bool,
    named: Callable[[SluiceError], SluiceError],
) -> AsyncIterator[bytes]:
    yield _data(_with_usage(head.chunk({"role": "assistant", "content": ""}), usage))
    try:
        async for step in _all(begun, chat):
            match step:
                case Quiet():
                    yield b": still here\n\n"
                case Waiting():
                    yield _waiting(step)
                case Prefill():
                    yield b": prefill %d/%d\n\n" % (step.done, step.total)
                case Delta():
                    yield _data(_with_usage(head.chunk({"content": step.text}), usage))
                case Completion():
                    yield _data(_with_usage(head.last_chunk(step), usage))
                    if usage:
                        yield _data(head.usage_chunk(step))
        yield b"data: [DONE]\n\n"
    except SluiceError as error:  # the status line is long gone
        yield _data(openai_error(problem_of(named(error))))
    except Exception as error:  # a defect of ours must not look like a broken line
        unexpected_error(error_type=type(error).__name__, at=where(error))
        yield _data(openai_error(problem(500, "internal_error", "An unexpected error occurred.")))


async def _all(begun: list[ChatStep | Quiet | None], chat: Followed) -> AsyncIterator[ChatStep | Quiet]:
    for step in begun:
        if step is not None and not isinstance(step, Quiet):
            yield step
    if None in begun:
        return
    while (step := await chat.next(_SIGN_EVERY_S)) is not None:
        yield step


def _waiting(step: Waiting) -> bytes:
    eta = "" if step.eta_s is None else f" eta_s={round(step.eta_s)}"
    return f": queued position={step.position}{eta}\n\n".encode()


def _with_usage(chunk: dict[str, object], usage: bool) -> dict[str, object]:
    """Who asked for usage finds the field in every chunk, null until the last."""
    return {**chunk, "usage": None} if usage else chunk


def _data(body: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % dumps(body)
