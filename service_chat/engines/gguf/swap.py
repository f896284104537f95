"""Another model without another process of the service: a second engine loads beside the first and takes its place.

Made by `service_chat.wiring` as the engine of the mode `gguf`; `routers.admin_model` asks for the swap. To everybody
else this is one engine. Requests that run stay where they began, the old process ends when they have. Where memory does
not hold both, the old one is emptied and closed first, and who comes meanwhile waits as in a restart.
"""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from typing_extensions import override

from service_chat.engines.gguf.memory import PER_FILE_BYTE, available_bytes
from service_chat.engines.gguf.messages import EngineConfig
from service_chat.engines.gguf.process import GgufEngine
from service_chat.engines.protocol import (
    ChatMessage,
    Engine,
    EngineLoad,
    EngineState,
    EngineStatus,
    ModelInfo,
    SamplingParams,
    StreamEvent,
)
from service_chat.errors import SwapRunning
from service_chat.events import model_swap_begun, model_swap_done, model_swap_failed
from service_chat.models.manifest import ModelFile
from service_chat.models.store import ModelStore
from serving.deadline import Deadline
from serving.errors import DependencyFailed

_LOOK_EVERY_S = 0.05
_EMPTYING = "another model is being loaded, and memory holds one at a time"


@dataclass(frozen=True, slots=True)
class SwapPolicy:
    #: How long the old process may take to finish what it has, in seconds. What is left then fails.
    drain_s: float = 600.0
    available: Callable[[], int | None] = available_bytes


