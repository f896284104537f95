"""Jobs: triages that run apart from the connections that asked for them, found again by their number.

Called by the routers. A job nobody listens to is given a grace, in which somebody may come back, and is then cancelled;
one that was asked for asynchronously goes on until it is done. How many run is bounded by admission, how many finished
ones are kept by number, age and size. All of it is memory: a restart forgets every job.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from service_chat.errors import IdempotencyKeyReused, JobCancelled, JobNotFound
from service_chat.metrics import ChatMetrics
from service_chat.services.caller import ANONYMOUS, Caller
from service_chat.services.job import Job
from service_chat.services.outcomes import note_outcome
from service_chat.services.steps import Question, Step
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import CallerGone, Draining, SluiceError
from serving.events import unexpected_error
from serving.logging import where
from serving.tracing import current_trace

#: Does the work of a job; see `Triage.steps`. What is refused without any work is refused when it is called.
Steps: TypeAlias = Callable[[Question, Deadline], AsyncGenerator[Step, None]]

#: Characters of questions and answers that finished jobs may hold together. Beyond it the oldest go early.
KEPT_CHARS = 8_000_000
#: At the end of the process: how long jobs whose tickets are settled may take to say so.
_LAST_WORDS_S = 0.2


@dataclass(frozen=True, slots=True)
class JobPolicy:
    grace_s: float  #: TRIAGE_GRACE_SECONDS: how long a job goes on that nobody listens to
    keep_s: float  #: TRIAGE_KEEP_SECONDS: how long a finished job can be asked for
    keep_most: int  #: TRIAGE_KEEP_JOBS: how many finished jobs are kept


@dataclass(frozen=True, slots=True)
class JobStatistics:
    running: int
    kept: int  #: finished ones
    kept_chars: int


#: An idempotency key is its caller's own: others may have thought of the same.
_Key: TypeAlias = tuple[str, str]


@dataclass(slots=True, eq=False)
class _Run:
    """What the registry knows of a job beyond the job itself."""

    job: Job
    key: _Key | None
    task: "asyncio.Task[None] | None" = None
    leaving: "asyncio.Task[None] | None" = None  #: the grace, while it runs
    ending: SluiceError | None = None  #: why it was cancelled
    listeners: int = 0
    detached: bool = False
    size: int = 0
    ended_at: float = 0.0


class Jobs:
    """Open it as a context for as long as questions are to be answered."""

    def __init__(self, steps: Steps, policy: JobPolicy, clock: Clock, metrics: ChatMetrics) -> None:
        self._steps, self._policy, self._clock, self._metrics = steps, policy, clock, metrics
        self._runs: dict[str, _Run] = {}
        self._keys: dict[_Key, _Run] = {}
        self._finished: dict[str, _Run] = {}  # oldest first
        self._kept_chars = 0
        self._sweeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Jobs":
        self._sweeping = asyncio.create_task(self._sweep(), name="jobs-sweep")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends all that runs. Drain the lanes first: then everybody hears how it ended."""
        tasks = [run.task for run in self._runs.values() if run.task is not None and not run.task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS_S)
        for run in list(self._runs.values()):
            self._stop(run, Draining("The process went down before the answer.", retry_after_s=1))
        if self._sweeping is not None:
            self._sweeping.cancel()
            tasks.append(self._sweeping)
        await asyncio.gather(*tasks, return_exceptions=True)

    def statistics(self) -> JobStatistics:
        return JobStatistics(len(self._runs) - len(self._finished), len(self._finished), self._kept_chars)

    def begin(self, question: Question, deadline: Deadline, key: str | None = None) -> tuple[Job, bool]:
        """A job for the question, and whether it was there before: the same caller sent the same with the same `key`.

        A key holds while its job runs and as long as its answer is kept. A question that is refused, fails, or is
        cancelled gives its key back: the next attempt is a fresh one.

        Raises:
            IdempotencyKeyReused: The key belongs to another question.
            SluiceError: The question was refused at once. It is counted; there is no job.
        """
        self._forget_old()
        own = (question.caller.principal, key) if key is not None else None
        known = self._keys.get(own) if own is not None else None
        if known is not None:
            if known.job.question != question:
                raise IdempotencyKeyReused()
            return known.job, True
        try:
            steps = self._steps(question, deadline)
        except SluiceError as refusal:
            note_outcome(None, refusal, self._metrics)
            raise
        trace = current_trace()
        run = _Run(Job(question, self._clock, trace.trace_id if trace is not None else None), own)
        self._runs[run.job.id] = run
        if own is not None:
            self._keys[own] = run
        run.task = asyncio.create_task(self._run(run, steps), name="triage-job")
        # A task that is cancelled before its first step never ran a line that could say so.
        run.task.add_done_callback(lambda _: self._settle(run, run.ending or CallerGone()))
        return run.job, False

    def get(self, job_id: str, caller: Caller = ANONYMOUS) -> Job:
        """Raises JobNotFound when there is none, none any more, or none that this caller may know of."""
        self._forget_old()
        run = self._runs.get(job_id)
        if run is None or not _may_see(caller, run.job.question):
            raise JobNotFound()
        return run.job

    async def cancel(self, job: Job) -> None:
        """Ends it at once, also while it waits, and returns when it has ended. One that is over stays as it is."""
        run = self._runs.get(job.id)
        if run is not None:
            self._stop(run, JobCancelled())
        await job.ended()

    @contextmanager
    def listening(self, job: Job) -> Iterator[None]:
        """As long as this is open, somebody waits for the job. When the last one leaves, its grace begins."""
        run = self._runs.get(job.id)
        if run is None:
            yield
            return
        run.listeners += 1
        if run.leaving is not None:
            run.leaving.cancel()
            run.leaving = None
        try:
            yield
        finally:
            run.listeners -= 1
            if run.listeners == 0:
                self._left(run)

    def detach(self, job: Job) -> None:
        """From here on it runs to its end, whether or not anybody listens: its caller means to ask for it later."""
        run = self._runs.get(job.id)
        if run is not None:
            run.detached = True
            if run.leaving is not None:
                run.leaving.cancel()

    async def _run(self, run: _Run, work: AsyncGenerator[Step, None]) -> None:
        job, error = run.job, None
        speaking = asyncio.create_task(job.repeat_status(), name="triage-status")
        try:
            async with aclosing(work) as steps:
                async for step in steps:
                    job.note(step)
        except SluiceError as failure:
            error = failure
        except asyncio.CancelledError:
            error = run.ending or CallerGone()
        except Exception as defect:  # a defect of ours ends this job with a problem, not with silence
            unexpected_error(error_type=type(defect).__name__, at=where(defect))
            error = SluiceError()
        finally:
            speaking.cancel()
        self._settle(run, error)

    def _left(self, run: _Run) -> None:
        if run.job.over:
            run.job.log.compact()
        elif not run.detached:
            run.leaving = asyncio.create_task(self._grace(run), name="triage-grace")

    async def _grace(self, run: _Run) -> None:
        await self._clock.sleep(self._policy.grace_s)
        self._stop(run, CallerGone())

    def _stop(self, run: _Run, why: SluiceError) -> None:
        if run.task is not None and run.ending is None and not run.job.over:
            run.ending = why
            self._give_key_back(run)  # at once: a retry must not join what is about to end
            run.task.cancel()

    def _settle(self, run: _Run, error: SluiceError | None) -> None:
        """The one place where a job ends. It is counted before anybody hears of it."""
        job = run.job
        if job.over:
            return
        job.finish(error)
        note_outcome(job.answer, job.error, self._metrics)
        if run.leaving is not None:
            run.leaving.cancel()
        if job.error is not None:
            self._give_key_back(run)
        if not job.announced:
            del self._runs[job.id]
            return
        if run.listeners == 0:
            job.log.compact()
        answer = job.answer.text if job.answer is not None else ""
        run.ended_at, run.size = self._clock.monotonic(), len(job.question.query) + job.log.chars + len(answer)
        self._finished[job.id] = run
        self._kept_chars += run.size
        self._forget_old()

    def _give_key_back(self, run: _Run) -> None:
        if run.key is not None and self._keys.get(run.key) is run:
            del self._keys[run.key]

    def _forget_old(self) -> None:
        long_ago = self._clock.monotonic() - self._policy.keep_s
        while self._finished:
            oldest = next(iter(self._finished.values()))
            crowded = len(self._finished) > self._policy.keep_most or self._kept_chars > KEPT_CHARS
            if not crowded and oldest.ended_at > long_ago:
                return
            del self._finished[oldest.job.id], self._runs[oldest.job.id]
            self._kept_chars -= oldest.size
            self._give_key_back(oldest)

    async def _sweep(self) -> None:
        """What a patient asked does not stay in memory because nobody comes by."""
        while True:
            await self._clock.sleep(max(1.0, self._policy.keep_s / 10))
            self._forget_old()


def _may_see(caller: Caller, question: Question) -> bool:
    """Its own alone; and who is for one patient only, of those the ones about that patient."""
    own = caller.principal == question.caller.principal
    return own and caller.patient in (None, question.patient_mrn)
