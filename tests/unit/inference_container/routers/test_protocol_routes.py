import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from typing_extensions import override

from inference_container.errors import TooFewRows
from inference_container.forecasting.messages import ForecastQuery, HeadedReply, ServedModel
from inference_container.forecasting.protocol_names import JSON_LENGTH_HEADER, MULTIVARIATE
from inference_container.main import STATUS
from inference_container.routers.oip import oip_router
from inference_container.routers.protocol_route import Forecasts, Models
from inference_container.routers.timeseries import timeseries_router
from serving.deadline import Deadline
from serving.errors import QueueFull, SluiceError
from serving.lifecycle import Lifecycle, State
from tests.fakes.clock import ManualClock
from tests.fakes.predictor import fake_model
from tests.unit.inference_container.forecasting.codecs.tensors import binary_infer, infer_body, predicted
from tests.unit.inference_container.forecasting.samples import BUNDLE_ID, sample_data, sample_inferencer, sample_plan

pytestmark = pytest.mark.anyio

DATA = sample_data(8)
SERIES = {
    "type": MULTIVARIATE,
    "name": "one",
    "series": [list(row) for row in zip(DATA["load"], DATA["heat"], strict=True)],
    "frequency": "H",
    "start_timestamp": DATA["ts"][0],
}


class Answers(Forecasts, Models):
    """Forecasts with a real engine, in place; or refuses, fails and waits as a test says."""

    def __init__(self) -> None:
        self.inferencer = sample_inferencer(sample_plan())
        self.served: ServedModel | None = fake_model(BUNDLE_ID)
        self.refusal: SluiceError | None = None
        self.queries: list[ForecastQuery] = []
        self.spoil: Callable[[ForecastQuery], SluiceError | None] = lambda _: None
        self.cancelled = 0
        self.counted: list[Exception] = []

    @property
    @override
    def model(self) -> ServedModel | None:
        return self.served

    @override
    def refuse_early(self, size: int = 0) -> None:
        if self.refusal is not None:
            raise self.refusal

    @override
    def count(self, error: Exception, req_id: str | None = None) -> None:
        self.counted.append(error)

    @override
    async def forecast(self, query: ForecastQuery, deadline: Deadline) -> bytes | HeadedReply:
        self.queries.append(query)
        error = self.spoil(query)
        if error is not None:
            raise error
        try:
            await asyncio.sleep(0)
            if query.options is not None and query.options.series == 2:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        (reply,) = self.inferencer.answer([query]).replies
        if isinstance(reply, SluiceError):
            raise reply
        return reply


