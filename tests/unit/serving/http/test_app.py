"""The floor around an app's routes: a small app of our own, asked over ASGI without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import StreamingResponse

from serving.errors import DependencyFailed, NotReady, QueueFull
from serving.http.app import add_floor
from serving.http.exposition import metrics_router
from serving.http.problems import Shape, as_it_is
from serving.metrics import Metrics
from serving.settings import ServiceSettings

pytestmark = pytest.mark.anyio


def app_of(metrics: Metrics, shape: Shape = as_it_is) -> FastAPI:
    app = FastAPI()
    app.include_router(metrics_router(metrics))

    @app.get("/full")
    async def full() -> None:
        raise QueueFull(retry_after_s=7)

    @app.get("/ready")
    async def ready() -> None:
        raise NotReady("loading")

    @app.get("/upstream")
    async def upstream() -> None:
        raise DependencyFailed("The records did not answer.")

    @app.get("/defect/{number}")
    async def defect(number: int) -> None:
        raise ValueError(f"my chest hurts, {number}")

    @app.post("/read")
    async def read(request: Request) -> int:
        return len(await request.body())

    included = APIRouter()

    @included.post("/included")
    async def included_read(request: Request) -> int:
        return len(await request.body())

    @included.get("/misnamed")
    async def misnamed() -> None:
        raise DependencyFailed("No.", status=999, title="mine", trace_id="mine", code="mine", reason="kept")

    @included.get("/half")
    async def half() -> None:
        raise DependencyFailed("half a pair", name="\ud83d")

    @included.get("/cut")
    async def cut() -> StreamingResponse:
        async def words() -> AsyncIterator[str]:
            yield "one"
            raise ValueError("and no more")

        return StreamingResponse(words())

    @included.get("/health")
    async def broken_probe() -> None:
        raise ValueError("a probe that breaks")

    app.include_router(included)
    add_floor(app, ServiceSettings(), metrics, 1000, {}, shape)
    return app


@asynccontextmanager
async def asking(metrics: Metrics, shape: Shape = as_it_is) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app_of(metrics, shape))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_a_rejection_says_when_to_come_back() -> None:
    async with asking(Metrics()) as client:
        answer = await client.get("/full")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "queue_full"
    assert answer.json()["trace_id"] == answer.headers["x-request-id"]


async def test_every_503_has_a_retry_after() -> None:
    async with asking(Metrics()) as client:
        assert int((await client.get("/ready")).headers["retry-after"]) >= 1


async def test_an_unexpected_error_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    async with asking(metrics) as client:
        answer = await client.get("/defect/7", headers={"X-Request-ID": "mine"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "mine"
    assert "chest" not in answer.text + caplog.text
    (line,) = [r for r in caplog.records if r.msg == "unexpected_error"]
    assert vars(line)["event_fields"]["error_type"] == "ValueError"
    assert sample(metrics, "http_request_errors_total", endpoint="/defect/{number}") == 1


async def test_metrics_count_by_route_and_unknown_paths_share_one_name() -> None:
    metrics = Metrics()
    async with asking(metrics) as client:
        for path in ("/a", "/b/P000123", "/upstream", "/ready"):
            await client.get(path)
        await client.request("P000123", "/full")
        exposition = (await client.get("/metrics")).text
    assert "P000123" not in exposition
    assert sample(metrics, "http_requests_total", endpoint="unmatched", method="GET", status="404") == 2
    assert sample(metrics, "http_requests_total", endpoint="/upstream", method="GET", status="502") == 1
    assert sample(metrics, "http_request_errors_total", endpoint="/upstream") == 1


async def test_a_probe_that_is_told_not_yet_is_no_error() -> None:
    metrics = Metrics()
    async with asking(metrics) as client:
        assert (await client.get("/ready")).status_code == 503
    assert sample(metrics, "http_request_errors_total", endpoint="/ready") == 0


async def test_a_probe_that_breaks_is_an_error() -> None:
    metrics = Metrics()
    async with asking(metrics) as client:
        assert (await client.get("/health")).status_code == 500
    assert sample(metrics, "http_request_errors_total", endpoint="/health") == 1


async def test_an_answer_that_is_cut_off_is_an_error_though_it_began_well() -> None:
    metrics = Metrics()
    async with asking(metrics) as client:
        with pytest.raises(ValueError, match="and no more"):
            await client.get("/cut")
    assert sample(metrics, "http_requests_total", endpoint="/cut", method="GET", status="200") == 1
    assert sample(metrics, "http_request_errors_total", endpoint="/cut") == 1
    assert metrics.http_in_flight == 0


async def test_a_browsers_preflight_is_counted() -> None:
    metrics = Metrics()
    asks = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"}
    async with asking(metrics) as client:
        assert (await client.options("/read", headers=asks)).status_code == 200
        assert (await client.options("/read", headers={**asks, "Origin": "http://elsewhere"})).status_code == 400
    for status in ("200", "400"):
        assert sample(metrics, "http_requests_total", endpoint="unmatched", method="OPTIONS", status=status) == 1


async def test_a_body_over_the_bound_is_refused_with_and_without_a_length() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 400

    async with asking(Metrics()) as client:
        assert (await client.post("/read", content=b"x" * 1000)).json() == 1000
        assert (await client.post("/read", content=b"x" * 1001)).status_code == 413
        assert (await client.post("/read", content=chunks())).status_code == 413


async def test_an_early_refusal_is_counted_under_its_route_and_can_be_read_by_a_browser() -> None:
    metrics = Metrics()
    async with asking(metrics) as client:
        origin = {"Origin": "http://localhost:5173"}
        answer = await client.post("/included", content=b"x" * 1001, headers=origin)
    assert answer.status_code == 413
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert sample(metrics, "http_requests_total", endpoint="/included", method="POST", status="413") == 1


async def test_a_detail_never_takes_the_place_of_a_member_of_the_problem() -> None:
    async with asking(Metrics()) as client:
        answer = await client.get("/misnamed")
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (502, 502, "dependency_failed")
    assert problem["title"] == "A dependency failed"
    assert problem["trace_id"] == answer.headers["x-request-id"]
    assert problem["reason"] == "kept"


async def test_a_detail_that_is_no_text_still_makes_a_problem() -> None:
    async with asking(Metrics()) as client:
        answer = await client.get("/half")
    assert (answer.status_code, answer.json()["name"]) == (502, "\ud83d")


async def test_a_caller_that_hangs_up_in_its_own_body_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    sent: list[Any] = []
    parts = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/read", "headers": [], "query_string": b"", "scheme": "http"}
    await app_of(metrics)({**scope, "server": ("test", 80), "client": None, "root_path": ""}, receive, send)
    assert sent == []
    assert "unexpected_error" not in caplog.text
    assert sample(metrics, "http_request_errors_total", endpoint="/read") == 0


async def test_an_older_shape_is_plain_json() -> None:
    async with asking(Metrics(), lambda body: {"detail": body["code"]}) as client:
        answer = await client.get("/upstream")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
    assert answer.json() == {"detail": "dependency_failed"}
