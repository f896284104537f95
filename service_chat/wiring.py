"""Builds the chat service from its settings: reads them once and hands each room its own part.

`Runtime` is the whole house as one context: entered, the socket may answer while the model loads behind it; left, all
that was opened is closed again: not ready → no admission → drained within the grace → engines, records.
"""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import assert_never

from typing_extensions import override

from service_chat import events
from service_chat.access_control import build_access, build_limits
from service_chat.engines.gguf.messages import EngineConfig
from service_chat.engines.protocol import Engine, EngineStatus, SamplingParams
from service_chat.keeping import Keeping
from service_chat.metrics import ChatMetrics
from service_chat.model_file import model_file
from service_chat.record_stores import open_records
from service_chat.records.examples import Example, examples_in
from service_chat.records.ports import PatientRecord, RecordStore
from service_chat.routers.admin_model import Swaps
from service_chat.safety.values import Acuity
from service_chat.services.chat_completions import ChatCompletions
from service_chat.services.chat_lane import ChatLane
from service_chat.services.fitting import least_context
from service_chat.services.guard import Guard
from service_chat.services.jobs import JobPolicy, Jobs
from service_chat.services.prompts import ANSWER_SYSTEM
from service_chat.services.readiness import RESTARTING, Liveness, follow_engine
from service_chat.services.triage import Triage
from service_chat.settings import ChatSettings, LlmMode
from serving.clock import Clock, SystemClock
from serving.drain import Drain
from serving.errors import NotReady
from serving.lifecycle import Lifecycle, State
from serving.loop_lag import LoopLag
from serving.readings import Reading
from serving.resources import ResourceLog
from serving.settings import SettingsError
from serving.version import VERSION

#: Reason of a degraded readiness.
MODEL_DISABLED = "model_disabled"


class Runtime:
    def __init__(self, settings: ChatSettings, engines: Mapping[str, Engine] | None = None) -> None:
        """`engines` replaces those that the settings ask for; tests bring fakes."""
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.default_mode: str = settings.llm_mode
        self.lifecycle = Lifecycle()
        self.metrics = ChatMetrics()
        self.metrics.disks.watch(settings.folders)
        self.lag = LoopLag(self.clock)
        modes = () if settings.model_disabled else settings.modes
        self._engines = engines or {mode: make_engine(mode, settings, self.clock) for mode in modes}
        self.lanes: Mapping[str, ChatLane] = {
            mode: ChatLane(mode, engine, settings.triage_queue_maxsize, engine.load().slots, self.clock, self.metrics)
            for mode, engine in self._engines.items()
        }
        queues = [lane.queue for lane in self.lanes.values()]
        self.drain = Drain(queues, self.lifecycle, settings.uvicorn_timeout_graceful_shutdown)
        self._records = _RecordsOfTheHouse()
        #: Made-up patients that may be named to anybody; none before the records are open, or where they are real.
        self.examples: tuple[Example, ...] = ()
        self.keeping = Keeping(settings, self.clock, self.metrics)
        self.access, self.limits = build_access(settings, self.clock), build_limits(settings, self.clock)
        self.chats = ChatCompletions(
            self.lanes, self.default_mode, self.lifecycle, _sampling(settings), self.keeping.chats()
        )
        self.guard = Guard.load(settings.region, Acuity[settings.model_acuity_up_to.upper()])
        self.triage = Triage(
            *(self.lanes, self._records, self.lifecycle, _sampling(settings), self.default_mode),
            *(self.guard, self.clock, self.limits),
        )
        kept = JobPolicy(settings.triage_grace_seconds, settings.triage_keep_seconds, settings.triage_keep_jobs)
        self.recording = self.keeping.recording(self.triage.steps)
        self.jobs = Jobs(self.recording.steps, kept, self.clock, self.metrics)
        self._stack = AsyncExitStack()
        self._liveness = Liveness(self.clock)
        self._begun = 0.0
        self._seen: EngineStatus | None = None
        self.metrics.watch(
            lambda: [lane.statistics() for lane in self.lanes.values()],
            lambda: [engine.load() for engine in self._engines.values()],
            self._restarts,
            self._model_ready,
        )
        self.metrics.watch_process(self.lag, self.lifecycle, (MODEL_DISABLED, RESTARTING))
        self.metrics.about("chat", VERSION, settings.build_revision)
        self.metrics.read(
            Reading(
                "triage_deadline_seconds",
                "Longest a question may take: TRIAGE_DEADLINE_SECONDS, for rules that say what is near it.",
                lambda: settings.triage_deadline_seconds,
            ),
            Reading(
                "triage_jobs_running",
                "Questions without an answer yet, those included that nobody waits for during their grace.",
                lambda: self.jobs.statistics().running,
            ),
            Reading(
                "triage_jobs_kept", "Finished ones that can still be fetched.", lambda: self.jobs.statistics().kept
            ),
        )

    def engine_status(self) -> EngineStatus | None:
        """Of the configured engine; None when the model is switched off."""
        engine = self._engines.get(self.default_mode)
        return engine.status() if engine is not None else None

    def alive(self) -> bool:
        """Whether the configured engine may still come back by itself; also where there is none."""
        status = self.engine_status()
        return status is None or self._liveness.holds(status)

    @property
    def swaps(self) -> Swaps | None:
        """The local engine, if there is one whose model can be swapped."""
        engine = self._engines.get("gguf")
        return engine if isinstance(engine, Swaps) else None

    async def __aenter__(self) -> "Runtime":
        self._begun = time.monotonic()
        self._stack.callback(self.metrics.close)
        if self.settings.enable_resource_logs:
            log = ResourceLog(self.metrics.resources, self.clock, self.settings.resource_log_seconds)
            await self._stack.enter_async_context(log)
        await self._stack.enter_async_context(self.lag)
        await self._stack.enter_async_context(self.access)
        await self._stack.enter_async_context(self.keeping)  # before all that may be asked, closed after it
        self._records.opened = await open_records(self.settings, self.clock)
        self._stack.push_async_callback(self._records.aclose)
        if self.settings.records_source == "sqlite":
            self.examples = await examples_in(self._records)
        for mode, engine in self._engines.items():
            self._stack.push_async_callback(engine.aclose)
            if mode == self.default_mode:
                engine.watch(self._follow)
            await engine.start()
        if not self._engines:
            self.lifecycle.degrade(MODEL_DISABLED)
            self.lifecycle.to(State.READY)
        for lane in self.lanes.values():
            await self._stack.enter_async_context(lane)
        await self._stack.enter_async_context(self.jobs)
        self._stack.push_async_callback(self.drain.done)
        self.drain.watch()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.lifecycle.to(State.STOPPED)

    def _follow(self, status: EngineStatus) -> None:
        follow_engine(status, self.lifecycle)
        self._liveness.holds(status)
        before, self._seen = self._seen, status
        changed = before is None or before.state is not status.state
        swapped = before is not None and status.ready and before.model != status.model
        if not changed and not swapped:
            return
        if before is None or (before.ready and changed):
            self._begun = time.monotonic()
        if changed:
            events.engine_state_changed(
                llm_mode=self.default_mode, state=status.state.value, reason=status.reason, failures=status.failures
            )
        if status.ready and status.model is not None:
            model, took = status.model, time.monotonic() - self._begun
            if changed:  # a model that was swapped has loaded beside the other, for nobody to wait
                self.metrics.load_s = took
            self.metrics.model.clear()
            self.metrics.model.labels(model.name, self.default_mode).set(1)
            events.engine_ready(
                llm_mode=self.default_mode,
                model=model.name,
                sha256=model.sha256,
                n_ctx=model.n_ctx,
                n_threads=model.n_threads,
                threads_from=model.threads_from,
                spin=model.spin,
                system_info=model.system_info,
                load_ms=round(took * 1000) if changed else None,
                slots=self._engines[self.default_mode].load().slots,
            )

    def _model_ready(self) -> bool:
        status = self.engine_status()
        return status is not None and status.ready

    def _restarts(self) -> int:
        return sum(max(0, engine.status().starts - 1) for engine in self._engines.values())


