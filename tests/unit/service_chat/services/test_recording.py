"""Every question leaves one row, however it ends; its answer a number; and nobody waits for either."""

import contextlib
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest

from service_chat.audit.ports import Entry
from service_chat.engines.protocol import Completion, FinishReason, Timings
from service_chat.errors import OtherPatient, PatientNotFound
from service_chat.metrics_privacy import PrivacyMetrics
from service_chat.safety.values import Acuity, Flag, Floor, RedFlag
from service_chat.services.caller import Caller
from service_chat.services.chat_lane import ChatStep, Waiting
from service_chat.services.conversations import MOST_PENDING, Conversations
from service_chat.services.patient_ref import PatientRefs
from service_chat.services.recording import ChatRecording, Recording
from service_chat.services.steps import Answer, Assessed, Question, Status, Step, Text
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import DependencyFailed, QueueFull, SluiceError
from serving.metrics import Metrics
from serving.tracing import trace_from, tracing
from tests.fakes.answers import QUIET, answer, fallback
from tests.fakes.chat_log import FakeChatLog
from tests.fakes.trail import FakeTrail

pytestmark = pytest.mark.anyio

QUESTION = Question("P000123", "What now?", caller=Caller("key-7"))
CLOCK = SystemClock()
FLAG = RedFlag(Flag.CARDIAC, Acuity.EMERGENCY, "cardiac.x@1", "a chest", ("chest",))
GRAVE = Floor(Acuity.EMERGENCY, (FLAG,), (), "en")
REFS = PatientRefs(b"k" * 32)


def emergency() -> Answer:
    told = answer("Call now.")
    return replace(told, composed=replace(told.composed, acuity=Acuity.EMERGENCY_NOW, red_flags=(FLAG,)))


