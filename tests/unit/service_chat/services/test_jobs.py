"""Jobs over a triage that does what each test wants, on a clock that the tests turn."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from service_chat.errors import IdempotencyKeyReused, JobCancelled, JobNotFound, PatientNotFound
from service_chat.metrics import ChatMetrics
from service_chat.services.caller import ANONYMOUS, Caller
from service_chat.services.event_log import Accepted, Done, Failed
from service_chat.services.job import STATUS_EVERY_S, Job
from service_chat.services.jobs import JobPolicy, Jobs, JobStatistics
from service_chat.services.steps import Question, Status, Step, Text
from serving.deadline import Deadline
from serving.errors import CallerGone, ChildDied, DeadlineExceeded, Draining, QueueFull, SluiceError, WorkFailed
from serving.tracing import trace_from, tracing
from tests.fakes.answers import answer, fallback
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio

QUESTION = Question("P000123", "What now?")
GRACE_S, KEEP_S, KEEP_MOST = 15.0, 600.0, 3


@dataclass
class Script:
    """A triage: the record, a place, then the gate; then the words, and an answer or an error."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    words: tuple[str, ...] = ("Rest", " well.")
    refusal: Exception | None = None
    failure: Exception | None = None
    slow_record: asyncio.Event | None = None
    stopped_early: int = 0
    begun: int = 0

    async def steps(self, question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        self.begun += 1
        try:
            if self.slow_record is not None:
                await self.slow_record.wait()
            yield fallback("From the record.")
            if self.refusal is not None:
                raise self.refusal
            yield Status("queued", position=0)
            await self.gate.wait()
            for number, word in enumerate(self.words, start=1):
                yield Text(word, number)
            if self.failure is not None:
                raise self.failure
            yield answer("".join(self.words), model="m")
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped_early += 1
            raise


@dataclass
class House:
    jobs: Jobs
    script: Script
    clock: ManualClock
    metrics: ChatMetrics

    def begin(self, question: Question = QUESTION, key: str | None = None) -> tuple[Job, bool]:
        return self.jobs.begin(question, Deadline.after(100, self.clock), key)

    async def running(self) -> Job:
        job, _ = self.begin()
        await job.admitted()
        return job

    async def finished(self, question: Question = QUESTION, key: str | None = None) -> Job:
        self.script.gate.set()
        job, _ = self.begin(question, key)
        assert await job.ended(5)
        return job

    async def turn(self, seconds: float) -> None:
        """Time moves on, and everybody who waited for it has done what they wanted."""
        await _others()
        self.clock.turn(seconds)
        await _others()

    def outcomes(self, *names: str) -> dict[str, float]:
        read = self.metrics.registry.get_sample_value
        return {name: read("triage_requests_total", {"outcome": name}) or 0.0 for name in names}


async def _others() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def house(script: Script | None = None) -> AsyncIterator[House]:
    clock, metrics, told = ManualClock(), ChatMetrics(), script or Script()
    async with Jobs(told.steps, JobPolicy(GRACE_S, KEEP_S, KEEP_MOST), clock, metrics) as jobs:
        yield House(jobs, told, clock, metrics)


def states(job: Job) -> list[str]:
    return [type(event.what).__name__ for event in job.log.since(0)]


async def test_a_job_tells_what_happens_and_can_be_asked_for_its_answer_later() -> None:
    async with house() as h:
        with tracing(trace_from({})) as trace:
            job = await h.running()
        assert (job.state, job.trace_id) == ("queued", trace.trace_id)
        h.script.gate.set()
        assert await job.ended(5)
        assert (job.state, job.result().text) == ("done", "Rest well.")
        assert h.jobs.get(job.id) is job
        assert job.log.since(0)[0].what == Accepted(job.id, trace.trace_id)
        assert isinstance(job.log.since(0)[-1].what, Done)
        assert h.outcomes("answered", "abandoned") == {"answered": 1, "abandoned": 0}


async def test_no_two_jobs_have_a_number_that_could_be_guessed_from_the_other() -> None:
    async with house() as h:
        ids = {h.begin()[0].id for _ in range(50)}
        assert len(ids) == 50
        assert all(len(each) >= 22 for each in ids)


async def test_a_job_that_nobody_listens_to_is_cancelled_after_the_grace_and_not_before() -> None:
    async with house() as h:
        job = await h.running()
        with h.jobs.listening(job):
            await h.turn(10 * GRACE_S)
        await h.turn(GRACE_S - 0.1)
        assert not job.over
        await h.turn(0.2)
        assert (job.state, h.script.stopped_early) == ("cancelled", 1)
        with pytest.raises(CallerGone):
            job.result()
        assert h.outcomes("abandoned") == {"abandoned": 1}


async def test_who_comes_back_within_the_grace_saves_the_job() -> None:
    async with house() as h:
        job = await h.running()
        with h.jobs.listening(job):
            await h.turn(0)
        await h.turn(GRACE_S - 1)
        with h.jobs.listening(h.jobs.get(job.id)):
            await h.turn(10 * GRACE_S)
            assert not job.over
            h.script.gate.set()
            assert await job.ended(5)
        assert job.state == "done"


async def test_the_grace_begins_only_when_the_last_listener_has_left() -> None:
    async with house() as h:
        job = await h.running()
        with h.jobs.listening(job):
            with h.jobs.listening(job):
                pass
            await h.turn(10 * GRACE_S)
            assert not job.over


async def test_a_job_that_was_asked_for_asynchronously_needs_no_listener() -> None:
    async with house() as h:
        job = await h.running()
        with h.jobs.listening(job):
            h.jobs.detach(job)
        await h.turn(10 * GRACE_S)
        assert not job.over
        with h.jobs.listening(job):  # a look at it does not bind it to the one who looked
            pass
        await h.turn(10 * GRACE_S)
        h.script.gate.set()
        assert await job.ended(5)
        assert job.state == "done"


async def test_a_job_detached_during_its_grace_goes_on() -> None:
    async with house() as h:
        job = await h.running()
        with h.jobs.listening(job):
            pass
        h.jobs.detach(job)
        await h.turn(10 * GRACE_S)
        assert not job.over


async def test_a_question_that_is_taken_back_ends_at_once_also_a_second_time() -> None:
    async with house() as h:
        job = await h.running()
        await h.jobs.cancel(job)
        await h.jobs.cancel(job)
        assert (job.state, h.script.stopped_early) == ("cancelled", 1)
        with pytest.raises(JobCancelled) as told:
            job.result()
        assert told.value.details["job_id"] == job.id
        assert h.outcomes("cancelled", "abandoned") == {"cancelled": 1, "abandoned": 0}
        assert isinstance(job.log.since(0)[-1].what, Failed)


async def test_taking_back_what_is_done_changes_nothing() -> None:
    async with house() as h:
        job = await h.finished()
        await h.jobs.cancel(job)
        assert job.state == "done"


async def test_a_question_taken_back_before_its_job_ran_a_line_ends_too() -> None:
    async with house() as h:
        job, _ = h.begin()
        await asyncio.wait_for(h.jobs.cancel(job), 5)
        assert job.state == "cancelled"
        assert h.jobs.statistics().running == 0


async def test_a_refused_question_leaves_no_job() -> None:
    async with house(Script(refusal=QueueFull(retry_after_s=3))) as h:
        job, _ = h.begin()
        with pytest.raises(QueueFull) as refusal:
            await job.admitted()
        assert "job_id" not in refusal.value.details
        with pytest.raises(JobNotFound):
            h.jobs.get(job.id)
        assert h.outcomes("queue_full") == {"queue_full": 1}
        assert h.jobs.statistics() == JobStatistics(0, 0, 0)


async def test_a_question_that_is_refused_at_once_never_becomes_a_job_and_is_counted() -> None:
    def refuse(question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        raise QueueFull(retry_after_s=3)

    clock, metrics = ManualClock(), ChatMetrics()
    async with Jobs(refuse, JobPolicy(GRACE_S, KEEP_S, KEEP_MOST), clock, metrics) as jobs:
        for _ in range(2):
            with pytest.raises(QueueFull):
                jobs.begin(QUESTION, Deadline.after(100, clock), "k")
        assert jobs.statistics() == JobStatistics(0, 0, 0)
    assert metrics.registry.get_sample_value("triage_requests_total", {"outcome": "queue_full"}) == 2


async def test_a_refusal_that_comes_after_the_caller_was_told_the_number_is_kept() -> None:
    record = asyncio.Event()
    async with house(Script(slow_record=record, refusal=QueueFull(retry_after_s=3))) as h:
        job, _ = h.begin()
        await job.admitted(0.01)
        record.set()
        assert await job.ended(5)
        assert h.jobs.get(job.id).state == "failed"


async def test_a_job_that_breaks_is_kept_with_its_error_and_its_number() -> None:
    async with house(Script(failure=ChildDied(retry_after_s=1))) as h:
        job = await h.finished()
        assert h.jobs.get(job.id).state == "failed"
        with pytest.raises(ChildDied) as broken:
            job.result()
        assert broken.value.details == {"retry_after_s": 1, "job_id": job.id}
        assert h.outcomes("worker_died") == {"worker_died": 1}


async def test_a_defect_ends_the_job_with_an_error_that_tells_nothing_of_it() -> None:
    async with house(Script(failure=RuntimeError("the words of a patient"))) as h:
        job = await h.finished()
        with pytest.raises(SluiceError) as broken:
            job.result()
        assert (type(broken.value), "patient" in broken.value.message) == (SluiceError, False)


async def test_a_text_that_does_not_end_fails_its_job() -> None:
    async with house(Script(words=("x" * 600_000,) * 3)) as h:
        job = await h.finished()
        with pytest.raises(WorkFailed):
            job.result()
        assert h.script.stopped_early == 1
        assert h.outcomes("work_failed") == {"work_failed": 1}


async def test_a_job_says_where_it_stands_whenever_nothing_else_happens() -> None:
    async with house() as h:
        job = await h.running()
        for _ in range(3):
            await h.turn(STATUS_EVERY_S)
        assert states(job) == ["Accepted", "Status", "Status", "Status", "Status"]
        last = job.log.since(0)[-1]
        assert last.what == Status("queued", position=0)
        assert last.at_ms == pytest.approx(3 * STATUS_EVERY_S * 1000)


async def test_while_text_is_written_the_status_counts_it() -> None:
    async with house() as h:
        job = await h.running()
        job.note(Text("Rest", 7))
        await h.turn(STATUS_EVERY_S)
        status = job.log.since(0)[-1].what
        assert isinstance(status, Status)
        assert (status.state, status.tokens) == ("generating", 7)


async def test_who_waits_no_longer_gets_the_record() -> None:
    async with house() as h:
        job = await h.running()
        assert not await job.ended(0.01)
        answer = job.fallback()
        assert (answer.text, answer.degraded) == ("From the record.", ("deadline",))


async def test_without_even_a_record_there_is_nothing_to_say() -> None:
    async with house(Script(slow_record=asyncio.Event())) as h:
        job, _ = h.begin()
        await job.admitted(0.01)
        with pytest.raises(DeadlineExceeded):
            job.fallback()


async def test_the_same_key_and_question_give_the_same_job_while_it_runs_and_afterwards() -> None:
    async with house() as h:
        first, fresh = h.begin(key="k")
        again, replayed = h.begin(key="k")
        assert (again is first, fresh, replayed) == (True, False, True)
        h.script.gate.set()
        assert await first.ended(5)
        assert h.begin(key="k") == (first, True)
        assert h.script.begun == 1
        other, _ = h.begin(key="another")
        assert other is not first


async def test_the_same_key_with_another_question_is_refused() -> None:
    async with house() as h:
        await h.finished(key="k")
        with pytest.raises(IdempotencyKeyReused):
            h.begin(Question("P000123", "Something else?"), key="k")


async def test_a_key_is_its_callers_own() -> None:
    async with house() as h:
        mine, theirs = (Question("P000123", "What now?", None, Caller(name)) for name in ("key:a", "key:b"))
        first, _ = h.begin(mine, key="k")
        second, replayed = h.begin(theirs, key="k")
        assert (second is first, replayed) == (False, False)
        assert h.begin(mine, key="k") == (first, True)
        await h.jobs.cancel(first)
        assert h.begin(theirs, key="k") == (second, True)


async def test_the_same_question_from_another_address_is_the_same_question() -> None:
    async with house() as h:
        here, there = (Question("P000123", "What now?", address=address) for address in ("10.0.0.1", "10.0.0.2"))
        assert h.begin(there, key="k")[0] is h.begin(here, key="k")[0]


async def test_a_job_is_there_for_who_asked_and_for_nobody_else() -> None:
    async with house() as h:
        job = await h.finished(Question("P000123", "What now?", None, Caller("key:a")))
        for known in (Caller("key:a"), Caller("key:a", "P000123")):
            assert h.jobs.get(job.id, known) is job
        for unknown in (Caller("key:b"), Caller("key:a", "P000001"), Caller("key:b", "P000123"), ANONYMOUS):
            with pytest.raises(JobNotFound):
                h.jobs.get(job.id, unknown)


@pytest.mark.parametrize("error", [QueueFull(retry_after_s=1), Draining(), PatientNotFound()], ids=lambda e: e.code)
async def test_a_refused_question_gives_its_key_back(error: SluiceError) -> None:
    async with house(Script(refusal=error)) as h:
        job, _ = h.begin(key="k")
        with pytest.raises(type(error)):
            await job.admitted()
        h.script.refusal = None
        again, replayed = h.begin(key="k")
        assert (again is job, replayed) == (False, False)


async def test_a_failed_and_a_cancelled_question_give_their_keys_back() -> None:
    async with house(Script(failure=ChildDied())) as h:
        failed = await h.finished(key="k")
        h.script.failure = None
        h.script.gate.clear()
        again, replayed = h.begin(key="k")
        assert (again is failed, replayed) == (False, False)
        await h.jobs.cancel(again)
        assert not h.begin(key="k")[1]


async def test_a_retry_does_not_join_a_job_that_is_just_being_cancelled() -> None:
    async with house() as h:
        job, _ = h.begin(key="k")
        await job.admitted()
        cancelling = asyncio.create_task(h.jobs.cancel(job))
        await asyncio.sleep(0)
        assert not job.over
        again, replayed = h.begin(key="k")
        assert (again is job, replayed) == (False, False)
        await cancelling
        assert h.begin(key="k") == (again, True)


async def test_the_time_that_a_job_took_stands_still_when_it_is_over() -> None:
    async with house() as h:
        job = await h.running()
        await h.turn(2)
        assert job.elapsed_ms() == 2000
        h.script.gate.set()
        assert await job.ended(5)
        await h.turn(3)
        assert job.elapsed_ms() == 2000


async def test_finished_jobs_are_forgotten_after_a_while_and_their_keys_with_them() -> None:
    async with house() as h:
        job = await h.finished(key="k")
        await h.turn(KEEP_S - 1)
        assert h.jobs.get(job.id) is job
        await h.turn(2)
        with pytest.raises(JobNotFound):
            h.jobs.get(job.id)
        assert h.begin(Question("P000123", "Something else?"), key="k")[1] is False


async def test_what_a_patient_asked_leaves_the_memory_also_when_nobody_comes_by() -> None:
    async with house() as h:
        await h.finished()
        for _ in range(12):
            await h.turn(KEEP_S / 10)
        assert (h.jobs.statistics().kept, h.jobs.statistics().kept_chars) == (0, 0)


async def test_the_oldest_finished_job_makes_room_for_the_newest_and_running_ones_stay() -> None:
    async with house() as h:
        running = await h.running()
        h.jobs.detach(running)
        done: list[Job] = []
        gate, h.script.gate = h.script.gate, asyncio.Event()
        for _ in range(KEEP_MOST + 2):
            done.append(await h.finished())
        assert h.jobs.statistics().kept == KEEP_MOST
        for job in done[:2]:
            with pytest.raises(JobNotFound):
                h.jobs.get(job.id)
        assert [h.jobs.get(job.id) for job in [*done[2:], running]] == [*done[2:], running]
        gate.set()
        await running.ended(5)


async def test_large_answers_are_forgotten_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service_chat.services.jobs.KEPT_CHARS", 60)
    async with house() as h:
        first, second = await h.finished(), await h.finished()
        third = await h.finished()
        with pytest.raises(JobNotFound):
            h.jobs.get(first.id)
        assert [h.jobs.get(job.id) for job in (second, third)] == [second, third]


async def test_the_end_of_the_process_settles_what_still_runs_as_draining() -> None:
    async with house() as h:
        job = await h.running()
        following = asyncio.create_task(_last(job))
    assert isinstance(await following, Failed)
    with pytest.raises(Draining):
        job.result()
    assert h.outcomes("draining") == {"draining": 1}


async def _last(job: Job) -> object:
    told: object = None
    async for event in job.log.follow():
        told = event.what
    return told


async def test_a_late_cancel_does_not_take_an_answer_back() -> None:
    """The answer is there, the request's last lines are still being written."""
    closing = asyncio.Event()

    async def slow_to_close(question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        yield answer("Rest.")
        closing.set()
        await asyncio.Event().wait()

    clock, metrics = ManualClock(), ChatMetrics()
    async with Jobs(slow_to_close, JobPolicy(GRACE_S, KEEP_S, KEEP_MOST), clock, metrics) as jobs:
        job, _ = jobs.begin(QUESTION, Deadline.after(10, clock))
        await closing.wait()
        await jobs.cancel(job)
        assert (job.state, job.result().text) == ("done", "Rest.")


async def test_who_listens_at_the_end_still_reads_every_status() -> None:
    async with house() as h:
        job = await h.running()
        with h.jobs.listening(job):
            await h.turn(STATUS_EVERY_S)
            h.script.gate.set()
            assert await job.ended(5)
            assert states(job) == ["Accepted", "Status", "Status", "Text", "Text", "Answer", "Done"]
        assert states(job) == ["Accepted", "Text", "Answer", "Done"]
