"""Callers that hang up while they wait, noticed without a task for each of them.

An ASGI server tells of a hang-up only to whoever asks, and asking takes a task. Most forecasts are answered before one
would have paid; so the connection is asked only once a request has waited for `PATIENCE_S`.
"""

import asyncio
from typing import Any

from starlette.types import Receive

from serving.errors import CallerGone
from serving.ticket import Ticket

PATIENCE_S = 0.05


class HangUps:
    """Lives on the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Ticket[Any, Any], Receive] = {}
        self._asking: dict[Ticket[Any, Any], asyncio.Task[None]] = {}
        self._seen_once: set[Ticket[Any, Any]] = set()
        self._sweeping = False

    def watch(self, ticket: Ticket[Any, Any], receive: Receive) -> None:
        """From now until `forget`. The body must have been read."""
        self._waiting[ticket] = receive
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(PATIENCE_S, self._sweep)

    def forget(self, ticket: Ticket[Any, Any]) -> None:
        self._waiting.pop(ticket, None)
        self._seen_once.discard(ticket)
        asking = self._asking.pop(ticket, None)
        if asking is not None:
            asking.cancel()

    def _sweep(self) -> None:
        for ticket in self._seen_once & self._waiting.keys():
            self._asking[ticket] = asyncio.create_task(self._ask(ticket, self._waiting.pop(ticket)))
        self._seen_once = set(self._waiting)
        self._sweeping = bool(self._waiting)
        if self._sweeping:
            asyncio.get_running_loop().call_later(PATIENCE_S, self._sweep)

    async def _ask(self, ticket: Ticket[Any, Any], receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ticket.fail(CallerGone())
