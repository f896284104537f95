"""Errors of the OpenAI door, in the shape that its clients read: `{"error": {message, type, param, code}}`.

`OpenAIRoute` is the class of every route of that door: the rest of the service answers problems (RFC 9457), and these
routes translate the same problem, so status, `Retry-After` and the closed connection of a drain stay one table. What is
refused before a route is found (a body too large, an unknown path) is a problem as everywhere.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from typing_extensions import override

from service_chat.errors import PromptTooLong
from service_chat.routers.statuses import ACCESS
from serving.errors import SluiceError, Unauthorized
from serving.http.problems import STATUS, problem, problem_response, status_of

#: What a request of ours gets 422 for is a 400 here, as OpenAI has it: the rest of our own table stays away.
_STATUS = {**STATUS, **ACCESS}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
#: Ours to OpenAI's, where clients look at the code: to shorten their prompt by it, to ask for another key.
_CODES = {PromptTooLong.code: "context_length_exceeded", Unauthorized.code: "invalid_api_key"}
#: What pydantic calls a mistake to what OpenAI calls it; the schema's own refusals have their code for a type.
_MISTAKES = {"missing": "missing_required_parameter", "json_invalid": "invalid_json"}
_OWN_CODES = ("unsupported_parameter", "unsupported_value", "invalid_value")


class OpenAIRoute(APIRoute):
    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_shape(request: Request) -> Response:
            try:
                return await handle(request)
            except SluiceError as error:
                body = problem_of(error)
            except RequestValidationError as error:
                body = _invalid(error)
            except HTTPException as error:
                body = problem(error.status_code, "invalid_request", str(error.detail))
            return problem_response(body, openai_error)

        return in_shape


def problem_of(error: SluiceError) -> dict[str, Any]:
    return problem(status_of(error, _STATUS), error.code, error.message, error.details)


def openai_error(body: dict[str, Any]) -> dict[str, Any]:
    """The problem `body` as OpenAI would say it."""
    status, code = body["status"], body["code"]
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {
        "error": {
            "message": _too_long(body) if code == PromptTooLong.code else body["detail"],
            "type": kind,
            "param": body.get("param", "messages" if code == PromptTooLong.code else None),
            "code": _CODES.get(code, code),
        }
    }


def _too_long(body: dict[str, Any]) -> str:
    """With OpenAI's words for it: vLLM has no code, so there are clients that look for the words."""
    if "n_ctx" not in body or "prompt_tokens" not in body:
        return "The messages exceed this model's maximum context length."
    return (
        f"This model's maximum context length is {body['n_ctx']} tokens. The messages have {body['prompt_tokens']} "
        f"and leave {body.get('room', 0)} for the answer."
    )


def _invalid(error: RequestValidationError) -> dict[str, Any]:
    """The first mistake, without the value that was sent: it may be what somebody wrote."""
    first = error.errors()[0]
    kind = first["type"]
    param = first.get("ctx", {}).get("param") or _path(first["loc"][1:] if kind != "json_invalid" else ())
    code = _MISTAKES.get(kind, kind if kind in _OWN_CODES else "invalid_value")
    sentence = first["msg"] if kind in _OWN_CODES or not param else f"{param}: {first['msg']}"
    return problem(400, code, sentence, {"param": param})


def _path(steps: tuple[int | str, ...]) -> str | None:
    """`messages[0].content`, as OpenAI writes it."""
    said = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return said.removeprefix(".") or None
