"""Asking a model about a question whose floor is settled: the prompt, its lane, what it writes, the answer.

Called by the triage use case when rules and record leave something to say. What the model writes has a form; what is
not of the form counts as nothing, and the rules answer. Its words pass `live_text` while they are written and
`composed` when they are whole. The level among them counts when the question is new, else the one before (`opinions`).
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from service_chat import events
from service_chat.engines.protocol import Completion, Delta, FinishReason, ModelInfo, Prefill, SamplingParams
from service_chat.errors import PromptTooLong
from service_chat.safety.values import Floor
from service_chat.services.answer_form import AnswerForm, Lengths, ModelAnswer, answer_form, read_answer
from service_chat.services.chat_lane import Chat, ChatLane, Waiting
from service_chat.services.composed import Composed
from service_chat.services.context import Context
from service_chat.services.fitting import Budget, Fitted, fit, spans_of
from service_chat.services.guard import Guard
from service_chat.services.live_text import LiveText
from service_chat.services.opinions import Consultation, Opinions
from service_chat.services.prompts import answer_messages
from service_chat.services.readiness import given_up
from service_chat.services.settled import Opinion
from service_chat.services.steps import Answer, Shown, Status, Text
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, NotReady
from serving.tracing import span

#: Engines that draw their tokens here keep to a grammar; a server is told a schema.
_DRAWS_HERE = "gguf"
#: A small model wanders when it is warm: one answer a question, the same every time.
_MOST_TEMPERATURE = 0.2


@dataclass(frozen=True, slots=True)
class Matter:
    """All that is known of a question before a model is asked."""

    query: str
    mode: str
    floor: Floor
    context: Context
    budget: Budget
    fitted: Fitted
    shown: Shown
    scope: str  #: whose text the prompt is; see `Engine.stream`


@dataclass(frozen=True, slots=True)
class _Told:
    """What the model wrote, what it had been shown, and which one it is: by now another may have taken its place."""

    done: Completion
    fitted: Fitted
    model: ModelInfo | None


class Consulting:
    def __init__(self, lanes: Mapping[str, ChatLane], params: SamplingParams, guard: Guard) -> None:
        self._lanes, self._params, self._guard = lanes, params, guard
        self._opinions = Opinions()

    async def steps(self, matter: Matter, deadline: Deadline) -> AsyncGenerator[Status | Text | Answer, None]:
        """Where it stands, what may be read of it, and an Answer, which is the last. Raises what a lane raises."""
        elapsed = _stopwatch()

        def without_model(why: str) -> Answer:
            composed = self._guard.answer(matter.floor, matter.context)
            return Answer(composed, matter.mode, None, None, elapsed(), (why,), shown=matter.shown)

        lane = self._lanes.get(matter.mode)
        if lane is None or given_up(lane.engine.status()):
            yield without_model("model_unavailable")
            return
        told: _Told | None = None
        depth = lane.statistics().depth
        with span(events.inference_start, events.inference_end, llm_mode=matter.mode, depth=depth) as outcome:
            try:
                async with aclosing(self._follow(lane, matter, deadline)) as steps:
                    async for step in steps:
                        if isinstance(step, _Told):
                            told = step
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
            assert told is not None  # the lane ends with it, or raises
            outcome |= _told_of(told.done)
        yield self._answer(matter, told, elapsed())

    def _answer(self, matter: Matter, told: _Told, took_ms: float) -> Answer:
        done, fitted, model = told.done, told.fitted, told.model
        ids = [item.id for item in fitted.kept]
        ended = done.finish_reason is FinishReason.STOP
        said = read_answer(done.text, ids, whole=ended, lengths=self._lengths(matter.floor))
        opinion = self._opinion(matter, told, said)
        composed = self._guard.answer(matter.floor, matter.context, fitted, said, opinion)
        return Answer(
            composed=composed,
            llm_mode=matter.mode,
            model=model.name if model is not None else None,
            model_sha256=model.sha256 if model is not None else None,
            inference_time_ms=took_ms,
            degraded=_lacking(done, said, composed),
            completion=done,
            shown=Shown(len(fitted.kept), fitted.truncated),
        )

    def _opinion(self, matter: Matter, told: _Told, said: ModelAnswer | None) -> Opinion:
        """The one that counts. What was broken off is none, and makes none."""
        opinion = Opinion(said.acuity if said is not None else None)
        if told.done.finish_reason is FinishReason.CANCELLED:
            return opinion
        name, sha256 = (told.model.name, told.model.sha256) if told.model is not None else (None, None)
        asked = Consultation(
            *(matter.scope, matter.query, matter.floor, told.fitted, self._guard.version),
            *(matter.mode, name, sha256, self._params),
        )
        return self._opinions.first(asked, opinion)

    async def _follow(
        self, lane: ChatLane, matter: Matter, deadline: Deadline
    ) -> AsyncGenerator[Status | Text | _Told, None]:
        """One that is too long by the engine's own count is made shorter, once: the guess was too low."""
        fitted = matter.fitted
        try:
            async with aclosing(self._ask(lane, matter, fitted, deadline)) as steps:
                async for step in steps:
                    yield step
        except PromptTooLong as error:
            tokens, room = error.details.get("prompt_tokens"), error.details.get("n_ctx")
            if not isinstance(tokens, int) or not isinstance(room, int):
                raise
            budget = matter.budget.shrunk(tokens, room - self._params.max_tokens)
            shorter = fit(matter.context, matter.query, budget, hits=spans_of(matter.query, matter.floor))
            if shorter == fitted:
                raise
            async with aclosing(self._ask(lane, matter, shorter, deadline)) as steps:
                async for step in steps:
                    yield step

    async def _ask(
        self, lane: ChatLane, matter: Matter, fitted: Fitted, deadline: Deadline
    ) -> AsyncGenerator[Status | Text | _Told, None]:
        """The lane's events as steps. That the text begins is a step of its own."""
        floor, house = matter.floor, self._guard.house
        lengths = self._lengths(floor)
        form = answer_form([item.id for item in fitted.kept], floor.acuity, lengths)
        messages = answer_messages(fitted, floor.acuity, floor.language)
        chat = Chat(messages, self._drawn(matter.mode, form), scope=matter.scope)
        model: ModelInfo | None = None
        words: LiveText | None = None  # made when there is something to filter: many who ask never get so far
        writing = False
        async with aclosing(lane.stream(chat, deadline)) as stream:
            async for event in stream:
                if model is None and not isinstance(event, Waiting):
                    model = lane.engine.status().model
                match event:
                    case Waiting(position=position, eta_s=eta_s):
                        yield Status("queued", position=position, eta_s=eta_s)
                    case Prefill(done=done, total=total, cached=cached):
                        yield Status("prefill", done=done, total=total, cached=cached)
                    case Delta(text=text, tokens=tokens):
                        if not writing:
                            writing = True
                            yield Status("generating", tokens=tokens)
                        words = words or LiveText(floor, fitted, house.vocabulary, house.languages, lengths.rationale)
                        if readable := words.feed(text):
                            yield Text(readable, tokens)
                    case Completion():
                        yield _Told(event, fitted, model)

    def _lengths(self, floor: Floor) -> Lengths:
        return Lengths.within(self._params.max_tokens, floor.language)

    def _drawn(self, mode: str, form: AnswerForm) -> SamplingParams:
        params = replace(self._params, temperature=min(self._params.temperature, _MOST_TEMPERATURE))
        if mode == _DRAWS_HERE:
            return replace(params, grammar=form.grammar, presence_penalty=0.0)
        return replace(params, json_schema=form.json_schema, presence_penalty=0.0)


def _lacking(done: Completion, said: ModelAnswer | None, composed: Composed) -> tuple[str, ...]:
    """Why a model that answered explains nothing; empty where it does, and where nobody wants it to."""
    if said is None:
        return ("model_invalid",) if done.text.strip() else ("model_silent",)
    return ("model_incoherent",) if composed.faults and composed.model_text == "dropped" else ()


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
