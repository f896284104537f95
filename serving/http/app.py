"""What both doors put around their routes: problems, CORS, trace context and the schema of a problem in OpenAPI."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp
from typing_extensions import override

from serving.errors import SluiceError
from serving.http.problems import PROBLEM_SCHEMA, Shape, as_it_is, install_problems
from serving.http.trace import TraceMiddleware
from serving.metrics import Metrics
from serving.settings import ServiceSettings

#: For `FastAPI(telemetry=...)`: what it would tell a collector by itself holds whole addresses and the words of
#: exceptions, which may be a patient's, and one variable switches it on. Spans come from `serving.spans` alone.
NOT_BY_FASTAPI: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def add_floor(
    app: FastAPI,
    settings: ServiceSettings,
    metrics: Metrics,
    max_body_bytes: int,
    status: Mapping[type[SluiceError], int],
    shape: Shape = as_it_is,
) -> None:
    """Call it once, after the routes. `status` extends the error table, `shape` may rewrite a problem's body."""
    install_problems(app, status, shape)
    paths = frozenset(_documented_paths(app))
    metrics.expect_routes(_paths(app))
    app.add_middleware(TraceMiddleware, metrics=metrics, paths=paths, max_body_bytes=max_body_bytes, shape=shape)
    # Added last, so it is outermost: a browser must be able to read what the trace layer itself refuses.
    app.add_middleware(
        _CountedCors,
        metrics=metrics,
        allow_origins=settings.cors_allow_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=[
            *("X-Request-ID", "traceparent", "Retry-After", "WWW-Authenticate"),
            *("Location", "Preference-Applied", "Idempotency-Replayed"),
        ],
    )

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = PROBLEM_SCHEMA
            app.openapi_schema = document
        return app.openapi_schema

    setattr(app, "openapi", openapi)  # noqa: B010 - FastAPI's documented way to extend the document; mypy refuses `=`


class _CountedCors(CORSMiddleware):
    """A browser's preflight is answered out here, where nobody else would count it."""

    def __init__(self, app: ASGIApp, /, metrics: Metrics, **options: Any) -> None:
        super().__init__(app, **options)
        self._metrics = metrics

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        self._metrics.count_unmatched("OPTIONS", response.status_code)
        return response


def _paths(app: FastAPI) -> Iterator[str]:
    """Of all routes, as requests to them are counted."""
    for route in iter_route_contexts(app.routes):
        if path := getattr(route.original_route, "path", ""):
            yield path


def _documented_paths(app: FastAPI) -> Iterator[str]:
    """The paths of the OpenAPI document, without making it: that is a tenth of a start."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema and route.path_format:
            yield route.path_format
