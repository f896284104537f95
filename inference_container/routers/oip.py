"""The Open Inference Protocol, version 2, as KServe, Triton's clients and their kin speak it.

The bundle's name is the model's, its identity is the version. Health and metadata answer from memory; an inference is a
forecast like any other and goes by the same lane to a worker, which reads the tensors.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from inference_container.errors import MalformedRequest
from inference_container.forecasting.messages import ForecastQuery, HeadedReply, QueryOptions, ServedModel
from inference_container.forecasting.protocol_names import JSON_LENGTH_HEADER, TIMES
from inference_container.routers.counted import until_the_ticket
from inference_container.routers.protocol_route import Forecasts, Models, declared_as, refuse_encoded, route_of
from inference_container.routers.protocol_schemas import (
    INFER_ANSWER,
    INFER_BODY,
    Live,
    ModelMetadata,
    ModelReady,
    OipError,
    Ready,
    ServerMetadata,
    TensorMetadata,
)
from inference_container.routers.request_head import Head, deadline_of, size_of
from serving.clock import Clock
from serving.errors import NotFound, NotReady, SluiceError
from serving.http.disconnect import ClientDisconnected, while_connected
from serving.lifecycle import Lifecycle

#: The protocol knows one status for whatever is wrong with a request.
_OWN: Mapping[type[SluiceError], int] = {MalformedRequest: 400}
_EXTENSIONS = ["binary_tensor_data"]
_FORECAST_ERRORS = declared_as(OipError, 400, 404, 413, 415, 422, 429, 500, 503, 504)
_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "Not now."}}


def oip_router(
    predict: Forecasts,
    models: Models,
    lifecycle: Lifecycle,
    timeout_s: float,
    clock: Clock,
    own: Mapping[type[SluiceError], int],
) -> APIRouter:
    """`own` is the service's part of the error table."""
    router = APIRouter(tags=["open inference protocol"], route_class=route_of(_shape, {**own, **_OWN}))

    def served(name: str, version: str | None) -> ServedModel:
        model = models.model
        if model is None:
            raise NotReady("The model is not loaded yet.", retry_after_s=5)
        if name != model.name:
            raise NotFound(f"The model that is served is {model.name}.")
        if version not in (None, model.bundle_id):
            raise NotFound(f"The version that is served is {model.bundle_id}.")
        return model

    async def infer(request: Request, name: str, version: str | None) -> Response:
        head = dict(request.scope["headers"])
        with until_the_ticket(predict):
            predict.refuse_early(size_of(head))
            model = served(name, version)
            refuse_encoded(head)
            deadline = deadline_of(head, timeout_s, clock)
            options = QueryOptions(json_bytes=_json_bytes(head), model=model.name, version=version)
            query = ForecastQuery(secrets.token_hex(4), await deadline.bound(request.body()), "oip", options)
        try:
            answer = await while_connected(request, predict.forecast(query, deadline))
        except ClientDisconnected:
            return Response(status_code=499)  # nobody reads it; the code is for the access log
        if isinstance(answer, HeadedReply):
            return Response(answer.body, headers=dict(answer.headers))
        return Response(answer, media_type="application/json")

    def model_ready(name: str, version: str | None) -> JSONResponse:
        model = served(name, version)
        ready = lifecycle.ready
        return JSONResponse(ModelReady(name=model.name, ready=ready).model_dump(), 200 if ready else 503)

    @router.get("/v2", summary="What this server is")
    async def server(request: Request) -> ServerMetadata:
        return ServerMetadata(name="sluice", version=request.app.version, extensions=_EXTENSIONS)

    @router.get("/v2/health/live", summary="Does the event loop turn?")
    async def live() -> Live:
        return Live(live=True)

    @router.get("/v2/health/ready", summary="May I send work?", response_model=Ready, responses=_NOT_READY)
    async def ready() -> JSONResponse:
        is_ready = lifecycle.ready and models.model is not None
        return JSONResponse(Ready(ready=is_ready).model_dump(), 200 if is_ready else 503)

    model_errors = declared_as(OipError, 404, 503)

    @router.get("/v2/models/{model}", summary="Inputs and outputs of the model", responses=model_errors)
    async def metadata(model: str) -> ModelMetadata:
        return _metadata(served(model, None))

    @router.get("/v2/models/{model}/versions/{version}", summary="The same, of this version", responses=model_errors)
    async def version_metadata(model: str, version: str) -> ModelMetadata:
        return _metadata(served(model, version))

    @router.get(
        "/v2/models/{model}/ready", summary="Is the model ready?", response_model=ModelReady, responses=model_errors
    )
    async def ready_model(model: str) -> JSONResponse:
        return model_ready(model, None)

    @router.get(
        "/v2/models/{model}/versions/{version}/ready",
        summary="Is this version ready?",
        response_model=ModelReady,
        responses=model_errors,
    )
    async def ready_version(model: str, version: str) -> JSONResponse:
        return model_ready(model, version)

    @router.post(
        "/v2/models/{model}/infer",
        summary="Forecast what comes after the last row",
        response_class=Response,
        responses={200: INFER_ANSWER, **_FORECAST_ERRORS},
        openapi_extra={"requestBody": INFER_BODY},
    )
    async def infer_model(request: Request, model: str) -> Response:
        return await infer(request, model, None)

    @router.post(
        "/v2/models/{model}/versions/{version}/infer",
        summary="The same, or 404 when another bundle has taken its place",
        response_class=Response,
        responses={200: INFER_ANSWER, **_FORECAST_ERRORS},
        openapi_extra={"requestBody": INFER_BODY},
    )
    async def infer_version(request: Request, model: str, version: str) -> Response:
        return await infer(request, model, version)

    return router


def _shape(body: dict[str, Any]) -> dict[str, Any]:
    return {"error": f"{body['code']}: {body['detail']}"}


def _json_bytes(head: Head) -> int | None:
    length = head.get(JSON_LENGTH_HEADER.lower().encode())
    if length is None:
        return None
    if not length.isdigit() or len(length) > 12:
        raise MalformedRequest(f"{JSON_LENGTH_HEADER} must be a whole number of bytes.")
    return int(length)


def _metadata(model: ServedModel) -> ModelMetadata:
    times = TensorMetadata(name=TIMES, datatype="BYTES", shape=[-1])
    return ModelMetadata(
        name=model.name,
        versions=[model.bundle_id],
        platform=f"sluice_{model.backend}",
        inputs=[times, *_tensors(model.columns)],
        outputs=[times, *_tensors(model.targets)],
    )


def _tensors(names: tuple[str, ...]) -> list[TensorMetadata]:
    return [TensorMetadata(name=name, datatype="FP64", shape=[-1]) for name in names]
