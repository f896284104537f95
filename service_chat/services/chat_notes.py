"""What is told of a chat on its way: log events that an operator can follow, and metrics. No text of anybody.

One for each chat, kept by `chat_lane` in the caller's task, so that every line carries the request's trace. Both doors
go through the lane, so their chats are counted alike.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from service_chat import events
from service_chat.engines.protocol import Completion, Delta, Prefill, StreamEvent
from service_chat.metrics import ChatMetrics
from service_chat.services.chat_spans import ChatSpans
from serving.clock import Clock
from serving.errors import CallerGone, DeadlineExceeded, Draining, QueueFull, SluiceError
from serving.tracing import Trace

#: How often the log hears of an answer that is being written, in seconds.
_SPEED_EVERY_S = 5.0


class ChatNotes:
    def __init__(self, mode: str, metrics: ChatMetrics, clock: Clock) -> None:
        self._mode, self._metrics, self._clock = mode, metrics, clock
        self._admitted_at = self._taken_at = self._told_at = self._text_at = clock.monotonic()
        self._stage: str | None = None  #: queued, prefill or decode; None before admission
        self._read: Prefill | None = None
        self._tokens = self._told_tokens = 0
        self._over = False
        self._spans = ChatSpans(mode, self._admitted_at)

    @property
    def trace(self) -> Trace | None:
        """The chat's part of its request's trace, where there is one."""
        return self._spans.trace

    @contextmanager
    def outcome(self) -> Iterator[None]:
        """Counts a chat that ends without its Completion. What comes after that one is nobody's failure."""
        try:
            yield
        except SluiceError as error:
            if not self._over:
                self._ended(error)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            if not self._over:
                self._ended(CallerGone())
            raise

    def admitted(self, depth: int, prompt_tokens: int, eta_s: float | None) -> None:
        self._stage = "queued"
        eta = round(eta_s, 1) if eta_s is not None else None
        events.chat_admitted(llm_mode=self._mode, depth=depth, prompt_tokens=prompt_tokens, eta_s=eta)

    def taken(self, at: float) -> None:
        """It has a slot."""
        self._stage, self._taken_at = "prefill", at
        self._spans.taken = at
        self._metrics.queue_wait.observe(at - self._admitted_at)
        events.chat_started(llm_mode=self._mode, queue_ms=_ms(at - self._admitted_at))

    def take(self, at: float, event: StreamEvent) -> None:
        """The engine said so at that time; whoever reads the stream may be slower."""
        match event:
            case Prefill():
                self._read = event
            case Delta():
                self._write(at, event)
            case Completion():
                self._done(at, event)

    def _write(self, at: float, event: Delta) -> None:
        if self._stage != "decode":
            self._stage, self._told_at, self._told_tokens = "decode", at, event.tokens
            self._spans.first_words = at
            self._metrics.first_token.observe(at - self._admitted_at)
            read = self._read or Prefill(0, 0)
            events.chat_first_token(
                llm_mode=self._mode,
                prompt_tokens=read.total,
                cached_tokens=read.cached,
                prefill_ms=_ms(at - self._taken_at),
                ttft_ms=_ms(at - self._admitted_at),
            )
        else:
            self._metrics.inter_token.observe(at - self._text_at)
            if at - self._told_at >= _SPEED_EVERY_S:
                rate = (event.tokens - self._told_tokens) / (at - self._told_at)
                events.chat_writing(llm_mode=self._mode, tokens=event.tokens, tokens_per_s=round(rate, 1))
                self._told_at, self._told_tokens = at, event.tokens
        self._text_at, self._tokens = at, event.tokens

    def _done(self, at: float, done: Completion) -> None:
        metrics, timings, self._over = self._metrics, done.timings, True
        self._spans.tell(at, done)
        metrics.chats.labels(self._mode, done.finish_reason.value).inc()
        metrics.duration.observe(at - self._admitted_at)
        self._count_tokens(
            prompt=done.prompt_tokens,
            cached=done.cached_tokens,
            generated=done.completion_tokens,
            drafted=done.drafted_tokens,
            accepted=done.accepted_tokens,
        )
        rate = done.completion_tokens * 1000 / timings.decode_ms if timings.decode_ms > 0 else 0.0
        events.chat_done(
            llm_mode=self._mode,
            finish_reason=done.finish_reason.value,
            prompt_tokens=done.prompt_tokens,
            cached_tokens=done.cached_tokens,
            completion_tokens=done.completion_tokens,
            prefill_ms=round(timings.prefill_ms, 1),
            decode_ms=round(timings.decode_ms, 1),
            tokens_per_s=round(rate, 1),
        )

    def _count_tokens(self, **tokens: int) -> None:
        for kind, number in tokens.items():
            self._metrics.tokens.labels(kind).inc(number)

    def _ended(self, error: SluiceError) -> None:
        gone = isinstance(error, CallerGone)
        self._spans.tell(self._clock.monotonic(), error=error.code)
        if self._read is not None:  # the engine has worked on it, whoever waits for that or not
            read = self._read.total if self._stage == "decode" else self._read.done
            self._count_tokens(prompt=read, cached=self._read.cached, generated=self._tokens)
        self._metrics.chats.labels(self._mode, "abandoned" if gone else error.code).inc()
        if isinstance(error, DeadlineExceeded) and self._stage is not None:
            self._metrics.cancelled.labels(self._stage).inc()
            events.chat_cancelled(llm_mode=self._mode, stage=self._stage, code=error.code, tokens=self._tokens)
        elif isinstance(error, QueueFull | Draining) and self._stage is None:
            reason, after_s = str(error.details.get("reason", error.code)), error.details.get("retry_after_s")
            self._metrics.rejected.labels(reason).inc()
            events.chat_rejected(llm_mode=self._mode, reason=reason, retry_after_s=after_s)
        else:
            events.chat_failed(llm_mode=self._mode, stage=self._stage, code=error.code)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
