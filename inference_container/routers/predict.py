"""`POST /predict`: the raw body goes to a worker as it came, the worker's bytes go back as they are.

A refusal costs one header read: whether there is room is asked before the body is.
"""

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from inference_container.routers.schemas import PREDICT_BODY, PredictAnswer
from inference_container.services.predict import Predict
from serving.clock import Clock
from serving.deadline import Deadline
from serving.http.disconnect import ClientDisconnected, while_connected
from serving.http.problems import declared


def predict_router(predict: Predict, timeout_s: float, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["forecast"])

    @router.post(
        "/predict",
        summary="Forecast what comes after the last row",
        response_class=Response,
        responses={
            200: {"model": PredictAnswer, "description": "The forecast."},
            **declared(400, 413, 422, 429, 500, 503, 504),
        },
        openapi_extra={"requestBody": PREDICT_BODY},
    )
    async def forecast(
        request: Request,
        inference_length: Annotated[int | None, Query(ge=1, le=10_000, description="Steps to forecast.")] = None,
    ) -> Response:
        deadline = Deadline.after(timeout_s, clock)
        predict.refuse_early()
        options = None if inference_length is None else QueryOptions(inference_length=inference_length)
        query = ForecastQuery(secrets.token_hex(4), await deadline.bound(request.body()), options=options)
        try:
            answer = await while_connected(request, predict.forecast(query, deadline))
        except ClientDisconnected:
            return Response(status_code=499)  # nobody reads it; the code is for the access log
        return Response(answer, media_type="application/json")

    return router