class _RecordsOfTheHouse(RecordStore):
    """The store as the use case knows it from the start; it opens with the house, because opening takes a thread."""

    def __init__(self) -> None:
        self.opened: RecordStore | None = None

    @override
    async def patient(self, mrn: str) -> PatientRecord:
        if self.opened is None:
            raise NotReady("The records are not open yet.", retry_after_s=1)
        return await self.opened.patient(mrn)

    @override
    async def aclose(self) -> None:
        if self.opened is not None:
            await self.opened.aclose()


def make_engine(mode: LlmMode, settings: ChatSettings, clock: Clock) -> Engine:
    """The adapter for a mode. Each is imported only when it is asked for.

    Raises:
        SettingsError: The model reference, or the remote address, means nothing, or no question fits into the context.
    """
    try:
        return _engine(mode, settings, clock)
    except ValueError as error:
        raise SettingsError(f"LLM_MODE={mode}: {error}") from None


def _engine(mode: LlmMode, settings: ChatSettings, clock: Clock) -> Engine:
    match mode:
        case "gguf":
            from service_chat.engines.gguf.process import GgufEngine
            from service_chat.engines.gguf.swap import SwappableEngine, SwapPolicy

            policy = SwapPolicy(drain_s=settings.triage_deadline_seconds)
            return SwappableEngine(_engine_config(settings), lambda config: GgufEngine(config, clock), policy)
        case "remote":
            from service_chat.engines.remote import RemoteConfig, RemoteEngine

            remote = RemoteConfig(settings.remote_base_url, settings.remote_model, settings.remote_api_key)
            return RemoteEngine(remote, clock)
        case "mock":
            from service_chat.engines.mock import MockEngine

            return MockEngine(clock)
        case _:
            assert_never(mode)


def _engine_config(settings: ChatSettings) -> EngineConfig:
    answer, least = settings.gguf_max_tokens, least_context(settings.gguf_max_tokens)
    if settings.gguf_n_ctx < least:
        raise ValueError(
            f"GGUF_N_CTX={settings.gguf_n_ctx} holds no question beside the instructions and an answer of "
            f"GGUF_MAX_TOKENS={answer}: it must be at least {least}"
        )
    return EngineConfig(
        model=model_file(settings),
        cache_dir=settings.model_cache_dir,
        n_ctx=settings.gguf_n_ctx,
        n_threads=settings.gguf_n_threads or None,
        hub_endpoint=settings.hf_endpoint or None,
        hub_token=settings.hf_token or None,
        offline=settings.hf_hub_offline,
        slots=settings.gguf_slots,
        prefixes=settings.gguf_prefixes,
        kv_cells=settings.gguf_kv_cells,
        prefill_chunk=settings.gguf_prefill_chunk,
        prefill_chunk_quiet=settings.gguf_prefill_chunk_quiet,
        draft=settings.gguf_draft,
        system_text=ANSWER_SYSTEM,
    )


def _sampling(settings: ChatSettings) -> SamplingParams:
    return SamplingParams(
        max_tokens=settings.gguf_max_tokens, temperature=settings.llm_temperature, seed=settings.llm_seed
    )
