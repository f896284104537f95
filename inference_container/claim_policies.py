"""How claims are set up: policies and topics from the settings, the pool as claims see it. `claim_house` calls it."""

from collections.abc import Mapping

from typing_extensions import override

from inference_container.broker.ports import Membership
from inference_container.claims.consuming.consumer import ConsumerPolicy
from inference_container.claims.consuming.gate import GatePolicy
from inference_container.claims.dead_letters import DeadLetterTopics, Kind
from inference_container.claims.deadlines import TtlPolicy
from inference_container.claims.desk.entries import ClaimTopics
from inference_container.claims.desk.way import DeskPolicy
from inference_container.claims.ports import Forecaster
from inference_container.claims.results import ModelName
from inference_container.claims.retries import RetryPolicy
from inference_container.forecasting.messages import ForecastQuery, ServedModel
from inference_container.services.predict import Predict
from inference_container.settings import InferenceSettings
from inference_container.settings_claims import NO_TOPIC
from serving.deadline import Deadline


class PoolForecaster(Forecaster):
    """The pool behind the claims' lane, and the names of all models that it has served."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._names: dict[str, ModelName] = {}

    def served(self, model: ServedModel) -> None:
        network = model.card.get("model")
        arch = network.get("arch") if isinstance(network, dict) else None
        self._names[model.bundle_id] = ModelName(model.bundle_id, str(arch or model.name), model.manifest_sha256)

    @override
    async def forecast_claim(self, query: ForecastQuery, deadline: Deadline) -> bytes:
        answer = await self._predict.forecast_claim(query, deadline)
        return answer if isinstance(answer, bytes) else answer.body

    @property
    @override
    def beside_callers(self) -> bool:
        return self._predict.beside_callers

    @override
    def model_name(self, bundle_id: str) -> ModelName | None:
        return self._names.get(bundle_id)


def consumer_policy(settings: InferenceSettings) -> ConsumerPolicy:
    training = None if settings.consumer_topic_1 == NO_TOPIC else settings.consumer_topic_1
    return ConsumerPolicy(
        Membership(
            settings.consumer_group_id,
            (settings.consumer_topic_0, training) if training else (settings.consumer_topic_0,),
            settings.consumer_assignor,
            settings.consumer_instance_id or None,
            session_timeout_s=settings.consumer_session_timeout,
            heartbeat_s=min(3.0, settings.consumer_session_timeout / 3),
            max_poll_interval_s=settings.max_poll_interval,
        ),
        settings.queue_maxsize,
        GatePolicy(settings.pause_threshold_pct, settings.resume_threshold_pct),
        TtlPolicy(settings.enable_ttl),
        settings.max_poll_records,
        settings.fetch_max_wait_ms / 1000,
        most_attempts=settings.claim_max_attempts,
        training_topic=training,
    )


def desk_policy(settings: InferenceSettings) -> DeskPolicy:
    return DeskPolicy(
        settings.identifier,
        settings.inference_length,
        settings.claim_timeout,
        settings.claim_max_bytes,
        RetryPolicy(settings.claim_max_attempts),
        ClaimTopics(settings.producer_topic, DeadLetterTopics(settings.dlq_performance_topic)),
        settings.claim_fetchers,
    )


def topics_of(settings: InferenceSettings) -> Mapping[str, int]:
    """All that this service reads from or writes to, with how many partitions each should have."""
    letters = DeadLetterTopics(settings.dlq_performance_topic)
    many = settings.kafka_topic_partitions
    found = {settings.consumer_topic_0: many, settings.producer_topic: many, letters.performance: 1}
    if settings.consumer_topic_1 != NO_TOPIC:
        found |= {settings.consumer_topic_1: many, letters.of(Kind.TRAINING, settings.consumer_topic_1): 1}
    if settings.promotion_topic != NO_TOPIC:
        found |= {settings.promotion_topic: 1, letters.of(Kind.PROMOTION, settings.promotion_topic): 1}
    return found
