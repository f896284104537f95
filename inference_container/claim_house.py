"""Claims, as one context within the service: from the topic to the recorded result, opened after the pool.

Claims begin when the broker has answered once and a model is ready; until then, and whatever becomes of the broker
later, the HTTP door is open. When the process goes down nothing more is fetched, what is in hand is finished within the
grace, what is finished is committed, and only then does what they needed close.
"""

import asyncio
import contextlib
import itertools
import random
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack

from inference_container import events_claims as events
from inference_container.broker.ports import Broker, Producer
from inference_container.claim_look import is_away, readings_of, view_of
from inference_container.claim_policies import PoolForecaster, consumer_policy, desk_policy, topics_of
from inference_container.claims.consuming.consumer import ClaimConsumer
from inference_container.claims.deadlines import milliseconds
from inference_container.claims.desk.desk import ClaimDesk
from inference_container.claims.publishing.burst import Publisher
from inference_container.claims.recording.forecast_log import ForecastLog
from inference_container.claims.recording.part_writer import Log
from inference_container.claims.recording.recent import RecentResults
from inference_container.claims.recording.recorder import LogRecorder
from inference_container.claims.retries import RetryPolicy
from inference_container.errors import BrokerUnavailable
from inference_container.forecasting.messages import ForecastQuery, HeadedReply
from inference_container.metrics_claims import ClaimMetrics, ClaimReadings
from inference_container.outside import Outside, places_of
from inference_container.routers.claims import ClaimsView
from inference_container.services.lanes import ForecastLane
from inference_container.services.predict import Predict
from inference_container.settings import InferenceSettings
from inference_container.stores.ports import ObjectStore
from serving.aside import Aside
from serving.background import in_background
from serving.clock import Clock
from serving.errors import DependencyFailed, SluiceError
from serving.lifecycle import Lifecycle, State
from serving.settings import SettingsError

#: Reasons of a degraded readiness.
BROKER_AWAY, CLAIMS_HELD = "broker_away", "claims_held"
#: A lane has room for so many crowds of rows that wait to be written: it is never full of them alone.
_CROWDS = 4
#: How long a thread that computes may keep the interpreter from one that wants it. Claims compute on threads beside the
#: event loop, and at the usual 5 ms each of them would hold up every answer by as much.
_SWITCH_S = 0.0005
_LOOK_S = 1.0
_BUCKETS_AGAIN_S = 5.0
#: What still asks a broker or a store that has never answered has so many seconds at the end.
_REST_S = 2.0
#: What is unrecorded when the consumer has left is of claims that were withdrawn: there is nothing to wait for.
_UNRECORDED_S = 1.0
#: Tries to reach a broker that has never answered: the first pause and the longest, in seconds.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0


