"""One triage as a thing of its own: its number, what happened to it so far, and how it ended.

Made and run by `jobs`; read by the routers, as a whole (`state`, `result`) or event by event (`log`). A job knows no
connection: callers wait for it, follow it, leave and come back.
"""

import asyncio
import contextlib
import secrets
from dataclasses import replace
from typing import Literal, TypeAlias

from service_chat.services.event_log import Accepted, Done, EventLog, Failed
from service_chat.services.steps import Answer, Assessed, Fallback, Question, Stage, Status, Step, Text
from serving.clock import Clock
from serving.errors import CallerGone, DeadlineExceeded, SluiceError

#: How often a job says where it stands when nobody else does, in seconds. Callers are promised five; a little later
#: than the lane, which knows its queue better.
STATUS_EVERY_S = 4.9

JobState: TypeAlias = Stage | Literal["done", "failed", "cancelled"]


class Job:
    """Lives on the event loop."""

    def __init__(self, question: Question, clock: Clock, trace_id: str | None) -> None:
        self.id = secrets.token_urlsafe(16)  # 128 bits: who has the id may read the answer
        self.question, self.trace_id = question, trace_id
        self.log = EventLog(Accepted(self.id, trace_id))
        self.status = Status("queued")
        self.answer: Answer | None = None
        self.error: SluiceError | None = None
        #: Somebody knows the id, or soon will: it must be found later, however it ends.
        self.announced = False
        self._fallback: Fallback | None = None
        self._clock, self._made_at = clock, clock.monotonic()
        self._took_ms: float | None = None
        self._status_at = self._made_at
        self._begun, self._over = asyncio.Event(), asyncio.Event()

    @property
    def state(self) -> JobState:
        if self.error is not None:
            return "cancelled" if isinstance(self.error, CallerGone) else "failed"
        return "done" if self.over else self.status.state

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def elapsed_ms(self) -> float:
        """Since the question came, or from there to its end."""
        if self._took_ms is not None:
            return self._took_ms
        return round((self._clock.monotonic() - self._made_at) * 1000, 2)

    def result(self) -> Answer:
        """Of a job that is over.

        Raises:
            SluiceError: What it failed with; details `job_id` when it can be found later.
        """
        if self.error is not None:
            raise self.error.with_details(job_id=self.id) if self.announced else self.error
        assert self.answer is not None
        return self.answer

    def fallback(self) -> Answer:
        """For who waits no longer: the record's answer, marked as late.

        Raises:
            DeadlineExceeded: Not even the record is there.
        """
        if self._fallback is None:
            raise DeadlineExceeded(job_id=self.id)
        known = self._fallback
        return Answer(known.composed, known.llm_mode, None, None, self.elapsed_ms(), ("deadline",), shown=known.shown)

    async def admitted(self, within_s: float | None = None) -> None:
        """Waits for the first step after admission, but not longer than `within_s`: a caller must hear something.

        Raises:
            SluiceError: The question was refused; the job does not exist any more.
        """
        await _within(within_s, self._begun)
        if self.error is not None and not self.announced:
            raise self.error
        self.announced = True

    async def ended(self, within_s: float | None = None) -> bool:
        """Waits for the end, but not longer than `within_s`; whether it has come."""
        await _within(within_s, self._over)
        return self.over

    def note(self, step: Step) -> None:
        """Raises WorkFailed when the text is longer than can be kept."""
        match step:
            case Assessed():
                self.log.append(step, self.elapsed_ms())
                return  # it may still be refused, and is then none
            case Fallback():
                self._fallback = step
                return  # nothing that a reader of events needs: the answer has it
            case Status():
                self._say(step)
            case Text():
                self.status = replace(self.status, state="generating", tokens=step.tokens)
                self.log.append(step, self.elapsed_ms())
            case Answer():
                self.answer = step
                self.log.append(step, self.elapsed_ms())
        self.announced = True
        self._begun.set()

    def finish(self, error: SluiceError | None = None) -> None:
        """The end; a second one changes nothing. An answer that was given stays, whatever came after it."""
        if self.over:
            return
        self.error = error if self.answer is None else None
        self._took_ms = self.elapsed_ms()
        self.log.append(Done() if self.error is None else Failed(self.error), self._took_ms)
        self.log.close()
        self._begun.set()
        self._over.set()

    async def repeat_status(self) -> None:
        """Says again where it stands whenever that was not said for STATUS_EVERY_S. Runs until it is cancelled."""
        while True:
            await self._clock.sleep(self._status_at + STATUS_EVERY_S - self._clock.monotonic())
            if self._clock.monotonic() - self._status_at >= STATUS_EVERY_S:
                self._say(self.status)

    def _say(self, status: Status) -> None:
        self.status, self._status_at = status, self._clock.monotonic()
        self.log.append(status, self.elapsed_ms())


async def _within(seconds: float | None, event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
