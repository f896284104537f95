import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from service_chat.engines.protocol import Completion, FinishReason, Timings
from service_chat.errors import PromptTooLong
from service_chat.routers import openai_stream
from service_chat.routers.openai_answers import Head
from service_chat.routers.openai_stream import Followed, Quiet, chat_stream
from service_chat.services.chat_lane import ChatStep, Waiting
from serving.errors import ChildDied, InvalidInput, QueueFull
from tests.unit.service_chat.openai_house import HELLO, House, chunks_of, house, lines_of
from tests.unit.until import until

pytestmark = pytest.mark.anyio

DONE = Completion("Rest.", FinishReason.STOP, 10, 1, Timings(0, 0, 0))


async def test_the_text_comes_in_chunks_between_the_role_and_the_end() -> None:
    async with house() as h:
        answer = await h.ask(stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert lines_of(answer)[-1] == "data: [DONE]"
    chunks = chunks_of(answer)
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Rest"},
        {"content": " well."},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in chunks} == {
        (chunks[0]["id"], "chat.completion.chunk", "fake.gguf")
    }
    assert all("usage" not in chunk for chunk in chunks)


async def test_usage_comes_last_and_without_a_choice_when_it_is_asked_for() -> None:
    async with house() as h:
        chunks = chunks_of(await h.ask(stream=True, stream_options={"include_usage": True}))
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 12


async def test_comments_say_where_the_request_is() -> None:
    async with house() as h:
        lines = lines_of(await h.ask(stream=True))
    comments = [line for line in lines if line.startswith(":")]
    assert comments[0].startswith(": queued position=0")
    assert comments[1] == ": prefill 0/10"


@pytest.mark.parametrize(
    ("error", "status"),
    [(QueueFull(retry_after_s=3), 429), (PromptTooLong(prompt_tokens=9, n_ctx=8, room=0), 400), (ChildDied(), 503)],
)
async def test_a_refusal_that_is_found_at_once_is_no_stream(
    error: QueueFull | PromptTooLong | ChildDied, status: int
) -> None:
    async def steps() -> AsyncGenerator[ChatStep, None]:
        yield Waiting(0)
        raise error

    async def ask(h: House) -> int:
        h.engine.error = error
        return (await h.ask(stream=True)).status_code

    with pytest.raises(type(error)):
        await chat_stream(steps(), Head("m", None), False, lambda e: e)
    async with house() as h:
        # The engine has told of the prompt by then, so the status line is out: the error is in the stream.
        assert await ask(h) == 200
        h.engine.error = None
        for lane in h.lanes.values():
            lane.queue.close()
        assert (await h.ask(stream=True)).status_code >= 400


async def test_an_error_after_the_first_byte_is_the_last_chunk() -> None:
    async with house() as h:
        h.engine.error = InvalidInput("This engine has no grammars.")
        answer = await h.ask(stream=True, response_format={"type": "json_object"})
    assert answer.status_code == 200
    assert json.loads(lines_of(answer)[-1].removeprefix("data: ")) == {
        "error": {
            "message": "This engine has no grammars.",
            "type": "invalid_request_error",
            "param": "response_format",
            "code": "invalid_input",
        }
    }


async def test_a_defect_in_the_middle_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async def steps() -> AsyncGenerator[ChatStep, None]:
        yield Waiting(0)
        await asyncio.sleep(0.001)
        yield Waiting(0)
        raise ValueError("my chest hurts")

    response = await chat_stream(steps(), Head("m", None), False, lambda e: e)
    text = b"".join([bytes(part) async for part in response.body_iterator if isinstance(part, bytes)]).decode()
    assert '"code":"internal_error"' in text.replace(" ", "")
    assert "chest" not in text + caplog.text
    assert "[DONE]" not in text


async def test_a_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_stream, "_SIGN_EVERY_S", 0.01)
    monkeypatch.setattr(openai_stream, "_HOLD_S", 0.01)
    go = asyncio.Event()

    async def steps() -> AsyncGenerator[ChatStep, None]:
        yield Waiting(2, 3.4)
        await go.wait()
        yield DONE

    response = await chat_stream(steps(), Head("m", None), False, lambda e: e)
    seen: list[bytes] = []
    async for part in response.body_iterator:
        assert isinstance(part, bytes)
        seen.append(part)
        if seen.count(b": still here\n\n") == 3:
            go.set()
    assert seen[1] == b": queued position=2 eta_s=3\n\n"
    assert seen[-1] == b"data: [DONE]\n\n"


async def test_giving_up_a_wait_loses_no_step() -> None:
    go = asyncio.Event()

    async def steps() -> AsyncGenerator[ChatStep, None]:
        await go.wait()
        yield Waiting(1)

    chat = Followed(steps())
    assert isinstance(await chat.next(0.001), Quiet)
    go.set()
    assert await chat.next(1) == Waiting(1)
    assert await chat.next(1) is None
    await chat.aclose()


async def send_and_leave(h: House, after: int) -> None:
    """Asks for a stream and hangs up once `after` messages were sent."""
    body = json.dumps({**HELLO, "stream": True}).encode()
    heard: list[Message] = []
    gone = asyncio.Event()
    first = True

    async def receive() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        heard.append(message)
        if len(heard) > after:
            gone.set()
            await asyncio.sleep(0.01)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    with contextlib.suppress(asyncio.CancelledError):
        await h.app(scope, receive, send)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_a_hang_up_frees_the_slot_however_early_it_comes(after: int) -> None:
    async with house() as h:
        h.engine.gate.clear()
        await send_and_leave(h, after)
        lane = h.lanes["gguf"]
        await until(lambda: lane.statistics().depth == 0 and h.engine.stopped_early == 1)
        h.engine.gate.set()
        assert (await h.ask()).status_code == 200
        assert lane.statistics().abandoned == 1


async def test_a_plain_request_that_hangs_up_frees_the_slot_too() -> None:
    async with house() as h:
        h.engine.gate.clear()
        asking = asyncio.create_task(h.ask())
        await until(lambda: len(h.engine.asked) == 1)
        asking.cancel()
        await until(lambda: h.engine.stopped_early == 1)
        h.engine.gate.set()
        assert (await h.ask()).status_code == 200


async def test_two_streams_run_one_after_the_other_on_one_slot() -> None:
    async with house() as h:
        answers = await asyncio.gather(*(h.ask(stream=True) for _ in range(3)))
    for answer in answers:
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks_of(answer)) == "Rest well."
