"""Any server that speaks OpenAI's `/v1/chat/completions`: vLLM, llama-server, a managed API. For `LLM_MODE=remote`.

The prompt, and with it parts of a record, leave this process: the address has no default and must be set by an
operator. The server has its own queue, so several requests may be under way at once. Answers come as server-sent
events (https://html.spec.whatwg.org/multipage/server-sent-events.html), whatever the caller asked for; `remote_answer`
reads them. Whatever that server does wrong is DependencyFailed: the caller wrote the question, not the request.
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
    ModelInfo,
    SamplingParams,
    StreamEvent,
)
from service_chat.engines.remote_answer import RemoteAnswer, clean, lines_of, object_in
from service_chat.errors import PromptTooLong
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import DependencyFailed, NotReady

_CONNECT_S = 5.0
#: Requests put to the server at the same time; it has a queue of its own.
_SLOTS = 16
#: Of a refusal, this many bytes are read to find out why.
_REFUSAL_BYTES = 16_384
#: How servers name a prompt that does not fit, in `code` or `type` of the error: OpenAI, llama-server.
_TOO_LONG = ("context_length_exceeded", "exceed_context_size_error")
#: vLLM has no code for it, only this in its sentence.
_TOO_LONG_WORDS = "maximum context length"


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
        async with aclosing(self._events(_body(self._config, messages, params))) as events:
            while True:
                event = await deadline.bound(_next(events))
                if event is None:
                    break
                if text := answer.take(event):
                    yield Delta(text, answer.tokens)
        yield answer.completion()

    async def _events(self, body: Mapping[str, object]) -> AsyncGenerator[Mapping[str, object], None]:
        """The JSON objects of the stream, in order."""
        try:
            async with self._client.stream("POST", self._url, json=body) as response:
                await _refuse(response)
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


def _body(config: RemoteConfig, messages: Sequence[ChatMessage], params: SamplingParams) -> dict[str, object]:
    body: dict[str, object] = {
        "model": config.model,
        "messages": [{"role": message.role, "content": clean(message.content)} for message in messages],
        "max_tokens": params.max_tokens,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "presence_penalty": params.presence_penalty,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if params.seed is not None:
        body["seed"] = params.seed
    if params.stop:
        body["stop"] = list(params.stop)
    if config.send_top_k:
        body["top_k"] = params.top_k
    return body


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


async def _refuse(response: httpx.Response) -> None:
    """Raises for every status but success."""
    if response.is_success:
        return
    status = response.status_code
    if status in (400, 413, 422):
        _refuse_length(await _beginning(response), status)
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


def _refuse_length(body: bytes, status: int) -> None:
    """Raises PromptTooLong when that is what the server says: the one refusal a caller can do something about."""
    try:
        found = object_in(body)
    except DependencyFailed:
        return
    inner = found.get("error")
    error = inner if isinstance(inner, dict) else found  # vLLM once had the error at the top
    words = error.get("message")
    named = any(error.get(field) in _TOO_LONG for field in ("code", "type"))
    if named or (isinstance(words, str) and _TOO_LONG_WORDS in words):
        raise PromptTooLong(upstream_status=status)


def _retry_after(response: httpx.Response) -> int:
    """Whole seconds from 1 to an hour; dates and other words count as one second."""
    value = response.headers.get("retry-after", "")
    plain = value.isascii() and value.isdigit() and len(value) < 10
    return min(3600, max(1, int(value))) if plain else 1


async def _next(events: AsyncIterator[Mapping[str, object]]) -> Mapping[str, object] | None:
    return await anext(events, None)
