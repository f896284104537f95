"""The forecast service as an ASGI application, and `run`, which `python -m inference_container serve` calls."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp

from inference_container import errors
from inference_container.outside import Outside
from inference_container.routers.claims import claims_router
from inference_container.routers.control import control_router
from inference_container.routers.door import PredictDoor
from inference_container.routers.download import download_router
from inference_container.routers.express import express_protocol, fits
from inference_container.routers.hot import HotRoute
from inference_container.routers.liveness import Liveness
from inference_container.routers.oip import oip_router
from inference_container.routers.operations import health_of, operations_router
from inference_container.routers.page import page_router
from inference_container.routers.predict import predict_router
from inference_container.routers.publish import publish_router
from inference_container.routers.timeseries import timeseries_router
from inference_container.routers.traced_door import TracedDoor
from inference_container.settings import InferenceSettings
from inference_container.wiring import Runtime
from serving.errors import SluiceError
from serving.exporting import exporting
from serving.heap import settle_heap
from serving.http.admin import admin_router
from serving.http.app import NOT_BY_FASTAPI, add_floor
from serving.http.exposition import metrics_router
from serving.http.problems import STATUS as DOOR_STATUS
from serving.http.problems import status_of
from serving.http.server import or_exit, serve
from serving.logging import configure_logging
from serving.version import VERSION

SERVICE = "inference"

#: The door's part of the error table: what only this service knows.
STATUS: dict[type[SluiceError], int] = {
    errors.MalformedRequest: 422,
    errors.InvalidHead: 422,
    errors.BodyTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.NonFiniteForecast: 500,
    errors.BundleRefused: 503,
    errors.BrokerUnavailable: 503,
    errors.MessageTooLarge: 413,
    errors.StoreUnavailable: 503,
    errors.ObjectRefused: 403,
    errors.ObjectTooLarge: 413,
    errors.ObjectChanged: 412,
}


def create_app(settings: InferenceSettings, outside: Outside | None = None) -> FastAPI:
    """The application; `app.state.door` is what a server should serve, with the hot route in front.

    Nothing is opened here: the bundle loads when the application's lifespan begins.

    Args:
        outside: the store and the broker; None: those that the settings name.
    """
    runtime = Runtime(settings, outside)
    spans = exporting(settings, f"sluice-{SERVICE}", VERSION)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        configure_logging(SERVICE, settings.log_level, settings.log_format, settings.log_probes, settings.access_log)
        settings.warn_of_announced()
        async with spans(), runtime:
            settle_heap()
            yield

    app = FastAPI(
        title="Sluice forecast service",
        version=VERSION,
        description="A forecast starts one step after the last row you send, in the units you sent.",
        lifespan=lifespan,
        telemetry=NOT_BY_FASTAPI,
    )
    app.include_router(predict_router(runtime.predict, runtime.cache, settings.inference_timeout, runtime.clock))
    app.include_router(operations_router(runtime))
    timeout_s = settings.inference_timeout
    app.include_router(oip_router(runtime.predict, runtime.switch, runtime.lifecycle, timeout_s, runtime.clock, STATUS))
    app.include_router(timeseries_router(runtime.predict, runtime.switch, timeout_s, runtime.clock, STATUS))
    app.include_router(page_router(lambda: runtime.switch.model, app.version, runtime.build_version))
    claims = runtime.claims
    app.include_router(claims_router(claims.look if claims is not None else lambda: None))
    if runtime.downloads is not None:
        app.include_router(download_router(runtime.downloads, runtime.clock))
    app.include_router(metrics_router(runtime.metrics, "/prometheus"))
    admin = control_router(runtime, admin_router(settings.admin_token, settings))
    if claims is not None and settings.enable_publish_api:
        publish_router(claims.publisher(), admin)
    app.include_router(admin)
    add_floor(app, settings, runtime.metrics, settings.max_body_bytes, STATUS)
    app.state.door, app.state.protocol = app, None
    if runtime.cache is None:
        table = {**DOOR_STATUS, **STATUS}
        door = (PredictDoor if settings.collector is None else TracedDoor)(
            runtime.predict,
            runtime.metrics,
            runtime.clock,
            settings.inference_timeout,
            settings.max_body_bytes,
            lambda error: status_of(error, table),
        )
        # Around the whole application and not a middleware of it: the layers between cost more than this door.
        app.state.door = HotRoute(app, door)
        # The access log is written by the server's own way of answering, which the shortest road leaves out.
        if fits() and not settings.access_log:
            probe = Liveness(lambda: _health(runtime), runtime.metrics)
            app.state.protocol = express_protocol(door, probe)
    app.state.metrics = runtime.metrics
    # The server begins the drain with the signal, while connections are still open.
    app.state.on_signal = runtime.drain.begin_from_signal
    return app


def _health(runtime: Runtime) -> tuple[int, bytes]:
    status, body = health_of(runtime)
    return status, body.model_dump_json().encode()


def app_from_environment() -> ASGIApp:
    """For any ASGI server: `uvicorn --factory inference_container.main:app_from_environment`."""
    settings = or_exit(InferenceSettings.from_environment)
    door: ASGIApp = or_exit(lambda: create_app(settings)).state.door
    return door


def run(bundle: Path | None = None, port: int | None = None) -> None:
    """Serves until told to end. `bundle` wins over BUNDLE_PATH, `port` over INFERENCE_API_PORT."""
    if bundle is not None:
        os.environ["BUNDLE_PATH"] = str(bundle)
    if port is not None:
        os.environ["INFERENCE_API_PORT"] = str(port)
    settings = or_exit(InferenceSettings.from_environment)
    app = or_exit(lambda: create_app(settings))
    serve(
        app.state.door,
        settings,
        settings.inference_api_port,
        app.state.on_signal,
        app.state.metrics,
        app.state.protocol,
    )
