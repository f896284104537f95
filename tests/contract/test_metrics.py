"""Metrics as an interface: each is described and on its page, and no caller can make one grow."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from inference_container.main import create_app as forecast_app
from inference_container.settings import InferenceSettings
from scripts.metrics_page import PAGE, all_metrics, services
from service_chat.main import create_app as chat_app
from service_chat.settings import ChatSettings
from serving.described import Described
from serving.metrics import METHODS, UNKNOWN, Metrics
from serving.metrics_page import metrics_page
from serving.version import VERSION

PINNED = Path(__file__).parent / "pinned"
#: What no caller's words may ever be in.
CANARY = "P000123canary"


@pytest.fixture(scope="module")
def described() -> list[Described]:
    return list(chain.from_iterable(metrics.described for metrics in all_metrics()))


def test_the_metrics_page_is_the_one_the_code_makes() -> None:
    assert PAGE.read_text() == metrics_page(services())


@pytest.mark.parametrize(("which", "file"), [(0, "metrics-chat.txt"), (1, "metrics-inference.txt")])
def test_every_pinned_metric_is_described_and_no_other(which: int, file: str) -> None:
    told = [metric.name.removesuffix("_total") for metric in all_metrics()[which].described]
    # A gauge may end like a counter.
    named = {name.removesuffix("_total") for name in (PINNED / file).read_text().split()}
    assert sorted(told) == sorted(named)


def test_every_metric_has_a_sentence_and_every_label_its_values_or_what_bounds_them(described: list[Described]) -> None:
    assert [metric.name for metric in described if not re.fullmatch(r"\S.*\.", metric.sentence)] == []
    assert [metric.name for metric in described for each in metric.labels if not (each.values or each.of)] == []
    assert [metric.name for metric in described if "|" in metric.sentence] == []  # it stands in a table


def test_a_histogram_tells_where_its_buckets_end(described: list[Described]) -> None:
    assert [metric.name for metric in described if (metric.kind == "histogram") != bool(metric.buckets)] == []


def test_counters_end_as_prometheus_wants_it(described: list[Described]) -> None:
    #: The predecessor's gauge of workers; its dashboards ask for it.
    older = {"inference_workers_total"}
    assert {m.name for m in described if m.name.endswith("_total") != (m.kind == "counter")} == older


def test_the_version_is_the_packages() -> None:
    assert f'version = "{VERSION}"' in (PAGE.parents[1] / "pyproject.toml").read_text()


@pytest.mark.parametrize("which", ["chats", "forecasts"])
def test_the_first_error_of_a_route_is_a_rise(which: str, tmp_path: Path) -> None:
    """Not a series that begins: of that a rate sees nothing."""
    stored = InferenceSettings(kafka_bootstrap_servers="memory", store_path=str(tmp_path), download_buckets="docs")
    app = chat_app(ChatSettings(llm_mode="mock")) if which == "chats" else forecast_app(stored)
    routes = {getattr(route.original_route, "path", "") for route in iter_route_contexts(app.routes)}
    metrics: Metrics = app.state.metrics
    counted = {
        labels["endpoint"]: value
        for family in metrics.registry.collect()
        for name, labels, value, *_ in family.samples
        if name == "http_request_errors_total"
    }
    assert set(counted) == {UNKNOWN, *routes} - {""}
    assert set(counted.values()) == {0}


class House:
    """A service's door without its lifespan: it answers, if only to say that it is not ready."""

    def __init__(self, app: FastAPI, door: ASGIApp) -> None:
        self.metrics: Metrics = app.state.metrics
        self._door = door
        self.endpoints = {
            UNKNOWN,
            *(getattr(route.original_route, "path", "") for route in iter_route_contexts(app.routes)),
            *(
                route.path_format or ""
                for route in iter_route_contexts(app.routes)
                if isinstance(route.original_route, APIRoute)
            ),
        }

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self._door, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


@pytest.fixture(scope="module")
def forecasts(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = str(tmp_path_factory.mktemp("store"))
    made = InferenceSettings(
        kafka_bootstrap_servers="memory", store_path=folder, download_buckets="docs", admin_token="for-the-tests"
    )
    app = forecast_app(made)
    return House(app, app.state.door)


@pytest.fixture(scope="module")
def chats() -> House:
    app = chat_app(ChatSettings(llm_mode="mock", admin_token="for-the-tests"))
    return House(app, app)


WORDS = st.sampled_from(
    [CANARY, "predict", "v2", "models", "triage", "healthz", "metrics", "..", "%2e", "a b", "\u00e9", ""]
)
PATHS = st.one_of(
    st.sampled_from(
        ["/predict", "/triage", "/metrics", "/healthz", "/health", "/ready", "/queue", "/", "/admin/settings"]
    ),
    st.lists(WORDS, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    st.sampled_from([f"/v2/models/{CANARY}/infer", f"/triage/{CANARY}", f"/page/{CANARY}", f"/download/docs/{CANARY}"]),
)
NAMES = ["origin", "traceparent", "x-request-id", "x-deadline-ms", "content-type", "content-encoding", "prefer", CANARY]
VALUES = st.sampled_from(
    [CANARY, "0", "100", "http://localhost:5173", "application/json", "text/event-stream", "gzip", "-1"]
)
REQUESTS = st.tuples(
    st.sampled_from([*METHODS, "TRACE", "PROPFIND", CANARY]),
    PATHS,
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    st.sampled_from([b"", b"{", b"{}", f'{{"query": "{CANARY}", "patient_mrn": "{CANARY}"}}'.encode(), b"x" * 2000]),
)
FEW = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def ask(house: House, requests: list[Any]) -> None:
    async with house.client() as client:
        for method, path, headers, body in requests:
            await client.request(
                method, httpx.URL("http://test").copy_with(path=path or "/"), headers=headers, content=body
            )


def check(house: House) -> None:
    """Every label value that is exported is one of those that were said there are."""
    assert CANARY not in house.metrics.exposition().decode()
    families = {family.name: family for family in house.metrics.registry.collect()}
    for metric in house.metrics.described:
        family = families.get(metric.name) or families[metric.name.removesuffix("_total")]
        for sample in family.samples:
            for label in metric.labels:
                value = sample.labels[label.name]
                if label.values:
                    assert value in label.values, (metric.name, label.name)
                if label.name == "endpoint":
                    assert value in house.endpoints
                if label.name == "status":
                    assert re.fullmatch(r"[1-5]\d\d", value)


@pytest.mark.anyio
@FEW
@given(requests=st.lists(REQUESTS, max_size=5))
async def test_no_request_makes_a_series_that_was_not_foreseen_of_forecasts(
    forecasts: House, requests: list[Any]
) -> None:
    await ask(forecasts, requests)
    check(forecasts)


@pytest.mark.anyio
@FEW
@given(requests=st.lists(REQUESTS, max_size=5))
async def test_no_request_makes_a_series_that_was_not_foreseen_of_chats(chats: House, requests: list[Any]) -> None:
    await ask(chats, requests)
    check(chats)
