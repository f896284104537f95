"""What an operator may do while the service runs, behind the administration token: another model, other workers."""

from typing import Literal, Protocol

from fastapi import APIRouter
from pydantic import BaseModel, Field

from inference_container import events
from inference_container.forecasting.messages import ServedModel
from inference_container.services.ports import ModelControl
from serving.errors import SluiceError
from serving.http.problems import declared


class Controlled(Protocol):
    """What these routes steer. `wiring` has it."""

    @property
    def switch(self) -> ModelControl: ...

    async def reload(self) -> ServedModel: ...


class Reloaded(BaseModel):
    """The predecessor's answer, and the reason where it only had a status."""

    status: Literal["loaded", "not_loaded"]
    run_id: str | None = Field(description="Identity of the bundle that answers from now on; null when refused.")
    model_type: str | None
    config_hash: str | None = Field(description="The hash of its manifest, which run_id does not cover.")
    code: str | None = Field(None, description="Why nothing was loaded; the model that served goes on.")
    reason: str | None = None


class WantedWorkers(BaseModel):
    workers: int = Field(ge=1, le=64)


class Scaled(BaseModel):
    status: Literal["ok"] = "ok"
    old_workers: int
    new_workers: int


def control_router(runtime: Controlled, admin: APIRouter) -> APIRouter:
    """Adds the routes to `admin`, which has the guard, and returns it."""

    @admin.post(
        "/reload_latest",
        summary="Load what the pointer names now, or BUNDLE_PATH where there is no store, beside the one that serves",
    )
    async def reload_latest() -> Reloaded:
        try:
            model = await runtime.reload()
        except SluiceError as error:
            return Reloaded(
                status="not_loaded",
                run_id=None,
                model_type=None,
                config_hash=None,
                code=error.code,
                reason=error.message,
            )
        return Reloaded(
            status="loaded", run_id=model.bundle_id, model_type=model.name, config_hash=model.manifest_sha256
        )

    @admin.post("/scale_workers", summary="Run another number of worker processes", responses=declared(400, 422, 503))
    async def scale_workers(wanted: WantedWorkers) -> Scaled:
        before, after = await runtime.switch.scale(wanted.workers)
        events.workers_scaled(before=before, after=after)
        return Scaled(old_workers=before, new_workers=after)

    return admin
