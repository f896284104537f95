"""`POST /v1/chat/completions` and `GET /v1/models`, as OpenAI's API has them, over the engines of this service.

For any client that speaks that protocol, and for measurements: the chat goes to the model as it comes, no record and no
safety words are added. `/triage` is the route for patients. Deviations stand in docs/openai-api.md.
"""

from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service_chat.engines.protocol import Completion
from service_chat.routers.access import address_of, caller_of
from service_chat.routers.event_stream import CONTENT
from service_chat.routers.openai_answers import ChatCompletion, Head, ModelCard, ModelList, model_card
from service_chat.routers.openai_errors import OpenAIRoute
from service_chat.routers.openai_schemas import ChatCompletionRequest
from service_chat.routers.openai_stream import chat_stream
from service_chat.services.chat_completions import ChatCompletions
from service_chat.services.chat_lane import ChatStep
from service_chat.services.limits import Limits, NoLimits
from serving.clock import Clock
from serving.deadline import Deadline
from serving.errors import InvalidInput, SluiceError, WorkFailed
from serving.http.disconnect import ClientDisconnected, while_connected

_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        # A body over the limit is refused before this door is reached, as a problem.
        "content": {"application/json": {"schema": _ERROR}, "application/problem+json": {"schema": {"type": "object"}}},
    }
    for status, description in {
        "4XX": "400 the request can not be served as it is, 401 no good key, 403 not for this, 404 no such model, "
        "413 too large, 429 too many wait or were asked.",
        "5XX": "502 a model server failed, 503 no model now, 504 the deadline passed.",
    }.items()
}


def openai_router(
    completions: ChatCompletions, deadline_s: float, clock: Clock, limits: Limits | None = None
) -> APIRouter:
    """Put it into the application under no prefix; its routes begin with /v1."""
    bounds = limits or NoLimits()
    router = APIRouter(prefix="/v1", tags=["openai"], route_class=OpenAIRoute)
    began = int(clock.now().timestamp())

    @router.post(
        "/chat/completions",
        summary="Answer a chat in OpenAI's shape",
        response_model=ChatCompletion,
        responses={
            200: {
                "description": "The answer, or its chunks when `stream` is true.",
                "content": CONTENT,
            },
            **_REFUSALS,
        },
    )
    async def create_chat_completion(request: Request, asked: ChatCompletionRequest) -> Any:
        deadline = Deadline.after(deadline_s, clock)
        model, caller = completions.model(asked.model), caller_of(request)
        bounds.take(caller, address_of(request))
        steps = completions.steps(model, asked.chat(completions.defaults), deadline, caller)
        head = Head.of(model)

        def named(error: SluiceError) -> SluiceError:
            return _named(error, asked)

        try:
            if asked.stream:
                return await chat_stream(steps, head, asked.usage_wanted, named)
            return head.whole(await while_connected(request, _end_of(steps)))
        except InvalidInput as error:
            raise named(error) from None
        except ClientDisconnected:
            return Response(status_code=499)  # nobody reads it; the code is for the access log

    @router.get("/models", summary="The models on offer", response_model=ModelList)
    async def list_models() -> ModelList:
        return ModelList(data=[model_card(model, began) for model in completions.models()])

    @router.get(
        "/models/{model:path}", summary="One model", response_model=ModelCard, responses={"4XX": _REFUSALS["4XX"]}
    )
    async def get_model(model: str) -> ModelCard:
        return model_card(completions.model(model), began)

    return router


async def _end_of(steps: AsyncGenerator[ChatStep, None]) -> Completion:
    """To the very end: the last lines about a request are written after its answer."""
    done: Completion | None = None
    async for step in steps:
        if isinstance(step, Completion):
            done = step
    if done is None:
        raise WorkFailed("The engine ended without an answer.")
    return done


def _named(error: SluiceError, asked: ChatCompletionRequest) -> SluiceError:
    """An engine knows no field names; what it refuses is the form that was asked for, or else the messages."""
    if type(error) is not InvalidInput or "param" in error.details:
        return error
    form = asked.grammar is not None or (asked.response_format is not None and asked.response_format.type != "text")
    field = "grammar" if asked.grammar is not None else "response_format" if form else "messages"
    return error.with_details(param=field)