class ClaimHouse:
    def __init__(
        self,
        settings: InferenceSettings,
        broker: Broker,
        outside: Outside,
        predict: Predict,
        lane: ForecastLane,
        lifecycle: Lifecycle,
        metrics: ClaimMetrics,
        clock: Clock,
        grace_left_s: Callable[[], float],
    ) -> None:
        """`grace_left_s`: how long what was begun may still take once the process was told to end.

        Raises:
            SettingsError: What was set does not make a door for claims.
        """
        places = places_of("CLAIM_BUCKETS", settings.claim_buckets or settings.processed_bucket)
        store = outside.store(places)
        if store is None:
            raise SettingsError("KAFKA_BOOTSTRAP_SERVERS: claims point into a store; set S3_ENDPOINT or STORE_PATH")
        self._settings, self._broker, self._lane, self._lifecycle = settings, broker, lane, lifecycle
        self._predict, self._metrics, self._clock = predict, metrics, clock
        self._grace_left_s = grace_left_s
        self.forecaster = PoolForecaster(predict)
        #: Where the objects of claims are.
        self.store: ObjectStore = store
        self._log_store = (
            None
            if settings.inference_disable_log_upload
            else outside.store(places_of("INFERENCE_LOG_BUCKET", f"{settings.inference_log_bucket}/results/"))
        )
        self._consumer = ClaimConsumer(
            broker, consumer_policy(settings), places, metrics, clock, lambda: lifecycle.ready
        )
        self._producer: Producer | None = None
        #: The broker has never answered, and was asked.
        self._unanswered = False
        self._recent: RecentResults | None = None
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._aside = Aside("claims-aside")
        #: Set when nobody waits for a producer any more.
        self._gone = threading.Event()
        self._switch_s = sys.getswitchinterval()

    async def __aenter__(self) -> "ClaimHouse":
        sys.setswitchinterval(_SWITCH_S)
        self._tasks = [
            in_background(self._begin(), "claims-begin"),
            in_background(self._ensure_buckets(), "claims-buckets"),
            in_background(self._stop_with_the_process(), "claims-stop"),
            in_background(self._tell_readiness(), "claims-readiness"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._consumer.stop()
        self._gone.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._aside.rest(_REST_S)
            await asyncio.to_thread(self._consumer.join, self._grace_left_s)
            self._predict.on_forecast = None
            await self._stack.aclose()
        finally:
            sys.setswitchinterval(self._switch_s)
            self._lane.close()
            await asyncio.to_thread(self._close)

    def producer(self) -> Producer:
        """The process's producer, from any thread.

        Raises:
            BrokerUnavailable: The broker has not answered yet.
        """
        if self._producer is None:
            raise BrokerUnavailable("The broker has not answered since the start.")
        return self._producer

    def publisher(self) -> Publisher:
        """For `POST /publish_inference_claims`."""
        settings = self._settings
        return Publisher(
            self.producer,
            settings.publish_topic or settings.consumer_topic_0,
            settings.processed_bucket,
            settings.test_object_key,
            self._clock,
            self.store,
            self._metrics,
            lambda: self._lifecycle.closing,
        )

    def look(self) -> ClaimsView:
        """For `GET /claims`."""
        recent = self._recent.latest() if self._recent is not None else ()
        bound = self._settings.queue_maxsize
        return view_of(self._consumer.statistics(), self._lane.statistics(), bound, self._metrics, recent)

    @property
    def stalled(self) -> bool:
        """Whether the consumer has not polled for half of what the group allows: a restart is the way out."""
        return self._consumer.statistics().poll_stall_s > self._settings.max_poll_interval / 2

    def readings(self) -> ClaimReadings:
        """For the metrics."""
        now = self._consumer.statistics()
        return readings_of(now, self._settings.queue_maxsize, self._unanswered or is_away(now))

    async def _begin(self) -> None:
        settings, stack = self._settings, self._stack
        producer = await self._connect()
        stack.push_async_callback(asyncio.to_thread, _close_quietly, producer)
        self._producer = producer
        log = (self._log_store, settings.inference_log_bucket) if self._log_store is not None else None
        recorder = await stack.enter_async_context(
            LogRecorder(
                *(producer, log, self._metrics, self._clock),
                grace_s=_UNRECORDED_S,
                crowd=max(1, settings.queue_maxsize // _CROWDS),
                coming=lambda: desk.coming,
            )
        )
        self._recent = RecentResults(recorder)
        if settings.log_http_forecasts:
            await self._record_http(producer, log)
        desk = ClaimDesk(
            *(self.store, self.forecaster, self._recent, desk_policy(settings)),
            *(self._metrics, self._clock, self._consumer.tell),
        )
        await stack.enter_async_context(desk)
        self._consumer.start(desk)

    async def _record_http(self, producer: Producer, log: Log | None) -> None:
        settings, predict, name = self._settings, self._predict, self.forecaster.model_name
        forecasts = await self._stack.enter_async_context(
            ForecastLog(producer, log, self._metrics, self._clock, settings.identifier, settings.producer_topic)
        )

        def note(query: ForecastQuery, answer: bytes | HeadedReply) -> None:
            model_id = predict.model_id
            forecasts.note(query, answer, name(model_id) if model_id else None, milliseconds(self._clock))

        predict.on_forecast = note

    async def _connect(self) -> Producer:
        pauses = RetryPolicy(first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        for attempts in itertools.count(1):
            try:
                producer = await self._aside.run(self._open)
                self._unanswered = False
                return producer
            except DependencyFailed as error:
                self._unanswered = True
                after_s = pauses.pause_s(attempts, random.random())
                events.consumer_loop_error(code=error.code, reason=error.message, after_s=round(after_s, 3))
                await self._clock.sleep(after_s)
        raise AssertionError("counting has no end")

    def _open(self) -> Producer:
        if self._settings.kafka_topic_partitions:
            self._broker.ensure_topics(topics_of(self._settings))
        producer = self._broker.producer()
        if self._gone.is_set():
            _close_quietly(producer)
            raise BrokerUnavailable("The process goes down.")
        return producer

    async def _ensure_buckets(self) -> None:
        """Makes the buckets that are missing, as soon as the store lets it: it may come up after this process."""
        missing = [] if self._settings.disable_bucket_ensure else [self.store, self._log_store]
        while missing:
            store = missing.pop()
            try:
                if store is not None:
                    await self._aside.run(store.ensure_buckets)
            except SluiceError as error:
                missing.append(store)
                events.buckets_not_made(code=error.code, reason=error.message, after_s=_BUCKETS_AGAIN_S)
                await self._clock.sleep(_BUCKETS_AGAIN_S)

    async def _stop_with_the_process(self) -> None:
        await self._lifecycle.until(State.DRAINING, State.STOPPED)
        self._consumer.stop()

    async def _tell_readiness(self) -> None:
        """Callers are served without claims, so the process stays ready; what claims lack stands beside it."""
        while True:
            now = self._consumer.statistics()
            away = self._unanswered or is_away(now)
            for reason, there in ((BROKER_AWAY, away), (CLAIMS_HELD, now.held is not None)):
                (self._lifecycle.degrade if there else self._lifecycle.restore)(reason)
            await self._clock.sleep(_LOOK_S)

    def _close(self) -> None:
        for store in (self.store, self._log_store):
            if store is not None:
                store.close()
        self._broker.close()


def _close_quietly(producer: Producer) -> None:
    with contextlib.suppress(SluiceError):  # what it could not send has been told to whoever sent it
        producer.close()
