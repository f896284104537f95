"""The guard before every route: who asks, and whether this route is for them.

`guard` is a dependency of the whole application, so a route that somebody adds is closed until it is named here. It
leaves the caller for the routes to read (`caller_of`). What is mounted, or added without FastAPI's routers, is outside
of it: nothing is, but the documents. The administration routes have a guard of their own (`serving.http.admin`), which
lets keys with the scope `admin` in by `admits`.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request

from service_chat.access.access import CHALLENGE, Access
from service_chat.access.grant import Grant, Scope
from service_chat.errors import Forbidden, OtherPatient
from service_chat.services.caller import ANONYMOUS, Caller
from serving.http.problems import declared

#: What probes, scrapers and a browser that has no key yet must reach. Nothing here holds a patient's data.
OPEN = frozenset({"/", "/health", "/healthz", "/ready", "/metrics", "/page/{name}"})
#: Any credentials will do.
FOR_ALL = frozenset({"/queue", "/health/model"})
#: Below these, this scope; below none of them, `triage`.
_SCOPES = {"/v1/": Scope.OPENAI, "/feedback": Scope.FEEDBACK, "/admin/": Scope.ADMIN}

Guard = Callable[[Request], Coroutine[Any, Any, None]]


def scope_of(path: str) -> Scope | None:
    """What the route of this pattern asks for; None where any credentials will do."""
    if path in FOR_ALL:
        return None
    return next((scope for prefix, scope in _SCOPES.items() if path.startswith(prefix)), Scope.TRIAGE)


def guard(access: Access) -> Guard:
    """For `FastAPI(dependencies=[Depends(…)])`.

    Raises, at a request:
        Unauthorized: There are no credentials, or they are wrong or over.
        Forbidden: They are good, and for other routes.
        IdentityProviderUnavailable: A token can not be verified now.
    """

    async def before_the_route(request: Request) -> None:
        path = request.scope["route"].path
        if not access.required or path in OPEN or scope_of(path) is Scope.ADMIN:
            return
        request.state.grant = await _granted(access, request, scope_of(path))

    return before_the_route


def admits(access: Access) -> Guard | None:
    """The same for the administration routes, asked where their token was not brought; None: nobody is let in so."""
    if not access.required:
        return None

    async def as_administrator(request: Request) -> None:
        request.state.grant = await _granted(access, request, Scope.ADMIN)

    return as_administrator


def caller_of(request: Request) -> Caller:
    """Who asks. Everybody is the same nobody where no credentials are asked for."""
    grant: Grant | None = getattr(request.state, "grant", None)
    return grant.caller if grant is not None else ANONYMOUS


def address_of(request: Request) -> str | None:
    """Where from; of a proxy that is believed (FORWARDED_ALLOW_IPS), what that says."""
    return request.client.host if request.client is not None else None


def check_patient(caller: Caller, mrn: str) -> None:
    """
    Raises:
        OtherPatient: The caller may only ask about one patient, and this is another.
    """
    if caller.patient is not None and caller.patient != mrn:
        raise OtherPatient()


async def _granted(access: Access, request: Request, scope: Scope | None) -> Grant:
    grant = await access.grant(_credentials(request))
    if scope is not None and scope not in grant.scopes:
        challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"'
        raise Forbidden(f"This route asks for the scope {scope}.", scope=scope.value, challenge=challenge)
    return grant


def _credentials(request: Request) -> str | None:
    """A bearer token, else the value of X-API-Key."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip() or None
    return request.headers.get("x-api-key")


def document_access(app: FastAPI) -> None:
    """Makes the OpenAPI document say which routes ask for credentials. Call it last."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        known = app.openapi_schema is not None
        document = plain()
        if not known:
            schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
            schemes["bearer"] = {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or a provider's token.",
            }
            schemes["key"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
            for path, operations in document["paths"].items():
                for operation in operations.values() if path not in OPEN else ():
                    if not path.startswith("/admin/"):  # those say so by themselves
                        operation["security"] = [{"bearer": []}, {"key": []}]
                    if "4XX" not in operation["responses"]:
                        for status, answer in declared(401, 403, 503).items():
                            operation["responses"].setdefault(str(status), answer)
        return document

    setattr(app, "openapi", openapi)  # noqa: B010 - as in `serving.http.app`
