"""Any server that speaks OpenAI's `/v1/chat/completions`: vLLM, llama-server, a managed API. For `LLM_MODE=remote`.

The prompt, and with it parts of a record, leave this process: the address has no default and must be set by an
operator. The server has its own queue, so several requests may be under way at once. Answers come as server-sent
events (https://html.spec.whatwg.org/multipage/server-sent-events.html), whatever the caller asked for; `remote_request`
writes what is sent, `remote_answer` reads what comes. Whatever that server does wrong is DependencyFailed: the caller
wrote the question, not the request. The exceptions are a prompt too long for it and a form it does not take.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import httpx
from typing_extensions import override

from service_chat.engines.protocol import (
    ChatMessage,
    Delta,
    Engine,
    EngineLoad,
    EngineState,
    EngineStatus,
    FinishReason,
    ModelInfo,
    SamplingParams,
    StreamEvent,
)
from service_chat.engines.remote_answer import RemoteAnswer, check_json, lines_of, object_in
from service_chat.engines.remote_request import request_body
from service_chat.errors import PromptTooLong
from service_chat.outgoing import traced
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import DependencyFailed, InvalidInput, NotReady

_CONNECT_S = 5.0
#: Requests put to the server at the same time; it has a queue of its own.
_SLOTS = 16
#: Of a refusal, this many bytes are read to find out why.
_REFUSAL_BYTES = 16_384
#: How servers name a prompt that does not fit, in `code` or `type` of the error: OpenAI, llama-server.
_TOO_LONG = ("context_length_exceeded", "exceed_context_size_error")
#: vLLM has no code for it, only this in its sentence.
_TOO_LONG_WORDS = "maximum context length"
#: Words for a form that a server does not take. OpenAI's API names the field; vLLM and llama-server only write of it.
_FORM_WORDS = ("response_format", "json_schema", "json schema", "grammar")


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    base_url: str  #: up to and without `/v1`; must be http or https
    model: str
    api_key: str = ""
    #: vLLM and llama-server know `top_k`; OpenAI's own API refuses fields it does not know.
    send_top_k: bool = False


class RemoteEngine(Engine):
    def __init__(self, config: RemoteConfig, clock: Clock) -> None:
        """Raises ValueError when the address is missing or is none."""
        url = _base(config.base_url)
        headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
        self._config, self._clock = config, clock
        self._url = f"{str(url).rstrip('/').removesuffix('/v1')}/v1/chat/completions"
        # Reading has no limit of its own: the deadline of each request is the limit.
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(None, connect=_CONNECT_S))
        self._state = EngineState.LOADING
        self._watchers: list[Callable[[EngineStatus], None]] = []

    @override
    async def start(self) -> None:
        self._client.event_hooks = traced()
        # Ready without a question: a probe that asks the other server would take this pod down with it.
        self._to(EngineState.READY)

    @override
    async def aclose(self) -> None:
        await self._client.aclose()
        self._to(EngineState.STOPPED)

    @override
    def status(self) -> EngineStatus:
        return EngineStatus(self._state, model=ModelInfo(self._config.model))

    @override
    def load(self) -> EngineLoad:
        return EngineLoad(slots=_SLOTS)

    @override
    async def count(self, messages: Sequence[ChatMessage]) -> int | None:
        return None  # its tokens are its own

    @override
    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        self._watchers.append(call)
        call(self.status())

    @override
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        if self._state is not EngineState.READY:
            raise NotReady("The engine is closed.")
        deadline.check()
        answer = RemoteAnswer(self._clock)
        body = request_body(self._config.model, messages, params, self._config.send_top_k)
        async with aclosing(self._events(body)) as events:
            while True:
                event = await deadline.bound(_next(events))
                if event is None:
                    break
                if text := answer.take(event):
                    yield Delta(text, answer.tokens)
        done = answer.completion()
        # What a stop string cut off is no whole form, and no mistake of the server.
        if params.json_schema is not None and not params.stop and done.finish_reason is FinishReason.STOP:
            check_json(done.text)
        yield done

    async def _events(self, body: Mapping[str, object]) -> AsyncGenerator[Mapping[str, object], None]:
        """The JSON objects of the stream, in order."""
        try:
            async with self._client.stream("POST", self._url, json=body) as response:
                await _refuse(response, "response_format" in body)
                async for line in lines_of(response.aiter_bytes()):
                    name, _, value = line.partition(b":")
                    value = value.strip()
                    if name != b"data":
                        continue
                    if value == b"[DONE]":
                        return
                    yield object_in(value)
        except httpx.HTTPError as error:
            raise DependencyFailed("The model server did not answer.", reason=type(error).__name__) from error

    def _to(self, state: EngineState) -> None:
        self._state = state
        for call in self._watchers:
            call(self.status())


def _base(text: str) -> httpx.URL:
    example = "a remote engine needs an explicit base URL, for example http://llm.internal:8080"
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:  # which is no ValueError
        raise ValueError(f"{example}: {error}") from None
    # The port: httpx takes any number here and fails on it with an OverflowError when it connects.
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65_536:
        raise ValueError(example)
    if url.query or url.fragment:
        raise ValueError(f"{example}, without ? and #")
    return url


async def _refuse(response: httpx.Response, formed: bool) -> None:
    """Raises for every status but success. `formed`: a form was asked for."""
    if response.is_success:
        return
    status = response.status_code
    if status in (400, 413, 422):
        _refuse_what_was_asked(await _beginning(response), status, formed)
    details = {"retry_after_s": _retry_after(response)} if status in (429, 503) else {}
    # The body of a refusal often quotes the prompt: it is not passed on.
    raise DependencyFailed(f"The model server answered with status {status}.", upstream_status=status, **details)


async def _beginning(response: httpx.Response) -> bytes:
    read = b""
    async for piece in response.aiter_bytes():
        read += piece
        if len(read) >= _REFUSAL_BYTES:
            break
    return read


def _refuse_what_was_asked(body: bytes, status: int, formed: bool) -> None:
    """Raises what a caller can do something about: PromptTooLong, or InvalidInput for the form asked for."""
    try:
        found = object_in(body)
    except DependencyFailed:
        return
    inner = found.get("error")
    error = inner if isinstance(inner, dict) else found  # vLLM once had the error at the top
    words = error.get("message")
    sentence = words if isinstance(words, str) else ""
    if any(error.get(field) in _TOO_LONG for field in ("code", "type")) or _TOO_LONG_WORDS in sentence:
        raise PromptTooLong(upstream_status=status)
    about = f"{error.get('param')} {sentence}".lower()
    if formed and any(word in about for word in _FORM_WORDS):
        raise InvalidInput("The model server does not take this form, or not with these messages.")


def _retry_after(response: httpx.Response) -> int:
    """Whole seconds from 1 to an hour; dates and other words count as one second."""
    value = response.headers.get("retry-after", "")
    plain = value.isascii() and value.isdigit() and len(value) < 10
    return min(3600, max(1, int(value))) if plain else 1


async def _next(events: AsyncIterator[Mapping[str, object]]) -> Mapping[str, object] | None:
    return await anext(events, None)
