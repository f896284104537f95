"""`GET /`: a page for browsers, and what this service is for everybody else.

The page's files come from `service_chat.page`. What the page shows it asks for at the same routes as everyone.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service_chat.page import load_assets
from service_chat.records.examples import Example
from service_chat.routers.schemas import MAX_QUERY_CHARS, ExamplePatient, PhoneNumberBody, ServiceInfo
from service_chat.services.chat_lane import ChatLane
from service_chat.services.guard import Guard
from serving.http.page import INDEX, asset_response, assets_router, wants_page


class Shown(Protocol):
    """What is told of the service. `wiring` has it."""

    lanes: Mapping[str, ChatLane]
    default_mode: str
    guard: Guard

    @property
    def examples(self) -> Sequence[Example]:
        """None before the records are open."""
        ...


def page_router(runtime: Shown, version: str, description: str) -> APIRouter:
    """The page's files are read once, here."""
    router = APIRouter(tags=["page"])
    assets = load_assets()

    def info() -> ServiceInfo:
        number = runtime.guard.emergency_number
        return ServiceInfo(
            version=version,
            description=description,
            default_llm_mode=runtime.default_mode,
            llm_modes=list(dict.fromkeys((runtime.default_mode, *runtime.lanes))),
            max_query_chars=MAX_QUERY_CHARS,
            emergency_number=PhoneNumberBody(label=number.label, number=number.number),
            example_patients=[ExamplePatient(mrn=each.mrn, about=each.about) for each in runtime.examples],
        )

    @router.get(
        "/",
        summary="A page for browsers, what this service is for everybody else",
        response_class=JSONResponse,
        responses={200: {"model": ServiceInfo, "content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def root(request: Request) -> Response:
        if wants_page(request):
            return asset_response(request, assets[INDEX], {"Vary": "Accept"})
        return JSONResponse(info().model_dump(mode="json"), headers={"Vary": "Accept", "Cache-Control": "no-cache"})

    router.include_router(assets_router(assets))
    return router
