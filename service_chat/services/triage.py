"""The triage use case: the record, a place in the engine's lane, the text, the answer.

Called by `routers.triage`, which renders the steps as one JSON body or as a stream of events. A request that the engine
can not serve in time, or at all, is answered from the record and marked degraded; only a full lane, a model that is
still loading and the caller's own mistakes are errors.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from service_chat import events
from service_chat.engines.protocol import (
    Completion,
    Delta,
    Engine,
    EngineState,
    Prefill,
    SamplingParams,
)
from service_chat.errors import ModeNotAllowed, PatientNotFound
from service_chat.metrics import ChatMetrics
from service_chat.records.ports import PatientRecord, RecordStore
from service_chat.services.prompts import triage_messages
from service_chat.services.readiness import given_up
from service_chat.services.record_answer import answer_from_record
from service_chat.services.steps import Answer, Job, Question, Status, Step, Text, TriageLane
from serving.admission import Ticket
from serving.deadline import Deadline
from serving.dispatch import Dispatcher
from serving.errors import CallerGone, DeadlineExceeded, Draining, NotFound, NotReady, SluiceError, WorkFailed
from serving.lifecycle import Lifecycle
from serving.tracing import span

#: How often a stream says that it is still alive, in seconds: proxies cut silent connections after 60.
STATUS_EVERY_S = 5.0


class Triage:
    """`engines` holds the modes a request may name; the first is the configured one, empty when the model is off."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        records: RecordStore,
        lane: TriageLane,
        lifecycle: Lifecycle,
        metrics: ChatMetrics,
        params: SamplingParams,
        default_mode: str,
    ) -> None:
        self._engines, self._records, self._lane = engines, records, lane
        self._lifecycle, self._metrics, self._params = lifecycle, metrics, params
        self._default_mode = default_mode

    def dispatcher(self) -> Dispatcher[Job, Completion]:
        """Open it as a context for as long as questions are to be answered. The engine works on one at a time."""
        return Dispatcher(self._lane, self._run)

    async def answer(self, question: Question, deadline: Deadline) -> Answer:
        """The whole answer at once. Raises what `steps` raises."""
        async with aclosing(self.steps(question, deadline)) as steps:
            told = [step async for step in steps]  # to its end: a request's last lines are written after its answer
        last = told[-1]
        assert isinstance(last, Answer)
        return last

    async def steps(self, question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        """What happens, in order; an Answer is the last. Closing it early gives up the place and stops the engine.

        Raises:
            PatientNotFound: There is no such record.
            ModeNotAllowed: The question names an engine that is not offered.
            DependencyFailed: The records, or a remote engine, did not answer as agreed.
            QueueFull: The lane is full.
            NotReady: The model is still loading.
            DeadlineExceeded: Even the record did not come in time.
            Draining: The process is going down.
            ChildDied: The engine went away in the middle of the answer.
        """
        events.request_received()
        try:
            if self._lifecycle.closing:
                raise Draining(retry_after_s=1)
            mode = self._mode(question.llm_mode)
            record = await deadline.bound(self._record(question.patient_mrn))
            last: Step | None = None
            async with aclosing(self._ask(mode, record, question.query, deadline)) as steps:
                async for last in steps:
                    yield last
        except SluiceError as error:
            events.error(error_type=_old_error_type(error), code=error.code)
            self._metrics.requests.labels(error.code).inc()
            raise
        except (GeneratorExit, asyncio.CancelledError):
            events.request_abandoned()
            self._metrics.requests.labels("abandoned").inc()
            raise
        degraded = last.degraded if isinstance(last, Answer) else ()
        self._metrics.requests.labels("degraded" if degraded else "answered").inc()
        events.request_completed(degraded=list(degraded))

    def _mode(self, named: str | None) -> str:
        mode = named or self._default_mode
        if named and mode not in (self._default_mode, *self._engines):
            allowed = sorted({self._default_mode, *self._engines})
            raise ModeNotAllowed(f"llm_mode must be one of: {', '.join(allowed)}.", allowed=allowed)
        return mode

    async def _record(self, mrn: str) -> PatientRecord:
        with span(events.record_start, events.record_end):
            try:
                return await self._records.patient(mrn)
            except NotFound:
                raise PatientNotFound(patient_mrn=mrn) from None

    async def _ask(
        self, mode: str, record: PatientRecord, query: str, deadline: Deadline
    ) -> AsyncGenerator[Step, None]:
        begun = time.perf_counter()

        def elapsed() -> float:
            return round((time.perf_counter() - begun) * 1000, 2)

        def without_model(why: str) -> Answer:
            return Answer(answer_from_record(record), mode, None, None, elapsed(), (why,))

        engine = self._engines.get(mode)
        status = engine.status() if engine is not None else None
        if engine is None or status is None or given_up(status):
            yield without_model("model_unavailable")
            return
        if status.state is EngineState.LOADING:
            eta = status.progress.eta_s if status.progress is not None else None
            raise NotReady("The model is still loading.", retry_after_s=max(1, min(60, round(eta or 5))))
        with span(events.inference_start, events.inference_end, llm_mode=mode, depth=self._lane.depth) as outcome:
            job = Job(engine, record, query, self._params)
            ticket = self._lane.try_admit(job, deadline)
            try:
                async with aclosing(self._follow(ticket, elapsed)) as steps:
                    async for step in steps:
                        yield step
                done = await ticket.result()
            except DeadlineExceeded:
                yield without_model("deadline")
                return
            except NotReady:
                if not given_up(engine.status()):
                    raise
                yield without_model("model_unavailable")  # it was waited for, and will not come back
                return
            finally:
                ticket.fail(CallerGone())  # a settled ticket stays as it is
            outcome |= self._note(done)
        if not done.text.strip():
            yield without_model("model_silent")
            return
        model = engine.status().model
        yield Answer(
            text=done.text,
            llm_mode=mode,
            model=model.name if model is not None else None,
            model_sha256=model.sha256 if model is not None else None,
            inference_time_ms=elapsed(),
            completion=done,
        )

    async def _follow(
        self, ticket: Ticket[Job, Completion], elapsed: Callable[[], float]
    ) -> AsyncGenerator[Step, None]:
        """The engine's events as steps until the ticket is settled, with a sign of life where there is nothing else."""
        steps = ticket.item.steps
        ticket.when_settled(lambda: steps.put_nowait(None))
        seen = Status("queued", elapsed(), position=self._lane.position(ticket))
        yield seen
        while True:
            try:
                async with asyncio.timeout(STATUS_EVERY_S):
                    event = await steps.get()
            except TimeoutError:
                yield replace(seen, elapsed_ms=elapsed(), position=self._lane.position(ticket))
                continue
            match event:
                case Prefill(done=done, total=total):
                    seen = Status("prefill", elapsed(), prompt_done=done, prompt_total=total)
                    yield seen
                case Delta(text=text, tokens=tokens):
                    if seen.state != "generating":
                        self._metrics.first_token.observe(elapsed() / 1000)
                    seen = Status("generating", elapsed(), tokens=tokens)
                    yield Text(text)
                case None:
                    return

    async def _run(self, batch: Sequence[Ticket[Job, Completion]]) -> Sequence[Completion | SluiceError]:
        (ticket,) = batch
        job, deadline = ticket.item, ticket.deadline
        await _until_ready(job.engine, deadline)
        waited_s = deadline.clock.monotonic() - ticket.admitted_at
        self._metrics.queue_wait.observe(waited_s)
        messages = triage_messages(job.record, job.query)
        async with aclosing(job.engine.stream(messages, job.params, deadline)) as stream:
            async for event in stream:
                if isinstance(event, Completion):
                    # The engine knows nothing of the lane; to the caller both are one wait.
                    queue_ms = round(event.timings.queue_ms + waited_s * 1000, 2)
                    return [replace(event, timings=replace(event.timings, queue_ms=queue_ms))]
                job.steps.put_nowait(event)
        return [WorkFailed("The engine ended without an answer.")]

    def _note(self, done: Completion) -> dict[str, object]:
        timings = done.timings
        self._metrics.tokens.labels("prompt").inc(done.prompt_tokens)
        self._metrics.tokens.labels("generated").inc(done.completion_tokens)
        self._metrics.duration.observe((timings.queue_ms + timings.prefill_ms + timings.decode_ms) / 1000)
        return {
            "queue_ms": timings.queue_ms,
            "prefill_ms": timings.prefill_ms,
            "decode_ms": timings.decode_ms,
            "prompt_tokens": done.prompt_tokens,
            "completion_tokens": done.completion_tokens,
            "finish_reason": done.finish_reason.value,
        }


async def _until_ready(engine: Engine, deadline: Deadline) -> None:
    """A restart takes seconds: a ticket that was admitted waits for it instead of failing.

    Raises:
        DeadlineExceeded: It did not come back in time.
        NotReady: It will not come back.
    """
    while not engine.status().ready:
        if given_up(engine.status()):
            raise NotReady(retry_after_s=5)  # its reason may hold a path: that is for /ready and the log
        deadline.check()
        await asyncio.sleep(0.05)


def _old_error_type(error: SluiceError) -> str:
    """The predecessor's four words for what failed; its alerts match on them."""
    match error:
        case NotFound():
            return "patient_not_found"
        case _ if error.code == "dependency_failed":
            return "db_api_error"
        case _:
            return "llm_error"
