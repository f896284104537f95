"""`GET /`: a page for browsers, service info for everybody else; `GET /model`: the card of the model that is served.

The page's files come from `inference_container.page`. What the page shows it asks for at the same routes as everyone.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from inference_container.page import SAMPLE, load_assets, load_sample
from inference_container.services.ports import ServedModel
from serving.errors import NotReady
from serving.http.page import INDEX, asset_response, assets_router, wants_page
from serving.http.problems import declared

_LINKS: Mapping[str, str] = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/healthz",
    "ready": "/ready",
    "metrics": "/metrics",
    "model": "/model",
    "predict": "/predict",
}


class Coverage(BaseModel):
    """What share of the back-test's truths lay inside an interval of the quantiles."""

    interval: float = Field(description="What was promised: 0.8 lies between the levels 0.1 and 0.9.")
    mean: float


class Score(BaseModel):
    """Mean over the horizon, in the units of the target."""

    rmse: float
    mae: float
    persistence_rmse: float = Field(description="Of repeating the last value.")
    seasonal_naive_rmse: float = Field(description="Of repeating the value of one season ago.")
    coverage: tuple[Coverage, ...] = ()


class BackTest(BaseModel):
    targets: dict[str, Score]
    n_windows: int


class ModelCard(BaseModel):
    """What is served now, what it reads and how good it was."""

    bundle_id: str
    name: str
    arch: str | None
    backend: str
    origin: Literal["trained", "imported", "unknown"]
    created_at: datetime | None
    columns: tuple[str, ...] = Field(description="What a series must hold beside its times.")
    targets: tuple[str, ...]
    time_columns: tuple[str, ...] = Field(description="Names that the time column may have without being told.")
    input_len: int = Field(description="Rows that the model reads.")
    freq_seconds: int = Field(description="One step.")
    horizon: int = Field(description="Steps of one pass.")
    max_steps: int = Field(description="Steps that can be asked for; beyond the horizon forecasts are fed back.")
    held: tuple[str, ...] = Field(description="Inputs that keep their last value beyond the horizon.")
    calendar: tuple[str, ...]
    nan_policy: str | None
    gap_policy: str | None
    quantile_levels: tuple[float, ...] = Field(description="Empty when the bundle holds no quantiles.")
    metrics: BackTest | None = Field(description="Null when the bundle came without a back-test.")
    sample: str | None = Field(description="Where to get a CSV file that fits this model; null when there is none.")


class ServiceInfo(BaseModel):
    service: Literal["inference-api"] = "inference-api"
    version: str
    build_version: str
    model: ModelCard | None = Field(description="Null until a bundle is verified.")
    links: dict[str, str]


class _Network(BaseModel):
    arch: str | None = None


class _Input(BaseModel):
    time_column: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    nan_policy: str | None = None
    gap_policy: str | None = None


class _Output(BaseModel):
    held: tuple[str, ...] = ()


class _Described(BaseModel):
    """The parts of a manifest that a card repeats, as `ServedModel.card` holds them."""

    created_at: datetime | None = None
    model: _Network = _Network()
    input: _Input = _Input()
    output: _Output = _Output()
    training: dict[str, object] | None = None
    imported: dict[str, object] | None = None
    metrics: BackTest | None = None


def page_router(served: Callable[[], ServedModel | None], version: str, build_version: str) -> APIRouter:
    """`served` is asked each time: which model answers may change. The page's files are read once, here."""
    router = APIRouter(tags=["page"])
    assets, sample = load_assets(), load_sample()

    def card() -> ModelCard | None:
        model = served()
        if model is None:
            return None
        fits = sample.fits(model.columns, model.freq_seconds, model.input_len)
        return _card(model, f"/page/{SAMPLE}" if fits else None)

    @router.get(
        "/",
        summary="A page for browsers, service info for everybody else",
        response_class=JSONResponse,
        responses={200: {"model": ServiceInfo, "content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def root(request: Request) -> Response:
        if wants_page(request):
            return asset_response(request, assets[INDEX], {"Vary": "Accept"})
        info = ServiceInfo(version=version, build_version=build_version, model=card(), links=dict(_LINKS))
        return JSONResponse(info.model_dump(mode="json"), headers={"Vary": "Accept", "Cache-Control": "no-cache"})

    @router.get("/model", summary="The card of the model that is served", responses=declared(503))
    async def model() -> ModelCard:
        found = card()
        if found is None:
            raise NotReady("There is no model yet: it is still loading, or there is none to load. /ready says which.")
        return found

    router.include_router(assets_router({**assets, SAMPLE: sample.asset}))
    return router


def _card(model: ServedModel, sample: str | None) -> ModelCard:
    told = _Described.model_validate(model.card)
    return ModelCard(
        bundle_id=model.bundle_id,
        name=model.name,
        arch=told.model.arch,
        backend=model.backend,
        origin="trained" if told.training else "imported" if told.imported else "unknown",
        created_at=told.created_at,
        columns=model.columns,
        targets=model.targets,
        time_columns=told.input.time_column,
        input_len=model.input_len,
        freq_seconds=model.freq_seconds,
        horizon=model.horizon,
        max_steps=model.max_steps,
        held=told.output.held,
        calendar=told.input.calendar,
        nan_policy=told.input.nan_policy,
        gap_policy=told.input.gap_policy,
        quantile_levels=model.quantile_levels,
        metrics=told.metrics,
        sample=sample,
    )
