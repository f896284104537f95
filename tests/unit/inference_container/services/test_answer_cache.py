import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.errors import TooFewRows
from inference_container.forecasting.messages import BodyKind, ForecastQuery, ForecastReply, QueryOptions
from inference_container.metrics import InferenceMetrics
from inference_container.services.answer_cache import AnswerCache
from inference_container.services.batches import BatchFeed
from inference_container.services.lanes import ForecastLane, make_lanes
from inference_container.services.predict import Predict
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.errors import ChildDied, DeadlineExceeded
from serving.lifecycle import Lifecycle, State
from tests.fakes.clock import ManualClock
from tests.fakes.predictor import FakePredictor, fake_model
from tests.unit.until import until

pytestmark = pytest.mark.anyio

A, B = "a" * 64, "b" * 64
SERIES = b'{"data":{"ts":["2025-01-01T00:00:00"],"y":[1.0]},"inference_length":2}'
TTL_S = 60.0


@dataclass
class House:
    cache: AnswerCache
    predict: Predict
    predictor: FakePredictor
    lane: ForecastLane
    clock: ManualClock
    metrics: InferenceMetrics

    @property
    def forecasts(self) -> int:
        return sum(map(len, self.predictor.batches))

    def serve(self, model: str) -> None:
        self.predictor.served = fake_model(model)

    async def ask(
        self,
        body: bytes = SERIES,
        options: QueryOptions | None = None,
        seconds: float = 10,
        kind: BodyKind = "json",
        req_id: str = "asked",
    ) -> dict[str, Any]:
        query = ForecastQuery(req_id, body, kind, options)
        return orjson.loads(await self.cache.forecast(query, Deadline.after(seconds, SystemClock())))  # type: ignore[no-any-return]

    def counted(self) -> dict[str, float]:
        samples = next(m for m in self.metrics.registry.collect() if m.name == "inference_cache").samples
        return {s.labels["outcome"]: s.value for s in samples if s.name.endswith("_total") and s.value}


@asynccontextmanager
async def house(size: int = 4) -> AsyncIterator[House]:
    clock, real = ManualClock(), SystemClock()
    predictor, lanes, life, metrics = FakePredictor(), make_lanes(100, 1_000_000, real), Lifecycle(), InferenceMetrics()
    life.to(State.READY)
    predict = Predict(lanes, predictor, life, metrics, real)
    cache = AnswerCache(predict, metrics, clock, size, TTL_S)
    h = House(cache, predict, predictor, lanes.interactive, clock, metrics)
    h.serve(A)

    def answer(queries: Sequence[ForecastQuery]) -> Sequence[ForecastReply]:
        assert predictor.served is not None
        told = {"status": "SUCCESS", "run_id": predictor.served.bundle_id, "cached": False}
        return [
            predictor.replies.get(query.req_id)
            or orjson.dumps(
                {**told, "req_id": query.req_id, "echo": query.body.decode(), "options": str(query.options)}
            )
            for query in queries
        ]

    predictor.answer = answer
    async with BatchFeed(lanes, predictor, metrics, real, 8):
        yield h


async def test_the_same_question_again_is_answered_from_memory_and_says_so() -> None:
    async with house() as h:
        first, again = await h.ask(req_id="1"), await h.ask(req_id="2")
        assert (first["status"], first["cached"], first["req_id"]) == ("SUCCESS", False, "1")
        assert (again["status"], again["cached"], again["req_id"]) == ("SUCCESS_CACHED", True, "2")
        assert (again["run_id"], again["echo"]) == (first["run_id"], first["echo"])
        assert (h.forecasts, h.cache.served) == (1, 1)
        assert h.counted() == {"miss": 1, "hit": 1}


