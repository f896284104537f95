"""The triage use case: the record, a place in the engine's lane, the text, the answer.

Called by `jobs`, which runs it apart from any connection, keeps what happens and counts how it ended. A request that
the engine can not serve in time, or at all, is answered from the record and marked degraded; only a full lane, a model
that is still loading and the caller's own mistakes are errors.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext

from service_chat import events
from service_chat.engines.protocol import Completion, Delta, Prefill, SamplingParams
from service_chat.errors import ModeNotAllowed, PatientNotFound
from service_chat.records.ports import PatientRecord, RecordStore
from service_chat.services.chat_lane import Chat, ChatLane, Waiting
from service_chat.services.prompts import triage_messages
from service_chat.services.readiness import given_up
from service_chat.services.record_answer import answer_from_record
from service_chat.services.steps import Answer, Fallback, Question, Status, Step, Text
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, Draining, NotFound, NotReady
from serving.lifecycle import Lifecycle
from serving.tracing import span


class Triage:
    """`lanes` holds the modes a request may name; the first is the configured one, empty when the model is off."""

    def __init__(
        self,
        lanes: Mapping[str, ChatLane],
        records: RecordStore,
        lifecycle: Lifecycle,
        params: SamplingParams,
        default_mode: str,
    ) -> None:
        self._lanes, self._records = lanes, records
        self._lifecycle, self._params, self._default_mode = lifecycle, params, default_mode

    def steps(self, question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        """What happens, in order; an Answer is the last. Closing it early gives up the place and stops the engine.

        Raises, when it is called:
            ModeNotAllowed: The question names an engine that is not offered.
            QueueFull: The lane is full, also of those on their way to it, or could not answer in time.
            NotReady: The model is still loading.
            Draining: The process is going down.

        Raises, at a step, these but for the first, and:
            PatientNotFound: There is no such record.
            PromptTooLong: Record and question leave no room for an answer.
            DependencyFailed: The records, or a remote engine, did not answer as agreed.
            DeadlineExceeded: Even the record did not come in time.
            ChildDied: The engine went away in the middle of the answer.
        """
        events.request_received()
        if self._lifecycle.closing:
            raise Draining(retry_after_s=1)
        mode = self._mode(question.llm_mode)
        # A refusal must not wait for a record: under a burst it would come after everybody else's.
        return self._steps(question, mode, self._place(mode, question.query, deadline), deadline)

    def _place(self, mode: str, query: str, deadline: Deadline) -> AbstractContextManager[None]:
        lane = self._lanes.get(mode)
        if lane is None or given_up(lane.engine.status()):
            return nullcontext()  # it is answered from the record
        return lane.expect(len(query.encode(errors="replace")), self._params.max_tokens, deadline)

    async def _steps(
        self, question: Question, mode: str, place: AbstractContextManager[None], deadline: Deadline
    ) -> AsyncGenerator[Step, None]:
        with place:
            record = await deadline.bound(self._record(question.patient_mrn))
        fallback = Fallback(answer_from_record(record), mode)
        yield fallback
        async with aclosing(self._ask(fallback, record, question.query, deadline)) as steps:
            async for step in steps:
                yield step

    def _mode(self, named: str | None) -> str:
        mode = named or self._default_mode
        if named and mode not in (self._default_mode, *self._lanes):
            allowed = sorted({self._default_mode, *self._lanes})
            raise ModeNotAllowed(f"llm_mode must be one of: {', '.join(allowed)}.", allowed=allowed)
        return mode

    async def _record(self, mrn: str) -> PatientRecord:
        with span(events.record_start, events.record_end):
            try:
                return await self._records.patient(mrn)
            except NotFound:
                raise PatientNotFound() from None  # not by its number: problems are logged and passed on

    async def _ask(
        self, fallback: Fallback, record: PatientRecord, query: str, deadline: Deadline
    ) -> AsyncGenerator[Step, None]:
        elapsed, mode = _stopwatch(), fallback.llm_mode

        def without_model(why: str) -> Answer:
            return Answer(fallback.text, mode, None, None, elapsed(), (why,))

        lane = self._lanes.get(mode)
        if lane is None or given_up(lane.engine.status()):
            yield without_model("model_unavailable")
            return
        # The scope is the record number as it is: it keeps one patient's cached prompt from another's, and goes no
        # further than our own engine's process.
        chat = Chat(triage_messages(record, query), self._params, scope=f"patient:{record.mrn}")
        done: Completion | None = None
        depth = lane.statistics().depth
        with span(events.inference_start, events.inference_end, llm_mode=mode, depth=depth) as outcome:
            try:
                async with aclosing(_follow(lane, chat, deadline)) as steps:
                    async for step in steps:
                        if isinstance(step, Completion):
                            done = step
                        else:
                            yield step
            except DeadlineExceeded:
                yield without_model("deadline")
                return
            except NotReady:
                if not given_up(lane.engine.status()):
                    raise
                yield without_model("model_unavailable")  # it was waited for, and will not come back
                return
            assert done is not None  # the lane ends with it, or raises
            outcome |= _told_of(done)
        if not done.text.strip():
            yield without_model("model_silent")
            return
        model = lane.engine.status().model
        yield Answer(
            text=done.text,
            llm_mode=mode,
            model=model.name if model is not None else None,
            model_sha256=model.sha256 if model is not None else None,
            inference_time_ms=elapsed(),
            completion=done,
        )


async def _follow(lane: ChatLane, chat: Chat, deadline: Deadline) -> AsyncGenerator[Status | Text | Completion, None]:
    """The lane's events as steps. That the text begins is a step of its own."""
    writing = False
    async with aclosing(lane.stream(chat, deadline)) as stream:
        async for event in stream:
            match event:
                case Waiting(position=position, eta_s=eta_s):
                    yield Status("queued", position=position, eta_s=eta_s)
                case Prefill(done=done, total=total, cached=cached):
                    yield Status("prefill", done=done, total=total, cached=cached)
                case Delta(text=text, tokens=tokens):
                    if not writing:
                        writing = True
                        yield Status("generating", tokens=tokens)
                    yield Text(text, tokens)
                case Completion():
                    yield event


def _stopwatch() -> Callable[[], float]:
    """Milliseconds since now, whenever it is asked."""
    begun = time.perf_counter()
    return lambda: round((time.perf_counter() - begun) * 1000, 2)


def _told_of(done: Completion) -> dict[str, object]:
    """What the log says of it."""
    return {
        "queue_ms": done.timings.queue_ms,
        "prefill_ms": done.timings.prefill_ms,
        "decode_ms": done.timings.decode_ms,
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "finish_reason": done.finish_reason.value,
    }
