"""`POST /predict` behind the hot route: what OpenAPI describes, and the way of the requests that route leaves alone.

A browser's cross-origin request and every request while the answer cache is on come here. Same admission, same workers,
same answers; a contract test compares the two.
"""

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from inference_container.forecasting.messages import ForecastQuery, HeadedReply
from inference_container.routers.counted import counted_route, until_the_ticket
from inference_container.routers.request_head import Asked, deadline_of, kind_of, options_of, size_of
from inference_container.routers.schemas import PREDICT_BODY, PredictAnswer
from inference_container.services.answer_cache import AnswerCache
from inference_container.services.predict import Predict
from serving.clock import Clock
from serving.http.disconnect import ClientDisconnected, while_connected
from serving.http.problems import declared


def predict_router(predict: Predict, cache: AnswerCache | None, timeout_s: float, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["forecast"], route_class=counted_route(predict))

    @router.post(
        "/predict",
        summary="Forecast what comes after the last row",
        response_class=Response,
        responses={
            200: {"model": PredictAnswer, "description": "The forecast."},
            **declared(400, 413, 415, 422, 429, 500, 503, 504),
        },
        openapi_extra={"requestBody": PREDICT_BODY},
    )
    async def forecast(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        head = dict(request.scope["headers"])
        with until_the_ticket(predict):
            predict.refuse_early(size_of(head))
            deadline = deadline_of(head, timeout_s, clock)
            kind, options = kind_of(head), options_of(request.scope["query_string"])
            query = ForecastQuery(secrets.token_hex(4), await deadline.bound(request.body()), kind, options)
        door = cache if cache is not None and kind == "json" else predict
        try:
            answer = await while_connected(request, door.forecast(query, deadline))
        except ClientDisconnected:
            return Response(status_code=499)  # nobody reads it; the code is for the access log
        if isinstance(answer, HeadedReply):
            return Response(answer.body, headers=dict(answer.headers))
        return Response(answer, media_type="application/json")

    return router
