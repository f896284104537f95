"""Routes of a protocol that others defined: the same errors as everywhere, in the shape that its clients read.

`oip` and `timeseries` build their routers on it. Only what comes from outside of a route (a body whose announced length
is too large, a defect of ours) keeps the shape of a problem.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from typing_extensions import override

from inference_container.errors import UnsupportedMediaType
from inference_container.forecasting.messages import ForecastQuery, HeadedReply, ServedModel
from inference_container.routers.request_head import Head
from serving.deadline import Deadline
from serving.errors import SluiceError
from serving.http.problems import STATUS, Shape, declared, describe_validation, problem, problem_response, status_of


class Forecasts(Protocol):
    """The one forecast that every door runs; `services.predict.Predict` is it."""

    def refuse_early(self, size: int = 0) -> None: ...

    def count(self, error: Exception, req_id: str | None = None) -> None: ...

    async def forecast(self, query: ForecastQuery, deadline: Deadline) -> bytes | HeadedReply: ...


class Models(Protocol):
    """What is served now."""

    @property
    def model(self) -> ServedModel | None: ...


def route_of(shape: Shape, own: Mapping[type[SluiceError], int]) -> type[APIRoute]:
    """The route class of a router. `shape` turns a problem into the protocol's error, `own` extends the error table."""
    table = {**STATUS, **own}

    class ShapedRoute(APIRoute):
        @override
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def shaped(request: Request) -> Response:
                try:
                    return await handle(request)
                except SluiceError as error:
                    body = problem(status_of(error, table), error.code, error.message, error.details)
                except RequestValidationError as error:
                    errors = describe_validation(error.errors())
                    body = problem(422, "invalid_request", "The request does not fit the schema.", {"errors": errors})
                except HTTPException as error:
                    body = problem(error.status_code, "request_refused", str(error.detail))
                return problem_response(body, shape)

            return shaped

    return ShapedRoute


def declared_as(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: its errors in the protocol's shape, or as a problem from outside of the route."""
    return {status: {**described, "model": model} for status, described in declared(*statuses).items()}


def refuse_encoded(head: Head) -> None:
    """Bodies are read as they come: a small one that unpacks to a large one would be nobody's to bound.

    Raises:
        UnsupportedMediaType: the body is compressed.
    """
    if head.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        raise UnsupportedMediaType("Compressed bodies are not read: send it without a Content-Encoding.")
