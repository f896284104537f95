"""KServe's time-series API, `POST /v1/timeseries/forecast`: several series in, a forecast of each out, or one error.

Every series is a forecast of its own and goes by the same lane as any other. The body is never read here: the answer
to the first series says how many there are, and the rest are asked for then.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from inference_container.forecasting.messages import ForecastQuery, HeadedReply, QueryOptions
from inference_container.forecasting.protocol_names import SERIES_COUNT
from inference_container.routers.counted import until_the_ticket
from inference_container.routers.protocol_route import Forecasts, Models, declared_as, refuse_encoded, route_of
from inference_container.routers.protocol_schemas import FORECAST_BODY, ForecastAnswerBody, ForeignErrorAnswer
from inference_container.routers.request_head import deadline_of, size_of
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import NotReady, SluiceError, WorkFailed
from serving.http.disconnect import ClientDisconnected, while_connected


def timeseries_router(
    predict: Forecasts, models: Models, timeout_s: float, clock: Clock, own: Mapping[type[SluiceError], int]
) -> APIRouter:
    """`own` is the service's part of the error table."""
    router = APIRouter(tags=["forecast"], route_class=route_of(_shape, own))

    @router.post(
        "/v1/timeseries/forecast",
        summary="Forecast each of several series",
        response_class=Response,
        responses={
            200: {"model": ForecastAnswerBody, "description": "A forecast of every series."},
            **declared_as(ForeignErrorAnswer, 400, 404, 413, 415, 422, 429, 500, 503, 504),
        },
        openapi_extra={"requestBody": FORECAST_BODY},
    )
    async def forecast(request: Request) -> Response:
        head = dict(request.scope["headers"])
        with until_the_ticket(predict):
            predict.refuse_early(size_of(head))
            model = models.model
            if model is None:
                raise NotReady("The model is not loaded yet.", retry_after_s=5)
            refuse_encoded(head)
            deadline = deadline_of(head, timeout_s, clock)
            body = await deadline.bound(request.body())
        try:
            outputs = await while_connected(request, _forecasts(predict, body, model.name, deadline))
        except ClientDisconnected:
            return Response(status_code=499)  # nobody reads it; the code is for the access log
        return Response(_joined(model.name, outputs, clock), media_type="application/json")

    return router


async def _forecasts(predict: Forecasts, body: bytes, model: str, deadline: Deadline) -> list[bytes]:
    """The encoded output of every series, in their order; none when one of them fails.

    Raises:
        SluiceError: Whatever became of the first that failed.
    """

    async def ask(series: int) -> HeadedReply:
        options = QueryOptions(model=model, series=series)
        reply = await predict.forecast(ForecastQuery(secrets.token_hex(4), body, "timeseries", options), deadline)
        if not isinstance(reply, HeadedReply):
            raise WorkFailed("A worker answered a series in another format.")
        return reply

    first = await ask(0)
    asked = [asyncio.ensure_future(ask(series)) for series in range(1, int(dict(first.headers)[SERIES_COUNT]))]
    try:
        return [first.body, *(reply.body for reply in await asyncio.gather(*asked))]
    finally:
        _cancel(asked)  # one that failed fails the request: nobody waits for the others
        await asyncio.gather(*asked, return_exceptions=True)
        asked.clear()  # as in `while_connected`: an error holds this frame, and the frame would hold the error's task


def _cancel(tasks: Iterable[asyncio.Future[HeadedReply]]) -> None:
    for each in tasks:
        each.cancel()


def _joined(model: str, outputs: list[bytes], clock: Clock) -> bytes:
    head = orjson.dumps(
        {
            "id": f"resp_{secrets.token_hex(12)}",
            "created_at": int(clock.now().timestamp()),
            "status": "completed",
            "error": None,
            "model": model,
        }
    )
    return b"".join((head[:-1], b',"outputs":[', b",".join(outputs), b"]}"))


def _shape(body: dict[str, Any]) -> dict[str, Any]:
    error = {"code": body["code"], "message": body["detail"], "param": body.get("field"), "type": body["title"]}
    return {"error": error}
