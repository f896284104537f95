"""The triage use case: the rules first, then the record, then a place in the engine's lane, the text, the answer.

Called by `jobs`, which runs it apart from any connection, keeps what happens and counts how it ended. What the rules
hold to be an emergency is answered at once, in fixed words: while the model loads, the lane is full, the records are
away or the process goes down. Everything else waits for the record, and for a model where there is one (`consulting`);
what it can not answer in time, or at all, is answered from the record and marked degraded. Every refusal says what the
rules found.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext

from service_chat import events
from service_chat.engines.protocol import SamplingParams
from service_chat.errors import ModeNotAllowed, PatientNotFound
from service_chat.records.ports import PatientRecord, RecordStore
from service_chat.safety.assess import Heard
from service_chat.safety.values import Floor
from service_chat.services.chat_lane import ChatLane
from service_chat.services.consulting import Consulting, Matter
from service_chat.services.context import context_of
from service_chat.services.fitting import Budget, fit, spans_of
from service_chat.services.guard import Guard, needs_no_model
from service_chat.services.limits import Limits, NoLimits
from service_chat.services.readiness import given_up
from service_chat.services.steps import Answer, Assessed, Fallback, Question, Shown, Step
from service_chat.spans import FLOOR, RECORD
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import Draining, NotFound, SluiceError
from serving.events import unexpected_error
from serving.lifecycle import Lifecycle
from serving.logging import where
from serving.tracing import span

#: A question that will be refused is looked at with its record first, where some record could make an emergency of it
#: and this one comes within so many seconds: fever alone may wait, and fever under chemotherapy may not.
_LAST_LOOK_S = 0.05


class Triage:
    """`lanes` holds the modes a request may name; the first is the configured one, empty when the model is off."""

    def __init__(
        self,
        lanes: Mapping[str, ChatLane],
        records: RecordStore,
        lifecycle: Lifecycle,
        params: SamplingParams,
        default_mode: str,
        guard: Guard,
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        self._lanes, self._records = lanes, records
        self._limits = limits or NoLimits()
        self._lifecycle, self._params, self._default_mode = lifecycle, params, default_mode
        self._guard, self._clock = guard, clock
        self._consulting = Consulting(lanes, params, guard)
        self._turn = asyncio.Lock()

    def steps(self, question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        """What happens, in order; an Answer is the last. Closing it early gives up the place and stops the engine.

        Raises, when it is called, with the members of `Guard.told` where a rule fired:
            ModeNotAllowed: The question names an engine that is not offered.

        Raises, when it is called, or at a step where a record could make an emergency of it:
            RateLimited: The caller, or its address, asks too often. No emergency is counted.
            QueueFull: The lane is full, also of those on their way to it, or could not answer in time.
            Draining: The process is going down.

        Raises, at a step, with the same members:
            NotReady: The model is still loading.
            PatientNotFound: There is no such record.
            PromptTooLong: Record and question leave no room for an answer.
            DependencyFailed: The records, or a remote engine, did not answer as agreed.
            DeadlineExceeded: Even the record did not come in time.
            ChildDied: The engine went away in the middle of the answer.
        """
        events.request_received()
        with FLOOR():
            heard = self._guard.hear(question.query)
            floor = self._guard.of_text(heard)
        try:
            mode = self._mode(question.llm_mode)
        except ModeNotAllowed as error:
            raise error.with_details(**self._guard.told(floor)) from None
        place: AbstractContextManager[None] = nullcontext()
        refusal: SluiceError | None = None
        if not needs_no_model(floor):
            # Here and now: a refusal that waited for its turn would come after everybody else's under a burst.
            try:
                self._limits.take(question.caller, question.address)
                place = self._place(mode, question.query, deadline)
            except SluiceError as refused:
                if not self._guard.record_matters(heard):
                    raise refused.with_details(**self._guard.told(floor)) from None
                refusal = refused
        return self._steps(question, mode, heard, floor, place, refusal, deadline)

    def _mode(self, named: str | None) -> str:
        mode = named or self._default_mode
        if named and mode not in (self._default_mode, *self._lanes):
            allowed = sorted({self._default_mode, *self._lanes})
            raise ModeNotAllowed(f"llm_mode must be one of: {', '.join(allowed)}.", allowed=allowed)
        return mode

    def _place(self, mode: str, query: str, deadline: Deadline) -> AbstractContextManager[None]:
        if self._lifecycle.closing:
            raise Draining(retry_after_s=1)
        lane = self._lanes.get(mode)
        if lane is None or given_up(lane.engine.status()):
            return nullcontext()  # it is answered from the record
        return lane.expect(len(query.encode(errors="replace")), self._params.max_tokens, deadline)

    async def _steps(
        self,
        question: Question,
        mode: str,
        heard: Heard,
        floor: Floor,
        place: AbstractContextManager[None],
        refusal: SluiceError | None,
        deadline: Deadline,
    ) -> AsyncGenerator[Step, None]:
        begun = self._clock.monotonic()

        def at_once(held: Floor) -> Answer:
            """From the rules, in fixed words."""
            took_ms = round((self._clock.monotonic() - begun) * 1000, 2)
            return Answer(self._guard.answer(held), mode, None, None, took_ms)

        try:
            yield self._assessed(floor)
            if needs_no_model(floor):
                yield at_once(floor)
                return
            if refusal is not None:
                floor = await self._last_look(question, heard, floor)
                if not needs_no_model(floor):
                    raise refusal
                yield self._assessed(floor)
                yield at_once(floor)
                return
            with place:
                record = await deadline.bound(self._record(question.patient_mrn))
            with FLOOR():
                known, floor = floor, self._guard.of_record(heard, record)
            if floor.acuity > known.acuity or floor.flags != known.flags:
                yield self._assessed(floor)
            if needs_no_model(floor):
                yield at_once(floor)
                return
            # One at a time, and whatever else is ready between two: who will be refused hears it before those who may
            # stay are prepared for the model, which takes milliseconds each and waits for its turn there anyway.
            async with self._turn:
                await asyncio.sleep(0)
                matter = self._matter(question, mode, floor, record)
            yield Fallback(self._guard.answer(floor, matter.context), mode, matter.shown)
            async with aclosing(self._consulting.steps(matter, deadline)) as steps:
                async for step in steps:
                    yield step
        except SluiceError as error:
            raise error.with_details(**self._guard.told(floor)) from error.__cause__
        except Exception as defect:  # of ours: whoever hears of it hears what the rules found all the same
            unexpected_error(error_type=type(defect).__name__, at=where(defect))
            raise SluiceError().with_details(**self._guard.told(floor)) from None

    def _assessed(self, floor: Floor) -> Assessed:
        return Assessed(floor, self._guard.notice(floor))

    async def _last_look(self, question: Question, heard: Heard, floor: Floor) -> Floor:
        """The floor with the record, if it can be had at once; else as it was."""
        look = asyncio.ensure_future(self._records.patient(question.patient_mrn))
        try:
            # In two halves: under a burst the loop is busy for longer than the first, with the record there since long.
            for _ in range(2):
                done, _pending = await asyncio.wait({look}, timeout=_LAST_LOOK_S / 2)
                if done:
                    return self._guard.of_record(heard, look.result())
            return floor
        except SluiceError:
            return floor  # the refusal stands, and whatever is wrong with the record is not what it is about
        finally:
            look.cancel()

    def _matter(self, question: Question, mode: str, floor: Floor, record: PatientRecord) -> Matter:
        context = context_of(record)
        lane = self._lanes.get(mode)
        model = lane.engine.status().model if lane is not None else None
        n_ctx = model.n_ctx if model is not None else None
        budget = Budget.of(n_ctx, self._params.max_tokens) if n_ctx is not None else Budget()
        fitted = fit(context, question.query, budget, hits=spans_of(question.query, floor))
        # The scope is the record number as it is: it keeps one patient's cached prompt from another's, and goes no
        # further than our own engine's process.
        shown = Shown(len(fitted.kept), fitted.truncated)
        return Matter(question.query, mode, floor, context, budget, fitted, shown, f"patient:{record.mrn}")

    async def _record(self, mrn: str) -> PatientRecord:
        with RECORD(), span(events.record_start, events.record_end):
            try:
                return await self._records.patient(mrn)
            except NotFound:
                raise PatientNotFound() from None  # not by its number: problems are logged and passed on