@dataclass
class House:
    """A triage that does what `steps` says, and rooms that remember."""

    script: list[Step | Exception] = field(default_factory=list)
    refusal: SluiceError | None = None
    patience_s: float = 0.2
    log: FakeChatLog = field(default_factory=FakeChatLog)
    trail: FakeTrail = field(default_factory=FakeTrail)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.conversations = Conversations(PrivacyMetrics(self.metrics), self.patience_s)
        self.conversations.log = self.log
        self.recording = Recording(self._triage, self.conversations, self.trail, REFS, CLOCK)

    def begin(self, deadline_s: float = 10) -> AsyncGenerator[Step, None]:
        return self.recording.steps(QUESTION, Deadline.after(deadline_s, CLOCK))

    async def told(self, deadline_s: float = 10) -> list[Step]:
        async with aclosing(self.begin(deadline_s)) as steps:
            return [step async for step in steps]

    async def answered(self, deadline_s: float = 10) -> Answer:
        last = (await self.told(deadline_s))[-1]
        assert isinstance(last, Answer)
        return last

    def counted(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("triage_chat_log_total", {"outcome": outcome}) or 0.0

    @property
    def row(self) -> Entry:
        (entry,) = self.trail.entries
        return entry

    def _triage(self, question: Question, deadline: Deadline) -> AsyncGenerator[Step, None]:
        if self.refusal is not None:
            raise self.refusal
        return self._steps()

    async def _steps(self) -> AsyncGenerator[Step, None]:
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            yield step


async def test_every_step_goes_on_as_it_came_and_the_answer_has_its_number() -> None:
    steps: list[Step] = [Assessed(QUIET, None), fallback("x"), Status("queued"), Text("Rest", 1), answer("Rest.")]
    h = House([*steps])
    with tracing(trace_from({})) as trace:
        told = await h.told()
    assert told[:-1] == steps[:-1]
    (kept,) = h.log.stored
    assert told[-1] == replace(answer("Rest."), conversation_id=kept.id)
    assert (kept.query, kept.response, kept.patient_mrn) == ("What now?", "Rest.", "P000123")
    assert (kept.principal, kept.patient_ref, kept.trace_id) == ("key-7", REFS.of("P000123"), trace.trace_id)
    assert kept.record_ms is not None
    assert len(kept.id) >= 22
    assert "P000123" not in kept.id
    row = h.row
    assert (row.principal, row.action, row.outcome, row.acuity) == ("key-7", "triage", "answered", "routine")
    assert (row.patient_ref, row.conversation_id, row.trace_id) == (kept.patient_ref, kept.id, trace.trace_id)
    assert h.counted("stored") == 1


async def test_no_row_holds_what_somebody_wrote_nor_the_number() -> None:
    h = House([Assessed(GRAVE, "n"), emergency()])
    await h.told()
    assert "What now" not in repr(h.row)
    assert "P000123" not in repr(h.row)
    assert h.row.rules == ("cardiac.x@1",)


async def test_a_degraded_answer_is_one() -> None:
    h = House([Assessed(QUIET, None), replace(answer("x"), degraded=("deadline",))])
    await h.told()
    assert h.row.outcome == "degraded"


async def test_a_refusal_at_the_call_and_one_at_a_step_leave_their_code() -> None:
    refused = House(refusal=QueueFull())
    with pytest.raises(QueueFull):
        refused.begin()
    assert (refused.row.outcome, refused.row.acuity) == ("queue_full", None)
    missing = House([Assessed(GRAVE, "n"), PatientNotFound()])
    with pytest.raises(PatientNotFound):
        await missing.told()
    assert (missing.row.outcome, missing.row.acuity, missing.row.rules) == (
        "patient_not_found",
        "emergency",
        ("cardiac.x@1",),
    )
    assert missing.log.stored == []


async def test_who_asked_about_somebody_else_is_written_down() -> None:
    h = House()
    h.recording.refused(QUESTION, OtherPatient())
    assert (h.row.principal, h.row.outcome, h.row.patient_ref) == ("key-7", "other_patient", REFS.of("P000123"))


async def test_a_defect_of_ours_leaves_a_row_too() -> None:
    h = House([Assessed(QUIET, None), ZeroDivisionError("words")])
    with pytest.raises(ZeroDivisionError):
        await h.told()
    assert h.row.outcome == "internal_error"


async def test_a_question_that_is_taken_back_in_the_middle_is_cancelled() -> None:
    h = House([Assessed(QUIET, None), Status("queued"), answer("x")])
    steps = h.begin()
    await anext(steps)
    await steps.aclose()
    assert h.row.outcome == "cancelled"


async def test_a_question_that_is_taken_back_before_its_first_step_leaves_a_row_too() -> None:
    h = House([answer("x")])
    steps = h.begin()
    assert h.trail.entries == []
    del steps
    gc.collect()
    assert h.row.outcome == "cancelled"


async def test_an_answer_leaves_one_row_and_not_a_second_when_its_steps_are_forgotten() -> None:
    h = House([answer("x")])
    await h.told()
    gc.collect()
    assert len(h.trail.entries) == 1


async def test_an_emergency_does_not_wait_for_a_log_that_hangs_and_knows_its_number() -> None:
    h = House([Assessed(GRAVE, "n"), emergency()], patience_s=5)
    h.log.gate.clear()
    begun = CLOCK.monotonic()
    number = (await h.answered()).conversation_id
    assert CLOCK.monotonic() - begun < 4
    assert number is not None
    h.log.gate.set()
    await h.conversations.aclose()
    assert [each.id for each in h.log.stored] == [number]
    assert (h.counted("stored"), h.log.closed) == (1, True)


@pytest.mark.parametrize(("patience_s", "deadline_s"), [(0.05, 10), (5, 0.05)])
async def test_another_answer_waits_a_moment_at_most_and_not_beyond_its_deadline(
    patience_s: float, deadline_s: float
) -> None:
    h = House([answer("x")], patience_s=patience_s)
    h.log.gate.clear()
    begun = CLOCK.monotonic()
    assert (await h.answered(deadline_s)).conversation_id is None
    assert CLOCK.monotonic() - begun < 4
    assert h.row.conversation_id is None
    h.log.gate.set()
    await h.conversations.aclose()
    assert len(h.log.stored) == 1
    assert h.counted("late") == 1


@pytest.mark.parametrize(
    "error", [DependencyFailed("quotes P000123", reason="ConnectError"), ValueError("quotes P000123")]
)
async def test_a_log_that_fails_costs_the_number_and_nothing_else(error: Exception) -> None:
    h = House([answer("x")])
    h.log.error = error
    assert (await h.answered()).conversation_id is None
    assert (h.row.outcome, h.counted("failed")) == ("answered", 1)


async def test_a_log_that_is_away_does_not_fill_the_memory() -> None:
    h = House([emergency()])
    h.log.gate.clear()
    numbers = [(await h.answered()).conversation_id for _ in range(MOST_PENDING + 3)]
    assert numbers[-3:] == [None] * 3
    assert None not in numbers[:MOST_PENDING]
    assert h.counted("dropped") == 3
    h.log.gate.set()
    await h.conversations.aclose()
    assert len(h.log.stored) == MOST_PENDING


async def test_where_conversations_are_not_kept_they_have_no_number() -> None:
    h = House([answer("x"), emergency()])
    h.conversations = Conversations(PrivacyMetrics(Metrics()))
    h.recording = Recording(h._triage, h.conversations, h.trail, REFS, CLOCK)
    assert [step.conversation_id for step in await h.told() if isinstance(step, Answer)] == [None, None]


@pytest.mark.parametrize(("error", "outcome"), [(None, "answered"), (QueueFull(), "queue_full")])
async def test_a_chat_of_the_other_door_leaves_who_and_how(error: SluiceError | None, outcome: str) -> None:
    trail = FakeTrail()

    async def chat() -> AsyncGenerator[ChatStep, None]:
        yield Waiting(1, None)
        if error is not None:
            raise error
        yield Completion("words", FinishReason.STOP, 1, 1, Timings(0, 0, 0))

    with tracing(trace_from({})) as trace, contextlib.suppress(QueueFull):
        async for _ in ChatRecording(trail, CLOCK).steps(chat(), Caller("key-9")):
            pass
    (row,) = trail.entries
    assert (row.action, row.principal, row.outcome) == ("chat_completion", "key-9", outcome)
    assert (row.patient_ref, row.trace_id) == (None, trace.trace_id)


async def test_references_are_the_same_for_one_number_and_key_and_tell_neither() -> None:
    ref = REFS.of("P000123")
    assert ref == PatientRefs(b"k" * 32).of("P000123")
    assert ref not in {PatientRefs(b"x" * 32).of("P000123"), REFS.of("P000124")}
    assert len(ref) == 16
    assert set(ref) <= set("0123456789abcdef")
