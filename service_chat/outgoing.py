"""What requests to other servers say of a trace, and what is told of them. For every `httpx.AsyncClient` of the house.

    client.event_hooks = traced()

While nobody listens there is nothing to hook in. An address is never told: it may name a patient.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from service_chat.spans import REQUEST
from serving.spans import listened, part
from serving.tracing import Trace

_SPAN, _BEGUN = "sluice.span", "sluice.begun"


def traced() -> dict[str, list[Callable[[Any], Awaitable[None]]]]:
    return {"request": [_begin], "response": [_end]} if listened() else {}


async def _begin(request: httpx.Request) -> None:
    own = part()
    if own is not None:
        request.headers["traceparent"] = own.traceparent
        request.extensions |= {_SPAN: own, _BEGUN: time.monotonic()}


async def _end(response: httpx.Response) -> None:
    request = response.request
    own = request.extensions.get(_SPAN)
    if isinstance(own, Trace):
        REQUEST.told(
            own,
            request.extensions[_BEGUN],
            time.monotonic(),
            error=str(response.status_code) if response.is_error else None,
            method=request.method,
            host=request.url.host,
            port=request.url.port or {"http": 80, "https": 443}.get(request.url.scheme),
            status=response.status_code,
        )
