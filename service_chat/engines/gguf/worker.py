"""The engine's process: gets the model, loads it, then answers one request after the other.

Started by `process` through `serving.child`; `serve` is the entry. The order matters: threads and waiting policy stand
in the environment before this process exists, the file is fetched before llama.cpp is imported, and the first decode
is made before the parent hears `Ready`. Between two steps the pipe is read, so a cancel waits for one step at most.
"""

import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from service_chat.engines.gguf.messages import (
    Cancel,
    Count,
    Counted,
    EngineConfig,
    LoadFailed,
    Loading,
    Outcome,
    Ready,
    Stepped,
    Submit,
)
from service_chat.engines.gguf.threads import spin_in_words, thread_plan
from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    EngineLoad,
    FinishReason,
    ModelInfo,
    Prefill,
    SamplingParams,
    StreamEvent,
    Timings,
)
from service_chat.models.store import ModelStore
from serving.child import Channel
from serving.errors import SluiceError, WorkFailed

#: Text that comes faster than this is sent together: a tiny model writes thousands of tokens a second, and a message
#: for each would keep the parent's loop busy with nothing else.
_SEND_EVERY_S = 0.005
_REPORT_EVERY_S = 0.2
_WARM_UP = (ChatMessage("user", "Hello"),)

Steps = Generator[StreamEvent | None, None, None]


def serve(channel: Channel, config: EngineConfig) -> None:
    """The process's whole life."""
    _step_back(config.nice)
    try:
        engine = _Engine(config, LoadReporter(channel))
    except SluiceError as error:
        channel.send(LoadFailed(error.message))
        sys.exit(1)
    channel.send(Ready(engine.info, EngineLoad()))
    while True:
        message = channel.receive()
        if isinstance(message, Submit):
            _answer(channel, engine, message)
        elif isinstance(message, Count):
            _tell(channel, message.request_id, engine.count(message), busy=0)


class _Engine:
    """The loaded and warmed model."""

    def __init__(self, config: EngineConfig, reporter: "LoadReporter") -> None:
        """Fetches, loads, warms up. Raises DependencyFailed when one of these can not be done."""
        found = ModelStore(config.cache_dir, config.hub_endpoint, config.hub_token).fetch(config.model, reporter)
        plan = thread_plan(config.n_threads)
        # Here and not above: the parent imports this module for the entry's name, and llama.cpp takes a while.
        from service_chat.engines.gguf.context import LlamaContext
        from service_chat.engines.gguf.generation import generate

        def loaded(fraction: float) -> None:
            reporter("loading", round(fraction * 1000), 1000)

        self._context = LlamaContext(found.path, config.n_ctx, plan.count, loaded)
        self._generate = generate
        for _ in self.generate(_WARM_UP, SamplingParams(max_tokens=2)):
            reporter("warming", 0, None)
        self.info = ModelInfo(
            found.path.name,
            found.sha256,
            self._context.n_ctx,
            plan.count,
            plan.reason,
            self._context.system_info(),
            spin_in_words(os.environ),
        )

    def generate(self, messages: Sequence[ChatMessage], params: SamplingParams) -> Steps:
        return self._generate(self._context, messages, params)

    def count(self, asked: Count) -> Outcome:
        try:
            return Counted(len(self._context.prompt(asked.messages)))
        except SluiceError as error:
            return error
        except Exception as error:  # as in `_answer`
            return WorkFailed(reason=type(error).__name__)


def _answer(channel: Channel, engine: _Engine, request: Submit) -> None:
    progress = _Progress(channel, request.request_id)
    try:
        with closing(engine.generate(request.messages, request.params)) as steps:
            for event in steps:
                progress.take(event)
                if isinstance(event, Completion):
                    return  # before the pipe is read again: the next request may be in it already
                message = channel.receive(timeout_s=0)
                if isinstance(message, Count):
                    _tell(channel, message.request_id, engine.count(message), busy=1)
                if isinstance(message, Cancel) and message.request_id == request.request_id:
                    progress.cancelled()
                    return
    except SluiceError as error:
        _tell(channel, request.request_id, error, busy=0)
    except Exception as error:  # the process lives on: a defect in one request is no reason to load the model again
        # The words of the error stay here: they may quote the prompt.
        _tell(channel, request.request_id, WorkFailed(reason=type(error).__name__), busy=0)


def _tell(channel: Channel, request_id: int, outcome: Outcome, busy: int) -> None:
    channel.send(Stepped(((request_id, outcome),), EngineLoad(busy=busy)))


class _Progress:
    """Sends what comes of a request, small pieces of text put together."""

    def __init__(self, channel: Channel, request_id: int) -> None:
        self._channel, self._id = channel, request_id
        self._text, self._tokens, self._prompt_tokens = "", 0, 0
        self._all: list[str] = []
        self._next_at = 0.0

    def take(self, event: StreamEvent | None) -> None:
        match event:
            case Prefill():
                self._prompt_tokens = event.total
                self._send(event)
            case Delta():
                self._text += event.text
                self._tokens = event.tokens
                if time.monotonic() >= self._next_at:
                    self._flush()
            case Completion():
                self._flush()
                self._send(event)
            case None:
                pass

    def cancelled(self) -> None:
        self._flush()
        said = "".join(self._all)
        timings = Timings(0.0, 0.0, 0.0)
        completion = Completion(said, FinishReason.CANCELLED, self._prompt_tokens, self._tokens, timings)
        self._send(completion)

    def _flush(self) -> None:
        if self._text:
            self._send(Delta(self._text, self._tokens))
            self._all.append(self._text)
            self._text = ""
            self._next_at = time.monotonic() + _SEND_EVERY_S

    def _send(self, event: StreamEvent) -> None:
        _tell(self._channel, self._id, event, busy=int(not isinstance(event, Completion)))


class LoadReporter:
    """Turns bytes and fractions into Loading messages, a few a second, each with the time that is left.

    Every call is also a sign of life: a slow download must not look like a process that hangs.
    """

    def __init__(self, channel: Channel, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._channel, self._monotonic = channel, monotonic
        self._phase = ""
        self._begun_at, self._begun_with, self._sent_at = 0.0, 0, 0.0

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        self._channel.beat()
        now = self._monotonic()
        if phase != self._phase:
            self._phase, self._begun_at, self._begun_with = phase, now, done
        elif now - self._sent_at < _REPORT_EVERY_S and done != total:
            return
        self._sent_at = now
        percent = round(100 * done / total, 1) if total else None
        self._channel.send(Loading(phase, percent, self._eta(now, done, total)))

    def _eta(self, now: float, done: int, total: int | None) -> float | None:
        # From where this phase began: a resumed download must not count what was there before.
        gained, took = done - self._begun_with, now - self._begun_at
        if total is None or gained <= 0 or took <= 0:
            return None
        return round((total - done) * took / gained, 1)


def _step_back(nice: int) -> None:
    """Lets the event loop's process go first, and the kernel take this one first when memory runs out."""
    with suppress(OSError):
        os.nice(nice)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
