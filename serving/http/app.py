"""What both doors put around their routes: problems, CORS, trace context and the schema of a problem in OpenAPI."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from serving.errors import SluiceError
from serving.http.problems import PROBLEM_SCHEMA, Shape, as_it_is, install_problems
from serving.http.trace import TraceMiddleware
from serving.metrics import Metrics
from serving.settings import ServiceSettings


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
    app.add_middleware(TraceMiddleware, metrics=metrics, paths=paths, max_body_bytes=max_body_bytes, shape=shape)
    # Added last, so it is outermost: a browser must be able to read what the trace layer itself refuses.
    app.add_middleware(
        CORSMiddleware,
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


def _documented_paths(app: FastAPI) -> Iterator[str]:
    """The paths of the OpenAPI document, without making it: that is a tenth of a start."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema and route.path_format:
            yield route.path_format
