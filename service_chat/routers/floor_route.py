"""A refusal that says what the rules found, also where the request never became a question.

The triage router's route class: somebody whose body lacks a record number, whose text is too long, or whose key has
expired may still have written that their chest hurts. What is wrong with the request stays the error; the floor of the
text stands beside it, and nothing of any record.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from typing_extensions import override

from service_chat.errors import Forbidden, IdempotencyKeyReused, IdentityProviderUnavailable, OtherPatient
from service_chat.routers.access import caller_of
from service_chat.services.guard import Guard
from service_chat.services.steps import Question
from serving.errors import SluiceError, Unauthorized
from serving.events import unexpected_error
from serving.http.problems import Shape, describe_validation, problem, problem_response
from serving.logging import where

#: Of a text that is longer than a question may be, so much is read: its beginning and its end.
_MOST = 8_000

_INVALID = "invalid_request"
#: Refused before it was a question. Whatever comes later has the floor in it.
_BEFORE = (Unauthorized, Forbidden, IdentityProviderUnavailable, IdempotencyKeyReused)

#: Told of a question that was refused because of whom it was about.
Refused = Callable[[Question, SluiceError], None]
#: Told, by a code, of a request that never became a question; those that did are counted when they end.
Count = Callable[[str], None]


def floor_route(
    guard: Guard, shape: Shape, refused: Refused | None = None, count: Count = lambda code: None
) -> type[APIRoute]:
    """`shape` may rewrite the problem, as it does elsewhere; `refused` writes down who asked about somebody else."""

    class FloorRoute(APIRoute):
        @override
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def with_floor(request: Request) -> Response:
                try:
                    return await handle(request)
                except RequestValidationError as error:
                    count(_INVALID)
                    floor = guard.of_text(guard.hear(_query(error.body)))
                    details = {"errors": describe_validation(error.errors()), **guard.told(floor)}
                    body = problem(422, _INVALID, "The request does not fit the schema.", details)
                    return problem_response(body, shape)
                except _BEFORE as error:
                    count(error.code)
                    raise await _told(request, error) from None
                except ClientDisconnect:
                    count("abandoned")
                    raise
                except HTTPException:  # a body that is too large, or none that can be read
                    count(_INVALID)
                    raise
                except SluiceError:
                    raise
                except Exception as defect:  # of ours, before it was a question or behind its answer
                    unexpected_error(error_type=type(defect).__name__, at=where(defect))
                    raise await _told(request, SluiceError("An unexpected error occurred.")) from None

            return with_floor

    async def _told(request: Request, error: SluiceError) -> SluiceError:
        try:
            body = await request.json()  # from memory: it was read before the credentials were looked at
        except (ValueError, RecursionError):
            body = None
        if refused is not None and isinstance(error, OtherPatient) and isinstance(body, dict):
            refused(Question(str(body.get("patient_mrn")), "", caller=caller_of(request)), error)
        return error.with_details(**guard.told(guard.of_text(guard.hear(_query(body)))))

    return FloorRoute


def _query(body: object) -> str:
    """The question in a body that fits no schema, or nothing."""
    query = body.get("query") if isinstance(body, dict) else None
    if not isinstance(query, str):
        return ""
    return query if len(query) <= 2 * _MOST else f"{query[:_MOST]}\n{query[-_MOST:]}"
