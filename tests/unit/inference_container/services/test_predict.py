import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from inference_container.errors import TooFewRows
from inference_container.forecasting.messages import ForecastQuery
from inference_container.metrics import InferenceMetrics
from inference_container.services.batches import BatchFeed
from inference_container.services.lanes import ForecastAnswer, ForecastLane, Lanes, make_lanes
from inference_container.services.predict import Predict
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import ChildDied, DeadlineExceeded, Draining, NotReady, QueueFull, SluiceError
from serving.lifecycle import Lifecycle, State
from tests.fakes.predictor import FakePredictor
from tests.unit.until import until

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()


@dataclass
class House:
    predict: Predict
    predictor: FakePredictor
    lanes: Lanes
    life: Lifecycle
    metrics: InferenceMetrics

    @property
    def lane(self) -> ForecastLane:
        return self.lanes.interactive

    def outcomes(self) -> dict[str, float]:
        samples = next(m for m in self.metrics.registry.collect() if m.name == "inference_jobs_outcome").samples
        return {s.labels["outcome"]: s.value for s in samples if s.name.endswith("_total") and s.value}

    async def ask(self, name: str, seconds: float = 10) -> ForecastAnswer:
        return await self.predict.forecast(ForecastQuery(name, name.encode()), Deadline.after(seconds, CLOCK))


@asynccontextmanager
async def house(capacity: int = 8, batch_size: int = 4) -> AsyncIterator[House]:
    predictor, lanes = FakePredictor(), make_lanes(capacity, 1_000_000, CLOCK)
    life, metrics = Lifecycle(), InferenceMetrics()
    life.to(State.READY)
    predict = Predict(lanes, predictor, life, metrics, CLOCK)
    async with BatchFeed(lanes, predictor, metrics, CLOCK, batch_size):
        yield House(predict, predictor, lanes, life, metrics)


async def test_what_waits_together_is_forecast_together() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        first = asyncio.create_task(h.ask("a"))
        await until(lambda: h.predictor.batches == [["a"]])
        rest = [asyncio.create_task(h.ask(name)) for name in "bcdef"]
        await until(lambda: h.lane.depth == 5)
        h.predictor.gate.set()
        assert await first == b"a"
        assert await asyncio.gather(*rest) == [b"b", b"c", b"d", b"e", b"f"]
        assert h.predictor.batches == [["a"], ["b", "c", "d"], ["e", "f"]]
        assert h.outcomes() == {"success": 6}


async def test_one_bad_query_does_not_harm_its_batch() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        held = asyncio.create_task(h.ask("held"))
        await until(lambda: len(h.predictor.batches) == 1)
        h.predictor.replies["bad"] = TooFewRows(min_rows=4, rows=1)
        bad, good = asyncio.create_task(h.ask("bad")), asyncio.create_task(h.ask("good"))
        await until(lambda: h.lane.depth == 2)
        h.predictor.gate.set()
        assert await good == b"good"
        with pytest.raises(TooFewRows):
            await bad
        await held
        assert h.outcomes() == {"success": 2, "client_error": 1}


@pytest.mark.parametrize(("error", "outcome"), [(ChildDied(), "exception"), (NotReady(), "rejected")])
async def test_a_batch_that_fails_fails_typed_and_the_next_one_is_served(error: SluiceError, outcome: str) -> None:
    async with house() as h:
        h.predictor.error = error
        with pytest.raises(type(error)):
            await h.ask("a")
        h.predictor.error = None
        assert await h.ask("b") == b"b"
        assert h.outcomes() == {outcome: 1, "success": 1}


async def test_a_full_lane_refuses_before_anything_is_read() -> None:
    async with house(capacity=1) as h:
        h.predictor.gate.clear()
        running = asyncio.create_task(h.ask("a"))
        await until(lambda: h.lane.statistics().running == 1)
        waiting = asyncio.create_task(h.ask("b"))
        await until(lambda: h.lane.full)
        with pytest.raises(QueueFull) as refusal:
            h.predict.refuse_early()
        assert refusal.value.details["retry_after_s"] >= 1
        h.predictor.gate.set()
        await asyncio.gather(running, waiting)
        assert h.lane.statistics().rejected == 1
        assert h.outcomes() == {"success": 2}  # whoever tells the caller counts it
        h.predict.count(refusal.value)
        assert h.outcomes() == {"rejected": 1, "success": 2}


async def test_a_deadline_that_passes_is_counted_as_one() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        with pytest.raises(DeadlineExceeded):
            await h.ask("a", 0.02)
        h.predictor.gate.set()
        assert h.outcomes() == {"timeout": 1}


async def test_without_a_model_every_request_is_refused_early() -> None:
    async with house() as h:
        h.predictor.served = None
        with pytest.raises(NotReady) as refusal:
            h.predict.refuse_early()
        assert refusal.value.details["retry_after_s"] >= 1


