"""How the service is. None of these touches the engine: they answer while it works."""

from collections.abc import Mapping
from typing import Protocol

from fastapi import APIRouter
from starlette.responses import JSONResponse

from service_chat.engines.protocol import EngineStatus
from service_chat.routers.schemas import Health, ModelHealth, Readiness
from service_chat.services.chat_lane import ChatLane
from serving.http.probes import readiness
from serving.lifecycle import Lifecycle


class Observed(Protocol):
    """What these routes look at. `wiring` has it; they change nothing of it."""

    lanes: Mapping[str, ChatLane]
    lifecycle: Lifecycle
    default_mode: str

    def engine_status(self) -> EngineStatus | None:
        """None when the model is switched off."""
        ...

    def alive(self) -> bool:
        """False when a new process is the only thing left to try."""
        ...


def operations_router(runtime: Observed, version: str) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get(
        "/health",
        summary="Liveness: would a new process help?",
        response_class=JSONResponse,
        responses={200: {"model": Health}, 503: {"description": "An engine that was ready does not come back."}},
    )
    async def health() -> JSONResponse:
        if not runtime.alive():
            message = "The engine was ready and does not come back; a new process may have more luck."
            return JSONResponse(
                {"status": "failed", "service": "chat-api", "version": version, "message": message}, 503
            )
        return JSONResponse(Health(version=version).model_dump())

    @router.get(
        "/ready",
        summary="Readiness: may I send work?",
        response_class=JSONResponse,
        responses={200: {"model": Readiness}, 503: {"description": "Not now; phase, percent or reason say why."}},
    )
    async def ready() -> JSONResponse:
        status, body = readiness(runtime.lifecycle)
        return JSONResponse({**body, "service": "chat-api", "version": version}, status)

    @router.get("/health/model", summary="How far the model is, and which one it is")
    async def model() -> ModelHealth:
        status, lanes = runtime.engine_status(), [lane.statistics() for lane in runtime.lanes.values()]
        progress, info = (status.progress, status.model) if status is not None else (None, None)
        return ModelHealth(
            llm_mode=runtime.default_mode,
            state=status.state.value if status is not None else "disabled",
            phase=progress.phase if progress else None,
            percent=progress.percent if progress else None,
            eta_s=progress.eta_s if progress else None,
            reason=status.reason if status is not None else None,
            model=info.name if info else None,
            sha256=info.sha256 if info else None,
            n_ctx=info.n_ctx if info else None,
            n_threads=info.n_threads if info else None,
            threads_from=info.threads_from if info else None,
            system_info=info.system_info if info else None,
            starts=status.starts if status is not None else 0,
            failures=status.failures if status is not None else 0,
            queue_depth=sum(lane.depth for lane in lanes),
            running=sum(lane.running for lane in lanes),
        )

    return router