class SwappableEngine(Engine):
    def __init__(
        self, config: EngineConfig, make: Callable[[EngineConfig], GgufEngine], policy: SwapPolicy | None = None
    ) -> None:
        self._make, self._policy = make, policy or SwapPolicy()
        self._watchers: list[Callable[[EngineStatus], None]] = []
        self._candidate: GgufEngine | None = None  #: loads, beside the present one or after it
        self._leaving: dict[GgufEngine, asyncio.Task[None]] = {}
        self._swap: asyncio.Task[ModelInfo] | None = None
        self._emptying = self._closed = False
        self._restarts_before = 0  #: of engines that have left
        self._current = make(config)
        self._follow(self._current)
        #: Why the last swap came to nothing; None when it did not.
        self.last_failure: str | None = None

    # --- the port -------------------------------------------------------------------------------------------------

    @override
    async def start(self) -> None:
        await self._current.start()

    @override
    async def aclose(self) -> None:
        self._closed = True
        tasks = [*self._leaving.values(), *([self._swap] if self._swap is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(engine.aclose() for engine in (*self._leaving, self._current)))

    @override
    def status(self) -> EngineStatus:
        status = self._current.status()
        status = replace(status, starts=status.starts + self._restarts_before)
        if not self._emptying or self._closed:
            return status
        progress = self._candidate.status().progress if self._candidate is not None else None
        return replace(status, state=EngineState.RESTARTING, reason=_EMPTYING, progress=progress, failures=0)

    @override
    def load(self) -> EngineLoad:
        return self._current.load()

    @override
    def watch(self, call: Callable[[EngineStatus], None]) -> None:
        self._watchers.append(call)
        call(self.status())

    @property
    def pid(self) -> int | None:
        """Of the process that gets new requests."""
        return self._current.pid

    @override
    async def count(self, messages: Sequence[ChatMessage]) -> int | None:
        return await self._current.count(messages)

    @override
    def stream(
        self,
        messages: Sequence[ChatMessage],
        params: SamplingParams,
        deadline: Deadline,
        scope: str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        return self._current.stream(messages, params, deadline, scope)

    # --- the swap -------------------------------------------------------------------------------------------------

    @property
    def candidate(self) -> EngineStatus | None:
        """Of the engine that a swap is loading; None when there is none."""
        return self._candidate.status() if self._candidate is not None else None

    async def swap(self, model: ModelFile) -> ModelInfo:
        """Puts `model` in the place of the present one. Cancelling the call does not stop the swap.

        Raises:
            SwapRunning: Another one is under way.
            DependencyFailed: The new one can not be had or loaded; the old one serves as before.
        """
        if self._swap is not None and not self._swap.done():
            raise SwapRunning(retry_after_s=5)
        # In a context of its own: the next process must not log for ever under the request that asked for it.
        task = asyncio.create_task(self._replace(model), name="swap-model", context=contextvars.Context())
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())  # the log has it
        self._swap = task
        return await asyncio.shield(task)

    async def _replace(self, model: ModelFile) -> ModelInfo:
        config = replace(self._current.config, model=model)
        beside = self._both_fit(config)
        model_swap_begun(model=model.where, beside=beside)
        try:
            loaded = await (self._load_beside(config) if beside else self._load_after(config))
        except DependencyFailed as error:
            self.last_failure = error.message
            model_swap_failed(model=model.where, reason=error.message)
            raise
        self.last_failure = None
        model_swap_done(model=loaded.name, sha256=loaded.sha256)
        return loaded

    async def _load_beside(self, config: EngineConfig) -> ModelInfo:
        old = self._current
        new, loaded = await self._loaded(config)
        self._install(new)
        self._leaving[old] = asyncio.create_task(self._see_off(old), name="drain-engine")
        return loaded

    async def _load_after(self, config: EngineConfig) -> ModelInfo:
        old, self._emptying = self._current, True
        self._tell()
        try:
            await self._drained(old)
            await old.aclose()
            new, loaded = await self._loaded(config)
        except DependencyFailed:
            try:
                again, _ = await self._loaded(old.config)
            except DependencyFailed:  # it was there a minute ago; what is wrong now may pass, so it goes on trying
                again = self._make(old.config)
                self._follow(again)
                await again.start()
            self._install(again)
            raise
        self._install(new)
        return loaded

    async def _loaded(self, config: EngineConfig) -> tuple[GgufEngine, ModelInfo]:
        """A started engine with its model. One failure is enough: an operator waits for the answer."""
        engine = self._candidate = self._make(config)
        self._follow(engine)
        try:
            await engine.start()
            while True:
                status = engine.status()
                if status.ready and status.model is not None:
                    return engine, status.model
                if status.failures:
                    raise DependencyFailed(f"The new model could not be loaded: {status.reason}.", reason="not_loaded")
                await asyncio.sleep(_LOOK_EVERY_S)
        except BaseException:  # cancelled too: nobody else knows of its process
            await engine.aclose()
            raise
        finally:
            self._candidate = None

    async def _see_off(self, engine: GgufEngine) -> None:
        await self._drained(engine)
        await engine.aclose()
        del self._leaving[engine]

    async def _drained(self, engine: GgufEngine) -> None:
        with suppress(TimeoutError):  # closing it fails what is left
            async with asyncio.timeout(self._policy.drain_s):
                while engine.load().busy:  # noqa: ASYNC110 - what is waited for is a number, there is no event to set
                    await asyncio.sleep(_LOOK_EVERY_S)

    def _install(self, engine: GgufEngine) -> None:
        self._restarts_before += max(0, self._current.status().starts - 1)
        self._current, self._emptying = engine, False
        self._tell()

    def _follow(self, engine: GgufEngine) -> None:
        def changed(_: EngineStatus) -> None:
            if engine is self._current or (self._emptying and engine is self._candidate):
                self._tell()

        engine.watch(changed)

    def _tell(self) -> None:
        status = self.status()
        for call in self._watchers:
            call(status)

    def _both_fit(self, config: EngineConfig) -> bool:
        """A model that was never fetched is thought to be as large as the present one."""
        left = self._policy.available()
        size = _size(config) or _size(self._current.config)
        return left is None or size is None or size * PER_FILE_BYTE <= left


def _size(config: EngineConfig) -> int | None:
    """Of the model's file, in bytes, where that is known without asking a network."""
    if config.model.size is not None:
        return config.model.size
    try:
        return ModelStore(config.cache_dir).cached_path(config.model).stat().st_size
    except OSError:
        return None
