"""Errors as problem responses (RFC 9457), the HTTP door's one table from the error tree to status codes.

Every problem carries `trace_id`; a rejection carries `Retry-After` in whole seconds. Nothing of an unexpected error's
text reaches the caller: it may quote a record.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.encoding import dumps
from serving.errors import (
    DeadlineExceeded,
    DependencyFailed,
    Draining,
    InvalidInput,
    NotFound,
    NotReady,
    QueueFull,
    Rejected,
    SluiceError,
    Unauthorized,
    WorkFailed,
)
from serving.tracing import current_trace

MEDIA_TYPE = "application/problem+json"

#: Most specific class wins. A service adds its own errors beside its routers.
STATUS: Mapping[type[SluiceError], int] = {
    SluiceError: 500,
    Rejected: 503,
    QueueFull: 429,
    NotReady: 503,
    DeadlineExceeded: 504,
    InvalidInput: 400,
    NotFound: 404,
    Unauthorized: 401,
    DependencyFailed: 502,
    WorkFailed: 503,
}

_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Request body too large",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    422: "Request does not fit the schema",
    429: "Too many requests",
    500: "Internal error",
    502: "A dependency failed",
    503: "Service unavailable",
    504: "Deadline exceeded",
}

#: Turns a finished problem into the body that is sent; a service may keep an older shape alive with it.
Shape = Callable[[dict[str, Any]], dict[str, Any]]


def as_it_is(body: dict[str, Any]) -> dict[str, Any]:
    return body


def status_of(error: SluiceError, table: Mapping[type[SluiceError], int] = STATUS) -> int:
    return next(table[cls] for cls in type(error).__mro__ if cls in table)


def problem(status: int, code: str, detail: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The members of RFC 9457 §3.1 and ours: `code`, `trace_id`, and the error's details as extensions."""
    trace = current_trace()
    return {
        **(details or {}),  # first: a detail must never take the place of a member, least of all of the status
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
        "trace_id": trace.trace_id if trace is not None else None,
    }


def problem_response(body: dict[str, Any], shape: Shape = as_it_is) -> Response:
    headers: dict[str, str] = {}
    retry_after = body.get("retry_after_s")
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    elif body["status"] == 503:
        headers["Retry-After"] = "1"
    if body["code"] == Draining.code:
        headers["Connection"] = "close"  # the next request belongs to another replica
    if body["status"] in (401, 403) and (body["status"] == 401 or "challenge" in body):
        headers["WWW-Authenticate"] = body.get("challenge", "Bearer")
    media_type = MEDIA_TYPE if shape is as_it_is else "application/json"
    return Response(dumps(shape(body)), body["status"], headers, media_type=media_type)


def install_problems(
    app: FastAPI,
    own: Mapping[type[SluiceError], int] | None = None,
    shape: Shape = as_it_is,
) -> None:
    """Makes every error of the tree that leaves a route of `app` a problem. `own` adds the service's errors.

    Errors outside the tree are answered by `serving.http.trace`, the outermost layer.
    """
    table = {**STATUS, **(own or {})}

    def respond(body: dict[str, Any]) -> Response:
        return problem_response(body, shape)

    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, SluiceError)
        return respond(problem(status_of(error, table), error.code, error.message, error.details))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = describe_validation(error.errors())
        return respond(problem(422, "invalid_request", "The request does not fit the schema.", {"errors": errors}))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title = _TITLES.get(error.status_code, "Error")
        response = respond(problem(error.status_code, title.lower().replace(" ", "_"), str(error.detail)))
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    app.add_exception_handler(SluiceError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def describe_validation(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """Where and what, as FastAPI lists it, without the offending value: it may be what a patient wrote."""
    return [{"loc": list(error["loc"]), "msg": error["msg"], "type": error["type"]} for error in errors]


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: that it may answer these statuses with a problem."""
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {s: {"description": _TITLES[s], "content": {MEDIA_TYPE: reference}} for s in statuses}


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem. Members beyond these depend on `code`.",
    "required": ["type", "title", "status", "code", "detail", "trace_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "trace_id": {"type": ["string", "null"]},
    },
}
