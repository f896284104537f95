"""The remote engine against a real HTTP server on the loopback that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.engines.protocol import ChatMessage, Completion, Delta, FinishReason, SamplingParams
from service_chat.engines.remote import RemoteConfig, RemoteEngine
from service_chat.engines.remote_answer import RemoteAnswer
from service_chat.errors import PromptTooLong
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, DependencyFailed, InvalidInput, NotReady, SluiceError

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
ASKED = (ChatMessage("user", "My head hurts."),)


def soon(seconds: float = 10.0) -> Deadline:
    return Deadline.after(seconds, CLOCK)


def chunk(text: str | None = None, finish: str | None = None) -> str:
    delta = {} if text is None else {"content": text}
    return f"data: {json.dumps({'choices': [{'delta': delta, 'finish_reason': finish}]})}\n\n"


def _nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    names = st.sampled_from(("delta", "content", "finish_reason", "error", "prompt_tokens", "completion_tokens"))
    return st.lists(inner) | st.dictionaries(names, inner)


USAGE = 'data: {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}\n\n'
DONE = "data: [DONE]\n\n"
WHOLE = [": a comment\n\n", chunk("Drink "), chunk(), chunk("water ✓."), chunk(finish="stop"), USAGE, DONE]


@dataclass
class ModelServer:
    pieces: list[str] = field(default_factory=lambda: list(WHOLE))
    status: str = "200 OK"
    headers: str = ""
    hangs: bool = False
    bodies: list[dict[str, object]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def engine(self, **more: bool) -> AsyncIterator[RemoteEngine]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        engine = RemoteEngine(RemoteConfig(f"http://127.0.0.1:{port}/v1/", "tiny", "key", **more), CLOCK)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.aclose()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-len"))
        self.heads.append(head)
        self.bodies.append(json.loads(await reader.readexactly(length)))
        answer = f"HTTP/1.1 {self.status}\r\nContent-Type: text/event-stream\r\nConnection: close\r\n{self.headers}\r\n"
        writer.write(answer.encode("latin-1") + "".join(self.pieces).encode())
        await writer.drain()
        if self.hangs:
            await reader.read()
            self.hung_up.set()
        writer.close()
        await writer.wait_closed()


async def test_the_answer_is_put_together_from_its_pieces() -> None:
    server = ModelServer()
    async with server.engine() as engine:
        answer = await engine.generate(ASKED, SamplingParams(), soon())
    assert answer.text == "Drink water ✓."
    assert answer.finish_reason is FinishReason.STOP
    assert (answer.prompt_tokens, answer.completion_tokens) == (11, 7)


async def test_the_request_is_openais_and_carries_the_key() -> None:
    server = ModelServer()
    async with server.engine() as engine:
        await engine.generate(ASKED, SamplingParams(max_tokens=9, seed=4, stop=("END",)), soon())
    assert server.heads[0].startswith("POST /v1/chat/completions HTTP/1.1")
    assert "authorization: bearer key" in server.heads[0].lower()
    body = server.bodies[0]
    assert body["messages"] == [{"role": "user", "content": "My head hurts."}]
    assert (body["model"], body["max_tokens"], body["seed"], body["stop"]) == ("tiny", 9, 4, ["END"])
    assert "top_k" not in body


OBJECT = '{"type": "object"}'
ADVICE = {"type": "object", "properties": {"advice": {"type": "string"}}, "required": ["advice"]}
FORM = SamplingParams(json_schema=json.dumps(ADVICE))


def writes(text: str, finish: str = "stop") -> ModelServer:
    return ModelServer(pieces=[chunk(text), chunk(finish=finish), DONE])


async def test_a_schema_goes_along_as_the_form_of_the_answer() -> None:
    server = writes('{"advice": "Rest."}')
    async with server.engine() as engine:
        await engine.generate(ASKED, FORM, soon())
        await engine.generate(ASKED, SamplingParams(json_schema=OBJECT), soon())
    form = {"name": "answer", "schema": ADVICE, "strict": True}
    assert server.bodies[0]["response_format"] == {"type": "json_schema", "json_schema": form}
    assert server.bodies[1]["response_format"] == {"type": "json_object"}


async def test_free_text_is_asked_for_without_a_form() -> None:
    async with (server := ModelServer()).engine() as engine:
        await engine.generate(ASKED, SamplingParams(), soon())
    assert "response_format" not in server.bodies[0]


@pytest.mark.parametrize("schema", ["", "{", "[]", "true", "[" * 100_000])
async def test_a_schema_that_is_none_never_leaves_the_house(schema: str) -> None:
    async with (server := ModelServer()).engine() as engine:
        with pytest.raises(InvalidInput):
            await engine.generate(ASKED, SamplingParams(json_schema=schema), soon())
    assert server.bodies == []


@pytest.mark.parametrize("said", ["Rest well.", "", '{"advice": "Re', "[" * 100_000])
async def test_a_server_that_passes_over_the_form_has_failed(said: str) -> None:
    async with writes(said).engine() as engine:
        with pytest.raises(DependencyFailed, match="form"):
            await engine.generate(ASKED, FORM, soon())


@pytest.mark.parametrize(
    ("server", "params"),
    [(writes('{"advice": "Re', "length"), FORM), (writes('{"advice": "Re'), replace(FORM, stop=("st",)))],
    ids=["longest length", "stop string"],
)
async def test_a_form_that_was_cut_is_no_mistake_of_the_server(server: ModelServer, params: SamplingParams) -> None:
    async with server.engine() as engine:
        assert (await engine.generate(ASKED, params, soon())).text == '{"advice": "Re'


REFUSED_FORMS = [
    '{"error": {"message": "Invalid: My head hurts.", "param": "response_format"}}',
    '{"error": {"message": "No such thing: My head hurts.", "param": "response_format.json_schema"}}',
    '{"error": {"message": "The provided JSON schema contains features that are not supported: My head hurts."}}',
    '{"error": {"code": 400, "message": "Failed to parse grammar. My head hurts."}}',
]


@pytest.mark.parametrize("said", REFUSED_FORMS)
async def test_a_form_that_the_server_does_not_take_is_the_callers_to_change(said: str) -> None:
    async with ModelServer(status="400 Bad Request", pieces=[said]).engine() as engine:
        with pytest.raises(InvalidInput) as refused:
            await engine.generate(ASKED, FORM, soon())
        assert refused.type is InvalidInput
        assert "hurts" not in str(refused.value)
        with pytest.raises(DependencyFailed):  # who asked for no form can not change it
            await engine.generate(ASKED, SamplingParams(), soon())


async def test_pieces_come_as_they_are_written() -> None:
    server = ModelServer(pieces=[chunk("Drink ")], hangs=True)
    async with server.engine() as engine, aclosing(engine.stream(ASKED, SamplingParams(), soon())) as stream:
        assert await anext(stream) == Delta("Drink ", 1)


async def test_a_caller_that_goes_away_hangs_up_on_the_server() -> None:
    server = ModelServer(pieces=[chunk("Drink ")], hangs=True)
    async with server.engine() as engine:
        async with aclosing(engine.stream(ASKED, SamplingParams(), soon())) as stream:
            await anext(stream)
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_the_deadline_hangs_up_on_the_server() -> None:
    server = ModelServer(pieces=[chunk("Drink ")], hangs=True)
    async with server.engine() as engine:
        with pytest.raises(DeadlineExceeded):
            await engine.generate(ASKED, SamplingParams(), soon(0.2))
        await asyncio.wait_for(server.hung_up.wait(), 5)


@pytest.mark.parametrize(
    ("server", "error"),
    [
        (ModelServer(pieces=[chunk("Drink ")]), DependencyFailed),
        (ModelServer(pieces=["data: {no json\n\n"]), DependencyFailed),
        (ModelServer(pieces=['data: {"error": {"message": "out of memory"}}\n\n']), DependencyFailed),
        (ModelServer(pieces=[f"data: {'[' * 100_000}\n\n"]), DependencyFailed),
        (ModelServer(pieces=["data: [1]\n\n"]), DependencyFailed),
        (ModelServer(pieces=['data: {"choices": 1}\n\n']), DependencyFailed),
        (ModelServer(pieces=['data: {"choices": [1]}\n\n']), DependencyFailed),
        (ModelServer(pieces=['data: {"choices": [{"delta": "a"}]}\n\n']), DependencyFailed),
        (ModelServer(pieces=['data: {"choices": [{"delta": {"content": 1}}]}\n\n']), DependencyFailed),
        (ModelServer(pieces=['data: {"choices": [{"finish_reason": 1}]}\n\n']), DependencyFailed),
        (ModelServer(pieces=["data: " + "x" * 1_100_000]), DependencyFailed),
    ],
)
async def test_what_goes_wrong_there_is_typed_here(server: ModelServer, error: type[SluiceError]) -> None:
    async with server.engine() as engine:
        with pytest.raises(error) as failed:
            await engine.generate(ASKED, SamplingParams(), soon())
    assert failed.type is error


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413, 422, 429, 500, 502, 503])
async def test_a_refusal_by_the_server_is_no_mistake_of_the_caller(status: int) -> None:
    server = ModelServer(status=f"{status} Whatever", headers="Retry-After: 7\r\n")
    async with server.engine() as engine:
        with pytest.raises(DependencyFailed) as failed:
            await engine.generate(ASKED, SamplingParams(), soon())
    busy = {"retry_after_s": 7} if status in (429, 503) else {}
    assert failed.value.details == {"upstream_status": status, **busy}


@pytest.mark.parametrize(("value", "seconds"), [("0", 1), ("soon", 1), ("\xb2", 1), ("9" * 5000, 1), ("99999", 3600)])
async def test_how_long_a_busy_server_wants_us_to_wait_is_read_with_care(value: str, seconds: int) -> None:
    server = ModelServer(status="429 Busy", headers=f"Retry-After: {value}\r\n")
    async with server.engine() as engine:
        with pytest.raises(DependencyFailed) as failed:
            await engine.generate(ASKED, SamplingParams(), soon())
    assert failed.value.details["retry_after_s"] == seconds


@pytest.mark.parametrize(
    "said",
    [
        '{"error": {"code": "context_length_exceeded", "message": "My head hurts."}}',
        '{"error": {"code": 400, "type": "exceed_context_size_error"}}',
        '{"error": {"message": "This model\'s maximum context length is 4096 tokens."}}',
        '{"object": "error", "message": "This model\'s maximum context length is 4096 tokens."}',
    ],
)
async def test_a_prompt_that_does_not_fit_there_is_told_as_such(said: str) -> None:
    async with ModelServer(status="400 Bad Request", pieces=[said]).engine() as engine:
        with pytest.raises(PromptTooLong) as refused:
            await engine.generate(ASKED, SamplingParams(), soon())
    assert "hurts" not in str(refused.value)


@pytest.mark.parametrize(
    "said", ["", "no json", "[]", '{"error": "My head hurts."}', '{"error": {"code": [1]}}', "x" * 99_999]
)
async def test_any_other_refusal_stays_one_and_its_words_stay_there(said: str) -> None:
    async with ModelServer(status="400 Bad Request", pieces=[said]).engine() as engine:
        with pytest.raises(DependencyFailed) as refused:
            await engine.generate(ASKED, SamplingParams(), soon())
    assert "hurts" not in str(refused.value)


async def test_half_a_surrogate_pair_becomes_text_that_can_be_written_out() -> None:
    pieces = ['data: {"choices": [{"delta": {"content": "a\\ud83db\\ud83d\\ude00"}}]}\n\n', chunk(finish="stop"), DONE]
    async with ModelServer(pieces=pieces).engine() as engine:
        answer = await engine.generate((ChatMessage("user", "\udc00"),), SamplingParams(), soon())
    assert answer.text == "a?b\U0001f600"


async def test_a_line_separator_inside_a_string_is_no_end_of_a_line() -> None:
    pieces = ['data: {"choices": [{"delta": {"content": "a\u2028b"}}]}\r\n\r\n', chunk(finish="stop"), DONE]
    async with ModelServer(pieces=pieces).engine() as engine:
        assert (await engine.generate(ASKED, SamplingParams(), soon())).text == "a\u2028b"


@pytest.mark.parametrize("value", ["true", "-1", "1.5", '"7"', "null", "[]", "1" + "0" * 400])
async def test_a_usage_that_is_no_count_is_replaced_by_our_own(value: str) -> None:
    usage = f'data: {{"error": null, "usage": {{"prompt_tokens": {value}, "completion_tokens": {value}}}}}\n\n'
    async with ModelServer(pieces=[chunk("a"), chunk("b"), chunk(finish="stop"), usage, DONE]).engine() as engine:
        answer = await engine.generate(ASKED, SamplingParams(), soon())
    assert (answer.prompt_tokens, answer.completion_tokens) == (0, 2)
    assert type(answer.prompt_tokens) is int


@given(body=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), _nested))
def test_an_event_never_raises_anything_but_a_failed_dependency(body: object) -> None:
    answer = RemoteAnswer(CLOCK)
    for event in ({"choices": body}, {"choices": [body]}, {"choices": [{"delta": body}]}, {"usage": body}):
        with suppress(DependencyFailed):
            answer.take(event).encode()
    with suppress(DependencyFailed):
        answer.completion()


async def test_a_server_that_is_not_there_is_a_failed_dependency() -> None:
    engine = RemoteEngine(RemoteConfig("http://127.0.0.1:9", "tiny"), CLOCK)
    await engine.start()
    with pytest.raises(DependencyFailed):
        await engine.generate(ASKED, SamplingParams(), soon())
    await engine.aclose()
    with pytest.raises(NotReady):
        await engine.generate(ASKED, SamplingParams(), soon())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "llm.internal",
        "ftp://host",
        "http://",
        "http://[::1",
        "http://h:x",
        "http://h:70000",
        "http://h/v1?a",
        "a\0b",
    ],
)
def test_an_address_must_be_given(url: str) -> None:
    with pytest.raises(ValueError, match="explicit base URL"):
        RemoteEngine(RemoteConfig(url, "tiny"), CLOCK)


async def test_an_answer_cut_at_its_limit_says_so() -> None:
    server = ModelServer(pieces=[chunk("Drink "), chunk(finish="length"), DONE], headers="")
    asked = SamplingParams(top_k=5)
    async with server.engine(send_top_k=True) as engine, aclosing(engine.stream(ASKED, asked, soon())) as stream:
        events = [event async for event in stream]
    assert isinstance(events[-1], Completion)
    assert events[-1].finish_reason is FinishReason.LENGTH
    assert server.bodies[0]["top_k"] == 5
