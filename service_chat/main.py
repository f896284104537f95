"""The chat service as an ASGI application, and `run`, which `python -m service_chat` calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from service_chat.routers.access import admits, document_access, guard
from service_chat.routers.admin_model import add_model_routes
from service_chat.routers.feedback import feedback_router
from service_chat.routers.floor_route import floor_route
from service_chat.routers.jobs import jobs_router
from service_chat.routers.openai import openai_router
from service_chat.routers.operations import operations_router
from service_chat.routers.page import page_router
from service_chat.routers.queue import queue_router
from service_chat.routers.rendering import Rendering
from service_chat.routers.statuses import STATUS
from service_chat.routers.triage import triage_router
from service_chat.settings import ChatSettings
from service_chat.wiring import Runtime
from serving.exporting import exporting
from serving.heap import settle_heap
from serving.http.admin import admin_router
from serving.http.app import NOT_BY_FASTAPI, add_floor
from serving.http.exposition import metrics_router
from serving.http.problems import as_it_is
from serving.http.server import or_exit, serve
from serving.logging import configure_logging
from serving.version import VERSION

SERVICE = "chat"
DESCRIPTION = (
    "Answers a patient's question from their record. Research and demonstration software, not a medical device."
)


def create_app(settings: ChatSettings) -> FastAPI:
    """Nothing is opened here: the records open and the model loads when the application's lifespan begins.

    Raises:
        SettingsError: A setting is well-formed and means nothing: a model reference, a remote address, a file of keys.
    """
    runtime = Runtime(settings)
    spans = exporting(settings, f"sluice-{SERVICE}", VERSION)
    shape = compat_shape if settings.compat_errors else as_it_is

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        configure_logging(SERVICE, settings.log_level, settings.log_format, settings.log_probes, settings.access_log)
        settings.warn_of_announced()
        async with spans(), runtime:
            settle_heap()
            yield

    app = FastAPI(
        title="Sluice chat triage service",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        telemetry=NOT_BY_FASTAPI,
        dependencies=[Depends(guard(runtime.access))],
    )
    rendering = Rendering(VERSION, runtime.guard, settings.llm_seed, STATUS, shape)
    route = floor_route(
        runtime.guard, shape, runtime.recording.refused, lambda code: runtime.metrics.requests.labels(code).inc()
    )
    app.include_router(triage_router(runtime.jobs, rendering, settings.triage_deadline_seconds, runtime.clock, route))
    app.include_router(jobs_router(runtime.jobs, rendering))
    app.include_router(feedback_router(runtime.jobs, runtime.keeping.desk()))
    app.include_router(openai_router(runtime.chats, settings.triage_deadline_seconds, runtime.clock, runtime.limits))
    app.include_router(page_router(runtime, VERSION, DESCRIPTION))
    app.include_router(operations_router(runtime, VERSION))
    app.include_router(queue_router(runtime.lanes, runtime.default_mode, settings.gguf_max_tokens))
    app.include_router(metrics_router(runtime.metrics))
    admin = admin_router(settings.admin_token, settings, admits(runtime.access))
    app.include_router(add_model_routes(admin, runtime.swaps))
    add_floor(app, settings, runtime.metrics, settings.max_body_bytes, STATUS, shape)
    if runtime.access.required:
        document_access(app)
    app.state.metrics = runtime.metrics
    # The server begins the drain with the signal, while connections are still open.
    app.state.on_signal = runtime.drain.begin_from_signal
    return app


_OLD_SENTENCES = {
    "dependency_failed": "Error fetching patient data",
    "worker_died": "Error generating response",
    "work_failed": "Error generating response",
    "internal_error": "An unexpected error occurred",
}


#: What the rules found stands beside the predecessor's `detail`: its clients look at nothing else.
_FLOOR = ("acuity_floor", "red_flags", "emergency_notice", "emergency_numbers")


def compat_shape(problem: dict[str, Any]) -> dict[str, Any]:
    """The predecessor's error bodies: a list under `detail` for a 422 of the schema, else an object."""
    floor = {name: problem[name] for name in _FLOOR if name in problem}
    if "errors" in problem:
        return {"detail": problem["errors"], **floor}
    sentence = _OLD_SENTENCES.get(problem["code"], problem["detail"].rstrip("."))
    old = {"error": sentence, "trace_id": problem["trace_id"]}
    if "patient_mrn" in problem:
        old["patient_mrn"] = problem["patient_mrn"]
    return {"detail": old, **floor}


def app_from_environment() -> FastAPI:
    """For any ASGI server: `uvicorn --factory service_chat.main:app_from_environment`."""
    settings = or_exit(ChatSettings.from_environment)
    return or_exit(lambda: create_app(settings))


def run() -> None:
    """Serves until told to end."""
    settings = or_exit(ChatSettings.from_environment)
    or_exit(settings.refuse_open_door)
    app = or_exit(lambda: create_app(settings))
    serve(
        app,
        settings,
        settings.chat_api_port,
        app.state.on_signal,
        app.state.metrics,
        proxies=settings.forwarded_allow_ips,
    )