@asynccontextmanager
async def door() -> AsyncIterator[tuple[httpx.AsyncClient, Answers, Lifecycle]]:
    answers, life, clock = Answers(), Lifecycle(), ManualClock()
    life.to(State.READY)
    app = FastAPI(version="1.2.3")
    app.include_router(oip_router(answers, answers, life, 5, clock, STATUS))
    app.include_router(timeseries_router(answers, answers, 5, clock, STATUS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
        yield client, answers, life


def series_body(*series: object, model: str = "fake", **options: object) -> bytes:
    return orjson.dumps({"model": model, "inputs": series, "options": {"horizon": 2, **options}})


async def test_metadata_and_health_speak_of_the_model_that_is_served() -> None:
    async with door() as (client, _, life):
        assert (await client.get("/v2")).json()["version"] == "1.2.3"
        for path in ("/v2/models/fake", f"/v2/models/fake/versions/{BUNDLE_ID}"):
            found = (await client.get(path)).json()
            assert (found["name"], found["versions"]) == ("fake", [BUNDLE_ID])
            assert [each["name"] for each in found["inputs"]] == ["ts", "y"]
        paths = ("/v2/health/ready", "/v2/models/fake/ready", f"/v2/models/fake/versions/{BUNDLE_ID}/ready")
        assert [(await client.get(path)).status_code for path in paths] == [200] * 3
        life.to(State.DRAINING)
        assert [(await client.get(path)).status_code for path in paths] == [503] * 3
        assert (await client.get("/v2/health/live")).json() == {"live": True}


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/fake/versions/1", "/v2/models/fake/versions/1/ready"])
async def test_another_model_or_version_is_not_found_in_the_protocols_words(path: str) -> None:
    async with door() as (client, _, _life):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert list(answer.json()) == ["error"]


async def test_without_a_model_everything_but_liveness_waits() -> None:
    async with door() as (client, answers, _life):
        answers.served = None
        assert (await client.get("/v2/health/live")).status_code == 200
        for path in ("/v2/health/ready", "/v2/models/fake", "/v2/models/fake/ready"):
            assert (await client.get(path)).status_code == 503
        refused = await client.post("/v1/timeseries/forecast", content=series_body(SERIES))
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"


async def test_an_inference_is_a_forecast_whose_body_the_door_passes_on_unread() -> None:
    async with door() as (client, answers, _life):
        body = infer_body(DATA)
        answer = await client.post(f"/v2/models/fake/versions/{BUNDLE_ID}/infer", content=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["model_name"] == "fake"
        (query,) = answers.queries
        assert query.body == body
        assert query.options is not None
        assert query.options.version == BUNDLE_ID


async def test_bytes_behind_the_json_travel_both_ways_by_their_headers() -> None:
    async with door() as (client, _, _life):
        asked = binary_infer(DATA, parameters={"binary_data_output": True})
        assert asked.options is not None
        headers = {JSON_LENGTH_HEADER: str(asked.options.json_bytes)}
        answer = await client.post("/v2/models/fake/infer", content=asked.body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/octet-stream"
        head = orjson.loads(answer.content[: int(answer.headers[JSON_LENGTH_HEADER])])
        assert [each["name"] for each in head["outputs"]] == ["ts", "load"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [(TooFewRows(min_rows=6, rows=1), 400, None), (QueueFull(retry_after_s=3), 429, "3")],
)
@pytest.mark.parametrize("path", ["/v2/models/fake/infer", "/v1/timeseries/forecast"])
async def test_errors_keep_their_status_and_take_the_protocols_shape(
    path: str, error: SluiceError, status: int, retry_after: str | None
) -> None:
    async with door() as (client, answers, _life):
        answers.spoil = lambda _: error
        answer = await client.post(path, content=b"{}")
        assert answer.status_code == status
        assert answer.headers.get("retry-after") == retry_after
        told = answer.json()["error"]
        assert error.code in told if isinstance(told, str) else told["code"] == error.code


@pytest.mark.parametrize("path", ["/v2/models/fake/infer", "/v1/timeseries/forecast"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Encoding": "gzip"}, 415), ({"X-Deadline-Ms": "soon"}, 422)],
)
async def test_what_the_head_says_wrongly_is_refused_before_the_body_is_read(
    path: str, headers: dict[str, str], status: int
) -> None:
    async with door() as (client, answers, _life):
        answer = await client.post(path, content=b"{}", headers=headers)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
        assert not answers.queries


async def test_a_length_of_json_that_is_no_number_is_a_bad_request() -> None:
    async with door() as (client, _, _life):
        answer = await client.post("/v2/models/fake/infer", content=b"{}", headers={JSON_LENGTH_HEADER: "-1"})
        assert answer.status_code == 400


async def test_a_full_lane_refuses_before_the_body_is_read() -> None:
    async with door() as (client, answers, _life):
        answers.refusal = QueueFull(retry_after_s=1)
        for path in ("/v2/models/fake/infer", "/v1/timeseries/forecast"):
            assert (await client.post(path, content=b"{}")).status_code == 429
        assert not answers.queries


async def test_each_series_is_a_forecast_of_its_own_and_all_are_answered_in_their_order() -> None:
    async with door() as (client, answers, _life):
        answer = await client.post(
            "/v1/timeseries/forecast", content=series_body(SERIES, SERIES | {"name": "two"}), headers={}
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert [output["content"][0]["name"] for output in body["outputs"]] == ["one", "two"]
        assert body["outputs"][0]["content"][0]["mean_forecast"] == predicted(DATA, 2)["load"]
        assert (body["status"], body["model"], body["error"]) == ("completed", "fake", None)
        assert body["created_at"] == 1_767_225_600
        assert len({query.req_id for query in answers.queries}) == 2


async def test_one_series_that_fails_fails_the_request_and_frees_the_others() -> None:
    async with door() as (client, answers, _life):
        bad = SERIES | {"name": "bad", "series": [[1, 2]]}
        answer = await client.post(
            "/v1/timeseries/forecast", content=series_body(SERIES, bad, SERIES | {"name": "never answered"})
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "too_few_rows"
        assert answers.cancelled == 1


async def test_a_series_for_another_model_is_not_found() -> None:
    async with door() as (client, _, _life):
        answer = await client.post("/v1/timeseries/forecast", content=series_body(SERIES, model="other"))
        assert answer.status_code == 404


async def test_the_api_process_never_imports_what_only_codecs_need() -> None:
    program = "import sys, inference_container.main; assert not {'numpy', 'pyarrow', 'pandas'} & sys.modules.keys()"
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=Path(__file__).parents[4])
    assert await done.wait() == 0


@pytest.mark.parametrize("path", ["/v2/models/fake/infer", "/v1/timeseries/forecast"])
async def test_what_is_refused_before_the_forecast_is_counted_by_the_route(path: str) -> None:
    async with door() as (client, answers, _):
        assert (await client.post(path, content=b"{}", headers={"X-Deadline-Ms": "0"})).status_code == 422
        assert (await client.post(path, content=b"{}", headers={"Content-Encoding": "gzip"})).status_code == 415
        assert [type(error).__name__ for error in answers.counted] == ["InvalidHead", "UnsupportedMediaType"]
