"""What a route refuses before there is a ticket leaves an outcome in the metrics too; what has one, its lane counts.

For the routes behind the hot one. Requests that never reach a route (a path, a method, an announced length that the
outermost layer refuses) are in `http_requests_total` alone.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from typing_extensions import override

from serving.errors import CallerGone, InvalidInput


class Counts(Protocol):
    """`services.predict.Predict` is it."""

    def count(self, error: Exception, req_id: str | None = None) -> None: ...


@contextmanager
def until_the_ticket(predict: Counts) -> Iterator[None]:
    """Around all that a route does before it asks for the forecast."""
    try:
        yield
    except ClientDisconnect:
        predict.count(CallerGone())
        raise
    except HTTPException:  # the body bound, which stands outside of the route
        predict.count(InvalidInput())
        raise
    except Exception as error:
        predict.count(error)
        raise


def counted_route(predict: Counts) -> type[APIRoute]:
    """The route class for parameters that the framework checks before the route begins."""

    class CountedRoute(APIRoute):
        @override
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def counted(request: Request) -> Response:
                try:
                    return await handle(request)
                except RequestValidationError:
                    predict.count(InvalidInput())
                    raise

            return counted

    return CountedRoute
