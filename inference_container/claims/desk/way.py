"""One message's way over the desk: fetch the object, forecast it, have it recorded; or have it put aside.

A stage that fails is tried again by itself: what was fetched is not fetched again because a worker died, and what was
forecast is not forecast again because the broker is down. Every way has an end, unless it is withdrawn: an answer, a
row that it expired, or a dead letter. Only the recording of that end is tried for as long as it takes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from inference_container import events_claims as events
from inference_container.claims.dead_letters import DeadLetter, Operation, Why, why
from inference_container.claims.desk.door import Door, Pass
from inference_container.claims.desk.entries import ClaimTopics, Entries, read_answer
from inference_container.claims.desk.series import read_series
from inference_container.claims.desk.walker import Walker
from inference_container.claims.ports import Forecaster, Recorder, Refused, Work
from inference_container.claims.refusals import Reason
from inference_container.claims.results import Forecast, ModelName, RowStatus
from inference_container.claims.retries import Again, Dead, Expired, RetryPolicy, code_of, down, transient
from inference_container.errors import MessageTooLarge
from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from inference_container.metrics_claims import ClaimMetrics
from inference_container.spans import FETCH
from inference_container.stores.ports import ObjectStore
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded

T = TypeVar("T")

#: Failures that shut the door for all although others were answered in between. From then on it fails for itself.
_SUSPICIOUS = 3
#: Such failures after which an object is given up: a minute and more in which the store answered everybody else.
_HOPELESS = 20
#: Objects that are read at once while there are callers. Not one alone: a single slow object would hold up all.
_BESIDE_CALLERS = 2


@dataclass(frozen=True, slots=True)
class DeskPolicy:
    identifier: str  #: IDENTIFIER, for claims that name none
    horizon: int | None  #: steps of a claim that names none; None: the service's own
    timeout_s: float  #: for one forecast, the wait for a worker included
    max_object_bytes: int
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    topics: ClaimTopics = field(default_factory=ClaimTopics)
    fetchers: int = 8  #: objects read at once


class _Over(Exception):
    """There will be no answer."""

    def __init__(self, verdict: Dead | Expired, error: BaseException, operation: Operation) -> None:
        super().__init__()
        self.verdict, self.error, self.operation = verdict, error, operation


class ClaimWay:
    """Lives on the event loop; many walk at once."""

    def __init__(
        self,
        store: ObjectStore,
        threads: Executor,
        forecaster: Forecaster,
        recorder: Recorder,
        policy: DeskPolicy,
        metrics: ClaimMetrics,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._store, self._threads, self._forecaster, self._recorder = store, threads, forecaster, recorder
        self._policy, self._metrics, self._clock, self._chance = policy, metrics, clock, chance
        self._entries = Entries(policy.identifier, policy.topics)
        retries = policy.retries
        self.fetching = Door(retries, metrics, clock, chance, most=self._fetchers)
        self.forecasting = Door(retries, metrics, clock, chance)
        self.recording = Door(retries, metrics, clock, chance)

    @property
    def doors(self) -> tuple[Door, ...]:
        return self.fetching, self.forecasting, self.recording

    def _fetchers(self) -> int:
        """Threads that read share the interpreter with the event loop, and callers wait for it: few beside them."""
        most = self._policy.fetchers
        return min(_BESIDE_CALLERS, most) if self._forecaster.beside_callers else most

    async def walk(self, walker: Walker) -> RowStatus:
        """To its end; what it was recorded as."""
        item = walker.item
        if isinstance(item, Refused):
            return await self._put_aside(walker, item.why, Operation.FORECAST if item.attempts else None)
        try:
            if item.doubt is not None and not await self._became_something(walker, item):
                return await self._put_aside(walker, item.doubt, Operation.FORECAST)
            return await self._work(walker, item)
        except _Over as over:
            walker.over = True
            await walker.innocent()
            if isinstance(over.verdict, Expired):
                return await self._expired(walker, item)
            return await self._put_aside(walker, why(over.error, over.verdict.reason), over.operation)

    async def _work(self, walker: Walker, work: Work) -> RowStatus:
        self._refuse_late(walker)
        body = await self._tried(walker, self.fetching, lambda: self._fetch(work))
        model, forecast = await self._tried(walker, self.forecasting, lambda: self._forecast(work, body))
        await walker.innocent()

        async def record() -> None:
            await self._recorder.record(self._entries.answered(work, model, forecast))

        await self._tried(walker, self.recording, record)
        return RowStatus.OK

    async def _became_something(self, walker: Walker, work: Work) -> bool:
        """Before the last death: somebody may have heard of it, and it must not become anything else."""
        self._refuse_late(walker)
        became = await self._tried(walker, self.recording, lambda: self._recorder.became(work.record))
        return bool(became) and Reason.WORKER_KILLER not in became

    async def _fetch(self, work: Work) -> bytes:
        begun = self._clock.monotonic()
        with FETCH():
            body = await asyncio.get_running_loop().run_in_executor(
                self._threads, read_series, self._store, work.claim, self._policy.max_object_bytes
            )
        self._metrics.fetch.observe(self._clock.monotonic() - begun)
        return body

    async def _forecast(self, work: Work, body: bytes) -> tuple[ModelName, Forecast]:
        # The source and not a number by chance: it comes back in the answer, whose bytes are to be the same each time.
        options = _options(work.claim.horizon or self._policy.horizon)
        query = ForecastQuery(work.record.source, body, "parquet", options)
        patience_s = self._policy.timeout_s
        deadline = (
            Deadline.after(patience_s, self._clock)
            if work.deadline is None
            else work.deadline.promise(self._clock, patience_s)
        )
        answer = await self._forecaster.forecast_claim(query, deadline)
        return read_answer(answer, self._forecaster.model_name)

    async def _expired(self, walker: Walker, work: Work) -> RowStatus:
        async def record() -> None:
            await self._recorder.record(self._entries.expired(work))

        await self._tried(walker, self.recording, record)
        if events.ttl_expired.enabled:
            events.ttl_expired(source=work.record.source)
        return RowStatus.EXPIRED

    async def _put_aside(self, walker: Walker, because: Why, operation: Operation | None) -> RowStatus:
        item, attempts = walker.item, walker.attempts

        async def record() -> DeadLetter:
            for letter in _sizes(self._entries.letter(item, because, attempts, operation)):
                with suppress(MessageTooLarge):
                    await self._recorder.record(self._entries.dead(item, letter, because.reason))
                    return letter
            raise MessageTooLarge

        letter = await self._tried(walker, self.recording, record)
        self._metrics.dead_letters.labels(letter.topic, because.reason).inc()
        events.dead_letter(topic=letter.topic, reason=because.reason, source=item.record.source, attempts=attempts)
        return RowStatus.DEAD_LETTER

    async def _tried(self, walker: Walker, door: Door, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` gives, as soon as it does.

        Raises:
            _Over: It never will. Not for one that is over already.
        """
        own, heard = 0, None
        while True:
            place = await self._entered(walker, door)
            try:
                found = await attempt()
            except Exception as error:  # also what nobody foresaw: a claim's way has an end, whatever happens on it
                failure = error
            except BaseException:  # withdrawn
                door.leave(place)
                raise
            else:
                door.answered(place)
                return found
            if not (walker.over or down(failure)):
                door.leave(place) if transient(failure) else door.answered(place)
                await self._again(walker, door, failure)
                continue
            # Others were answered since it failed last: it may be this one after all, and must not stop them for ever.
            own += heard is not None and door.answers > heard
            heard = door.answers
            if own < _SUSPICIOUS:
                door.failed(place, failure)
                walker.held()
                continue
            door.leave(place)
            if own >= _HOPELESS and door is self.fetching:
                raise _Over(Dead(code_of(failure)), failure, Operation.FORECAST)
            await self._clock.sleep(self._policy.retries.pause_s(own, self._chance()))

    async def _entered(self, walker: Walker, door: Door) -> Pass:
        try:
            place = await door.enter(walker, walker.alone and door is self.forecasting)
        except DeadlineExceeded as error:
            raise _Over(Expired(), error, Operation.FORECAST) from None
        try:
            self._refuse_late(walker)
        except _Over:
            door.leave(place)
            raise
        walker.tried()
        return place

    def _refuse_late(self, walker: Walker) -> None:
        if walker.deadline is not None and walker.deadline.expired(self._clock):
            raise _Over(Expired(), DeadlineExceeded(), Operation.FORECAST)

    async def _again(self, walker: Walker, door: Door, failure: Exception) -> None:
        """Waits until the next try; raises `_Over` where there is none."""
        verdict = self._policy.retries.judge(failure, walker.attempts, walker.deadline, self._clock, self._chance())
        if isinstance(verdict, Dead | Expired):
            doing = Operation.RESULT_WRITE if door is self.recording else Operation.FORECAST
            raise _Over(verdict, failure, doing)
        if isinstance(verdict, Again):
            code = code_of(failure)
            self._metrics.retries.labels(code).inc()
            source, after_s = walker.item.record.source, round(verdict.after_s, 3)
            events.claim_retried(source=source, code=code, attempts=walker.attempts, after_s=after_s)
            walker.attempts += 1
            walker.alone |= verdict.alone
        await self._clock.sleep(verdict.after_s)


@lru_cache(maxsize=64)
def _options(horizon: int | None) -> QueryOptions:
    """The same one each time: of equal ones in a batch each would cross to the worker by itself."""
    return QueryOptions(inference_length=horizon)


def _sizes(letter: DeadLetter) -> Iterator[DeadLetter]:
    """The letter, and what is left of it for a broker that does not take it: without its value, then ours alone."""
    yield letter
    shorter = letter.without_value()
    yield shorter
    yield shorter.bare()
