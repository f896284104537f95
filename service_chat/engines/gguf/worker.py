"""The engine's process: gets the model, loads it, then takes steps for as long as there is something to do.

Started by `process` through `serving.child`; `serve` is the entry. The order matters: threads and waiting policy stand
in the environment before this process exists, the file is fetched before llama.cpp is imported, and everything is warm
before the parent hears `Ready`. Messages come in on a thread of their own, because a step may take a second: between
two steps they are worked off, and a caller that leaves can end a step which is only for it.
"""

import os
import queue
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from service_chat.engines.gguf.messages import (
    Cancel,
    Count,
    EngineConfig,
    LoadFailed,
    Loading,
    Outcome,
    Ready,
    Stepped,
    Submit,
)
from service_chat.engines.gguf.threads import thread_plan
from service_chat.engines.protocol import Delta
from service_chat.models.store import ModelStore
from serving.child import Channel
from serving.errors import SluiceError

if TYPE_CHECKING:  # the parent imports this module for the entry's name, and llama.cpp takes a while
    from service_chat.engines.gguf.engine import Engine

#: What comes faster than this is sent together: a tiny model takes thousands of steps a second, and a message for each
#: would keep the parent's loop busy with nothing else.
_SEND_EVERY_S = 0.005
_REPORT_EVERY_S = 0.2
#: Idle, the parent still wants a sign of life.
_IDLE_S = 0.5
#: A container's quota may change while it runs.
_THREADS_EVERY_S = 5.0


def serve(channel: Channel, config: EngineConfig) -> None:
    """The process's whole life."""
    _step_back(config.nice)
    reporter = LoadReporter(channel)
    threads = thread_plan(config.n_threads)
    try:
        store = ModelStore(config.cache_dir, config.hub_endpoint, config.hub_token, offline=config.offline)
        found = store.fetch(config.model, reporter)
        from service_chat.engines.gguf.opening import model_info, open_engine

        engine = open_engine(found.path, config, threads, reporter)
    except SluiceError as error:
        channel.send(LoadFailed(error.message))
        sys.exit(1)
    channel.send(Ready(model_info(found.path, found.sha256, engine, threads), engine.load()))
    _Work(channel, engine, config.n_threads, threads.count).run()


class _Work:
    """Messages, steps, news, without end."""

    def __init__(self, channel: Channel, engine: "Engine", wanted_threads: int | None, threads: int) -> None:
        self._channel, self._engine = channel, engine
        self._wanted_threads, self._threads, self._threads_at = wanted_threads, threads, time.monotonic()
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._news: list[tuple[int, Outcome]] = []
        self._sent_at = 0.0

    def run(self) -> None:
        self._channel.listen(self._hear)
        while True:
            self._read()
            self._news += self._engine.step()
            self._send()
            self._channel.beat()
            self._follow_quota()

    def _hear(self, message: object) -> None:
        """On the listening thread."""
        if isinstance(message, Cancel):
            self._engine.give_up(message.request_id)
        self._inbox.put(message)

    def _read(self) -> None:
        while True:
            try:
                wait = self._engine.idle and not self._news
                message = self._inbox.get(timeout=_IDLE_S) if wait else self._inbox.get_nowait()
            except queue.Empty:
                return
            match message:
                case Submit():
                    self._engine.submit(message.request_id, message.messages, message.params, message.scope)
                case Count():
                    self._engine.count(message.request_id, message.messages)
                case Cancel():
                    self._engine.cancel(message.request_id)

    def _send(self) -> None:
        now = time.monotonic()
        if self._news and (self._engine.idle or now - self._sent_at >= _SEND_EVERY_S):
            self._channel.send(Stepped(together(self._news), self._engine.load()))
            self._news, self._sent_at = [], now

    def _follow_quota(self) -> None:
        now = time.monotonic()
        if now - self._threads_at >= _THREADS_EVERY_S:
            self._threads_at = now
            count = thread_plan(self._wanted_threads).count
            if count != self._threads:
                self._threads = count
                self._engine.use_threads(count)


def together(news: list[tuple[int, Outcome]]) -> tuple[tuple[int, Outcome], ...]:
    """Pieces of text of one request that follow each other become one."""
    merged: list[tuple[int, Outcome]] = []
    last: dict[int, int] = {}
    for request_id, outcome in news:
        at = last.get(request_id)
        if at is not None and isinstance(outcome, Delta):
            before = merged[at][1]
            if isinstance(before, Delta):
                merged[at] = (request_id, replace(outcome, text=before.text + outcome.text))
                continue
        last[request_id] = len(merged)
        merged.append((request_id, outcome))
    return tuple(merged)


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
