"""Any server that speaks OpenAI's `/v1/chat/completions`: vLLM, llama-server, a managed API. For `LLM_MODE=remote`.

The prompt, and with it parts of a record, leave this process: the address has no default and must be set by an
operator. The server has its own queue, so several requests may be under way at once. Answers come as server-sent
events (https://html.spec.whatwg.org/multipage/server-sent-events.html), whatever the caller asked for.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import httpx
from typing_extensions import override

from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    Engine,
    EngineState,
    EngineStatus,
    FinishReason,
    ModelInfo,
    SamplingParams,
    StreamEvent,
    Timings,
)
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import DependencyFailed, InvalidInput, NotReady

_CONNECT_S = 5.0


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
        url = httpx.URL(config.base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("a remote engine needs an explicit base URL, for example http://llm.internal:8080")
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
    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        self._watchers.append(call)
        call(self.status())

    @override
    async def stream(
        self, messages: Sequence[ChatMessage], params: SamplingParams, deadline: Deadline
    ) -> AsyncGenerator[StreamEvent, None]:
        if self._state is not EngineState.READY:
            raise NotReady("The engine is closed.")
        deadline.check()
        answer = _Answer(self._clock)
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
                async for line in response.aiter_lines():
                    name, _, value = line.partition(":")
                    value = value.strip()
                    if name != "data":
                        continue
                    if value == "[DONE]":
                        return
                    yield _object(value)
        except httpx.HTTPError as error:
            raise DependencyFailed("The model server did not answer.", reason=type(error).__name__) from error

    def _to(self, state: EngineState) -> None:
        self._state = state
        for call in self._watchers:
            call(self.status())


class _Answer:
    """Puts the chunks together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun = clock.monotonic()
        self._first: float | None = None
        self._text: list[str] = []
        self._finish: str | None = None
        self._usage: Mapping[str, object] = {}
        self.tokens = 0  #: chunks with text, until the server tells the true number

    def take(self, event: Mapping[str, object]) -> str:
        """The new text in `event`, often none."""
        if "error" in event:
            raise DependencyFailed("The model server reported an error in the middle of its answer.")
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return ""
        choice: Mapping[str, object] = choices[0]
        finish, delta = choice.get("finish_reason"), choice.get("delta")
        if isinstance(finish, str):
            self._finish = finish
        text = delta.get("content") if isinstance(delta, dict) else None
        if not isinstance(text, str) or not text:
            return ""
        self._first = self._first or self._clock.monotonic()
        self.tokens += 1
        self._text.append(text)
        return text

    def completion(self) -> Completion:
        """Raises DependencyFailed when the stream ended before the answer did."""
        if self._finish is None:
            raise DependencyFailed("The model server's answer broke off.")
        end = self._clock.monotonic()
        first = self._first or end
        return Completion(
            "".join(self._text),
            FinishReason.LENGTH if self._finish == "length" else FinishReason.STOP,
            self._count("prompt_tokens", 0),
            self._count("completion_tokens", self.tokens),
            # From outside, waiting and reading can not be told apart.
            Timings(0.0, (first - self._begun) * 1000, (end - first) * 1000),
        )

    def _count(self, name: str, otherwise: int) -> int:
        value = self._usage.get(name)
        return value if isinstance(value, int) else otherwise


def _body(config: RemoteConfig, messages: Sequence[ChatMessage], params: SamplingParams) -> dict[str, object]:
    body: dict[str, object] = {
        "model": config.model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
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


async def _refuse(response: httpx.Response) -> None:
    if response.is_success:
        return
    status = response.status_code
    if status in (400, 413, 422):
        # The body of the refusal often quotes the prompt: it is not passed on.
        raise InvalidInput(f"The model server refused the request with status {status}.", status=status)
    if status in (429, 503):
        raise NotReady("The model server is busy.", retry_after_s=_retry_after(response))
    raise DependencyFailed(f"The model server answered with status {status}.", status=status)


def _retry_after(response: httpx.Response) -> int:
    value = response.headers.get("retry-after", "")
    return max(1, int(value)) if value.isdigit() else 1


def _object(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DependencyFailed("The model server sent something that is no event.")
    return found


async def _next(events: AsyncIterator[Mapping[str, object]]) -> Mapping[str, object] | None:
    return await anext(events, None)