async def test_the_order_of_keys_and_the_spaces_between_them_make_no_other_question() -> None:
    async with house() as h:
        await h.ask()
        again = await h.ask(b'{ "inference_length": 2, "data": {"y": [1.0], "ts": ["2025-01-01T00:00:00"]} }')
        assert again["cached"] is True


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (SERIES.replace(b"[1.0]", b"[1.5]"), None),
        (SERIES.replace(b":2}", b":3}"), None),
        (SERIES.replace(b'"y"', b'"x"'), None),
        (SERIES.replace(b",", b',"index_col":"ts",', 1), None),
        (SERIES, QueryOptions(inference_length=3)),
        (SERIES, QueryOptions(quantiles=(0.1,))),
        (SERIES, QueryOptions(timings=True)),
    ],
)
async def test_another_series_horizon_or_option_is_another_question(body: bytes, options: QueryOptions | None) -> None:
    async with house() as h:
        await h.ask()
        assert (await h.ask(body, options))["cached"] is False
        assert h.forecasts == 2


async def test_another_model_never_answers_from_the_first_ones_memory() -> None:
    async with house() as h:
        await h.ask()
        h.serve(B)
        assert (await h.ask())["run_id"] == B
        assert h.forecasts == 2


async def test_an_answer_that_a_swap_overtook_is_not_kept_for_either_model() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        asking = asyncio.create_task(h.ask())
        await until(lambda: h.forecasts == 1)
        h.serve(B)
        h.predictor.gate.set()
        assert (await asking)["run_id"] == B
        h.serve(A)  # rolled back
        assert (await h.ask())["run_id"] == A


@settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.sampled_from(["ask", "begin", "swap"]), st.integers(0, 2)), max_size=30))
async def test_an_answer_from_memory_is_always_the_served_models_own(steps: list[tuple[str, int]]) -> None:
    async with house() as h:
        begun: list[asyncio.Task[dict[str, Any]]] = []
        for step, number in steps:
            body = b'{"data":{"y":[%d]}}' % number
            if step == "swap":
                h.serve(fake_model(str(number) * 64).bundle_id)
                h.predictor.gate.set()
                await asyncio.gather(*begun)
                begun.clear()
            elif step == "begin":
                h.predictor.gate.clear()
                begun.append(asyncio.create_task(h.ask(body)))
                await asyncio.sleep(0)
            else:
                h.predictor.gate.set()
                answer = await h.ask(body)
                assert (answer["run_id"], answer["echo"]) == (h.predict.model_id, body.decode())
        h.predictor.gate.set()
        await asyncio.gather(*begun)


async def test_an_answer_is_kept_for_its_time_and_no_longer() -> None:
    async with house() as h:
        await h.ask()
        h.clock.turn(TTL_S - 1)
        assert (await h.ask())["cached"] is True
        h.clock.turn(1)
        assert (await h.ask())["cached"] is False
        assert (await h.ask())["cached"] is True


async def test_no_more_answers_are_kept_than_there_is_room_for_and_the_least_asked_for_goes() -> None:
    async with house(size=2) as h:
        for number in (1, 2):
            await h.ask(b'{"n":%d}' % number)
        assert (await h.ask(b'{"n":1}'))["cached"] is True
        await h.ask(b'{"n":3}')
        cached = {number: (await h.ask(b'{"n":%d}' % number))["cached"] for number in (1, 3, 2)}
        assert cached == {1: True, 3: True, 2: False}


async def test_fifty_who_ask_the_same_at_once_share_one_forecast() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        asking = [asyncio.create_task(h.ask(req_id=str(number))) for number in range(50)]
        await until(lambda: h.forecasts == 1)
        await asyncio.sleep(0.01)
        h.predictor.gate.set()
        answers = await asyncio.gather(*asking)
        assert h.forecasts == 1
        assert h.lane.statistics().admitted == 1
        assert [answer["req_id"] for answer in answers] == [str(number) for number in range(50)]
        assert [answer["cached"] for answer in answers].count(False) == 1
        assert h.counted() == {"miss": 1, "hit": 49}


async def test_a_leader_that_hangs_up_is_followed_by_another_and_not_by_a_refusal() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        leader = asyncio.create_task(h.ask(req_id="leader"))
        await until(lambda: h.forecasts == 1)
        followers = [asyncio.create_task(h.ask(req_id=str(number))) for number in range(5)]
        await asyncio.sleep(0.005)
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        assert h.lane.statistics().abandoned == 1
        h.predictor.gate.set()
        answers = await asyncio.gather(*followers)
        assert [answer["run_id"] for answer in answers] == [A] * 5
        assert h.forecasts == 2