async def test_a_process_that_goes_down_refuses_early() -> None:
    async with house() as h:
        h.life.to(State.DRAINING)
        with pytest.raises(Draining):
            h.predict.refuse_early()


async def test_a_flood_of_claims_costs_callers_neither_a_place_nor_their_turn() -> None:
    async with house(capacity=6, batch_size=2) as h:
        h.predictor.gate.clear()
        first = asyncio.create_task(h.ask("first"))
        await until(lambda: len(h.predictor.batches) == 1)
        claims = [
            asyncio.create_task(h.predict.forecast_claim(ForecastQuery(f"c{n}", b"c"), Deadline.after(10, CLOCK)))
            for n in range(12)
        ]
        await until(lambda: h.lanes.claims.full)
        callers = [asyncio.create_task(h.ask(f"u{n}")) for n in range(6)]
        await until(lambda: h.lane.full)
        h.predictor.gate.set()
        await asyncio.gather(first, *claims, *callers)
        assert h.lane.statistics().rejected == 0
        kinds = "".join(batch[0][0] for batch in h.predictor.batches[1:])
        # All six callers are done before a second batch of claims begins; the claims had their turn among them.
        assert kinds[:4].count("u") == 3
        assert kinds.count("c") == 6


async def test_a_claim_whose_worker_died_is_told_so_and_left_to_who_counts_its_tries() -> None:
    async with house() as h:
        h.predictor.errors = [ChildDied()]
        with pytest.raises(ChildDied):
            await h.predict.forecast_claim(ForecastQuery("c", b"claim"), Deadline.after(10, CLOCK))
        assert h.predictor.batches == [["c"]]


async def test_a_claim_that_was_taken_is_forecast_while_the_process_goes_down() -> None:
    async with house() as h:
        h.life.to(State.DRAINING)
        assert await h.predict.forecast_claim(ForecastQuery("c", b"claim"), Deadline.after(10, CLOCK)) == b"claim"


async def test_a_claim_is_not_admitted_where_nothing_can_be_forecast() -> None:
    async with house() as h:
        h.life.to(State.FAILED, "Workers keep dying.")
        with pytest.raises(NotReady, match="keep dying"):
            await h.predict.forecast_claim(ForecastQuery("c", b"claim"), Deadline.after(10, CLOCK))


async def test_forecasts_that_callers_were_given_are_told_of_and_those_of_claims_are_not() -> None:
    told: list[tuple[str, object]] = []
    async with house() as h:
        h.predict.on_forecast = lambda query, answer: told.append((query.req_id, answer))
        await h.ask("caller")
        await h.predict.forecast_claim(ForecastQuery("c", b"claim"), Deadline.after(10, CLOCK))
        h.predictor.errors = [ChildDied()]
        with pytest.raises(ChildDied):
            await h.ask("unlucky")
        assert [req_id for req_id, _ in told] == ["caller"]


async def test_bytes_are_bounded_as_places_are() -> None:
    async with house(capacity=100) as h:
        h.predictor.gate.clear()
        asked = [
            asyncio.create_task(h.predict.forecast(ForecastQuery(str(n), b"x" * 300_000), Deadline.after(10, CLOCK)))
            for n in range(3)
        ]
        await until(lambda: h.lane.held_bytes == 900_000)
        assert h.predict.is_full(300_000)
        assert not h.predict.is_full(50_000)
        h.predictor.gate.set()
        await asyncio.gather(*asked)
        assert h.lane.held_bytes == 0


def histogram(h: House, name: str, lane: str) -> tuple[float, float]:
    """How often, and the sum."""
    sample = h.metrics.registry.get_sample_value
    count, total = (sample(f"{name}_{part}", {"lane": lane}) for part in ("count", "sum"))
    return count or 0.0, total or 0.0


async def test_callers_and_claims_are_counted_apart() -> None:
    async with house() as h:
        await h.ask("a")
        for name in "bc":
            await h.predict.forecast_claim(ForecastQuery(name, name.encode()), Deadline.after(10, CLOCK))
        for lane, times in (("callers", 1), ("claims", 2)):
            labels = {"lane": lane, "outcome": "success"}
            assert h.metrics.registry.get_sample_value("inference_jobs_outcome_total", labels) == times
            for name in ("inference_queue_wait_seconds", "inference_latency_seconds"):
                assert histogram(h, name, lane)[0] == times


async def test_who_never_started_has_waited_all_the_same() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        running = asyncio.create_task(h.ask("a"))
        await until(lambda: h.lane.statistics().running == 1)
        with pytest.raises(DeadlineExceeded):
            await h.ask("late", 0.05)
        assert histogram(h, "inference_queue_wait_seconds", "callers")[0] == 1
        assert histogram(h, "inference_queue_wait_seconds", "callers")[1] >= 0.05
        h.predictor.gate.set()
        await running
        assert histogram(h, "inference_queue_wait_seconds", "callers")[0] == 2
