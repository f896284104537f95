"""The port to a language model: a chat goes in, text comes out piece by piece, and `status()` says how it is.

Called by `service_chat.services` (the use case) and by the readiness probe. The adapters are `mock` (one fixed
sentence), `remote` (any OpenAI-compatible server) and `gguf.process` (llama.cpp in a process of its own). Who may wait,
and for how long, is decided before: an engine has no queue and refuses what it can not start now.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from serving.deadline import Deadline
from serving.errors import WorkFailed
from serving.lifecycle import Progress

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn. `content` is plain text: control tokens spelled out in it have no power."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the text is drawn, and where it ends."""

    max_tokens: int = 256
    #: 0 draws the likeliest token every time.
    temperature: float = 0.7
    top_p: float = 0.9
    #: 0 leaves all tokens in.
    top_k: int = 40
    presence_penalty: float = 1.5
    #: Equal seeds give equal text on one machine; None draws a fresh one.
    seed: int | None = None
    #: The text ends before the first of these; they are not part of it.
    stop: tuple[str, ...] = ()
    #: Only text of this form is written: a JSON schema (as JSON text), or a GBNF grammar with a rule `root`; not both.
    json_schema: str | None = None
    grammar: str | None = None
    #: The model's own end of turn does not end the text. For measurements.
    ignore_eos: bool = False


class FinishReason(StrEnum):
    STOP = "stop"  #: the model ended its turn, or a stop string came
    LENGTH = "length"  #: max_tokens, or the end of the context
    REPETITION = "repetition"  #: it had begun to say the same again and again
    CANCELLED = "cancelled"  #: nobody waits any more; the text is what there was


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds. Together they are the life of the request inside the engine."""

    queue_ms: float  #: from the call to the first work on it
    prefill_ms: float  #: reading the prompt
    decode_ms: float  #: writing the text


@dataclass(frozen=True, slots=True)
class Prefill:
    """The engine is reading the prompt: `done` of `total` tokens so far, `cached` of them read for somebody before."""

    done: int
    total: int
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """More text, never empty, whole characters. `tokens` counts all tokens written so far."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """The whole answer: `text` is all deltas joined."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    timings: Timings
    cached_tokens: int = 0  #: of the prompt, not read again
    drafted_tokens: int = 0  #: guessed from the prompt and put to the model
    accepted_tokens: int = 0  #: guesses that the model would have written itself


#: What a stream yields: any number of Prefill, then any number of Delta, then one Completion, which is the last.
StreamEvent = Prefill | Delta | Completion


class EngineState(StrEnum):
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"  #: it was ready, its process died, the next one is loading
    FAILED = "failed"  #: it can not be loaded; `reason` says why
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What answers. Fields an adapter can not know are None."""

    name: str
    sha256: str | None = None
    n_ctx: int | None = None  #: tokens that prompt and text share
    n_threads: int | None = None
    #: How the thread count came about, for the log line that saves an hour.
    threads_from: str | None = None
    system_info: str | None = None  #: llama.cpp's own line on the instruction sets it uses
    spin: str | None = None  #: how long waiting threads spin, for example "GOMP_SPINCOUNT=500"


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy an engine is, as of its last step; an adapter that can not know leaves zeros."""

    slots: int = 1  #: requests it works on at the same time
    busy: int = 0
    prompt_tokens_left: int = 0  #: of the busy slots, still to be read
    answer_tokens_left: int = 0  #: of the busy slots, at most still to be written
    prefill_rate: float = 0.0  #: prompt tokens per second, a moving average
    decode_rate: float = 0.0  #: tokens written per second by all slots together, a moving average
    kv_tokens: int = 0  #: cells of the KV cache in use, what is kept for later included
    kv_capacity: int = 0


@dataclass(frozen=True, slots=True)
class EngineStatus:
    state: EngineState
    progress: Progress | None = None  #: while loading or restarting
    reason: str | None = None  #: when failed or restarting
    model: ModelInfo | None = None
    #: Processes started so far; 0 for engines without one.
    starts: int = 0
    #: Deaths or failed loads in a row since it last answered a request or stayed ready for 30 s: a model that loads
    #: and dies again and again counts, however often it was ready in between.
    failures: int = 0

    @property
    def ready(self) -> bool:
        return self.state is EngineState.READY


class Engine(Protocol):
    """Lives on the event loop: no call here blocks it."""

    async def start(self) -> None:
        """Begins to load and returns at once. A load that fails shows in `status()`, it does not raise here."""
        ...

    async def aclose(self) -> None:
        """Ends what runs and frees everything. Idempotent."""
        ...

    def status(self) -> EngineStatus: ...

    def load(self) -> EngineLoad: ...

    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        """Calls `call` with the present status now, and again on the loop after every change."""
        ...

    async def count(self, messages: Sequence[ChatMessage]) -> int | None:
        """Tokens of the prompt that these make; None where only the answer will tell. Takes a step of the engine.

        Raises:
            NotReady: There is no model to ask yet, or not any more.
            InvalidInput: The model's chat template does not take these messages.
            ChildDied: The engine's process died meanwhile.
        """
        ...

    def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Runs one request. Closing the generator early tells the engine to stop; use `contextlib.aclosing`.

        `scope` says whose text this is: what was read for a request may be used again for others of the same scope, a
        patient's next question for one. Beyond the system part nothing is shared between scopes, and None shares with
        nobody.

        Raises (at the first or a later step):
            NotReady: There is no model to ask yet, or not any more.
            QueueFull: The engine is at work on as much as it can hold.
            PromptTooLong: It leaves no room for an answer; details `prompt_tokens`, `n_ctx`, `room`.
            InvalidInput: The model's chat template does not take these messages.
            DeadlineExceeded: The moment came first; the engine was told to stop.
            DependencyFailed: A remote server did not answer as agreed.
            ChildDied: The engine's process died under the request.
            WorkFailed: The engine broke.
        """
        ...

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> Completion:
        """The same without the pieces in between. Cancelling the call stops the engine. Raises what `stream` raises."""
        async with aclosing(self.stream(messages, params, deadline, scope)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    return event
        raise WorkFailed("The engine ended without an answer.")