async def test_a_leader_with_less_time_than_its_followers_takes_none_of_theirs() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        leader = asyncio.create_task(h.ask(seconds=0.03))
        await until(lambda: h.forecasts == 1)
        follower = asyncio.create_task(h.ask(seconds=10))
        with pytest.raises(DeadlineExceeded):
            await leader
        h.predictor.gate.set()
        assert (await follower)["run_id"] == A


async def test_a_follower_waits_no_longer_than_its_own_deadline() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        leader = asyncio.create_task(h.ask(seconds=10))
        await until(lambda: h.forecasts == 1)
        with pytest.raises(DeadlineExceeded):
            await h.ask(seconds=0.03)
        h.predictor.gate.set()
        assert (await leader)["cached"] is False


async def test_a_failure_is_never_kept() -> None:
    async with house() as h:
        h.predictor.errors = [ChildDied()]
        with pytest.raises(ChildDied):
            await h.ask()
        h.predictor.replies["bad"] = TooFewRows(min_rows=4, rows=1)
        with pytest.raises(TooFewRows):
            await h.ask(req_id="bad")
        assert (await h.ask())["cached"] is False


async def test_a_refusal_of_the_question_itself_is_shared_by_all_who_ask_it_at_that_moment() -> None:
    async with house() as h:
        h.predictor.gate.clear()
        h.predictor.replies["0"] = TooFewRows(min_rows=4, rows=1)
        asking = [asyncio.create_task(h.ask(req_id=str(number))) for number in range(3)]
        await until(lambda: h.forecasts == 1)
        h.predictor.gate.set()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TooFewRows] * 3
        assert h.forecasts == 1


@pytest.mark.parametrize("body", [b"{", b"\xff", b"{1:2}"])
async def test_a_body_that_can_not_be_read_has_no_place_in_memory(body: bytes) -> None:
    async with house() as h:
        h.predictor.replies["asked"] = b'{"run_id":"x"}'
        await h.ask(body)
        await h.ask(body)
        assert h.forecasts == 2
        assert h.counted() == {"bypass": 2}


async def test_without_a_claim_an_empty_body_is_nobodys_question() -> None:
    async with house() as h:
        assert (await h.ask(b""))["echo"] == ""
        assert (await h.ask(b""))["cached"] is False


async def test_an_empty_body_asks_for_the_last_claims_series() -> None:
    async with house() as h:
        await h.predict.forecast_claim(ForecastQuery("claim", SERIES), Deadline.after(10, SystemClock()))
        first, again = await h.ask(b"", req_id="1"), await h.ask(b" \n", req_id="2")
        assert (first["echo"], first["req_id"], first["cached"]) == (SERIES.decode(), "1", False)
        assert (again["echo"], again["req_id"], again["cached"]) == (SERIES.decode(), "2", True)
        await h.predict.forecast_claim(ForecastQuery("newer", b'{"n":1}'), Deadline.after(10, SystemClock()))
        assert (await h.ask(b""))["echo"] == '{"n":1}'


async def test_an_empty_body_may_still_say_how_far_it_asks() -> None:
    async with house() as h:
        claim = ForecastQuery("claim", SERIES, "json", QueryOptions(index_col="ts"))
        await h.predict.forecast_claim(claim, Deadline.after(10, SystemClock()))
        asked = await h.ask(b"", QueryOptions(inference_length=5))
        assert asked["options"] == str(QueryOptions(inference_length=5, index_col="ts"))
        assert (await h.ask(b""))["options"] == str(QueryOptions(index_col="ts"))


async def test_the_same_files_under_another_manifest_are_another_model() -> None:
    async with house() as h:
        await h.ask()
        assert h.predictor.served is not None
        h.predictor.served = dataclasses.replace(h.predictor.served, manifest_sha256="c" * 64)
        assert (await h.ask())["cached"] is False
        assert h.forecasts == 2
