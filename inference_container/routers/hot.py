"""`POST /predict` as raw ASGI, in front of the application: no framework between the socket and the lane.

Admission comes before the body is read. An admitted body goes to a worker as it came, the worker's bytes go back as
they are; nothing of either is looked at here. Whatever is not an ordinary forecast (another path, a browser's
cross-origin request) is the application's, whose own route (`routers.predict`) gives the same answers and is what
OpenAPI describes.
"""

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference_container.errors import BodyTooLarge
from inference_container.routers.door import BROKEN_OFF, HUNG_UP, PATH, PredictDoor, Reply
from inference_container.routers.hangup import HangUps
from inference_container.routers.request_head import Head
from serving.errors import CallerGone


class HotRoute:
    def __init__(self, app: ASGIApp, door: PredictDoor) -> None:
        self._app, self._door = app, door
        self._hang_ups = HangUps()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        head: Head = dict(scope["headers"])
        if b"origin" in head:
            await self._app(scope, receive, send)
            return
        begun, reply = self._door.begin(), BROKEN_OFF
        try:
            reply = self._door.refusal(head) or await self._reply(head, scope, receive)
            if reply.status != HUNG_UP:
                await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
                await send({"type": "http.response.body", "body": reply.body})
        finally:
            self._door.end(begun, reply)

    async def _reply(self, head: Head, scope: Scope, receive: Receive) -> Reply:
        door, ticket = self._door, None
        try:
            deadline = door.deadline(head)
            # Bound from the first piece on: a head without any body behind it would otherwise hold its caller for ever.
            message = await deadline.bound(receive())
            body: bytes = message.get("body", b"")
            # Chunks announce no length, and a body of them may come whole and still be too large.
            whole = message["type"] == "http.request" and not message.get("more_body", False)
            if not whole or len(body) > door.max_body_bytes:
                body = await deadline.bound(self._whole_body(message, receive))
            ticket = door.ask(head, scope["query_string"], body, deadline)
            self._hang_ups.watch(ticket, receive)
            try:
                await ticket.result()
                return door.answered(head, ticket)
            finally:
                self._hang_ups.forget(ticket)
        except ClientDisconnect:
            return door.failed(head, CallerGone())
        except Exception as error:  # any error is an answer here: there is no layer behind that would make it one
            return door.failed(head, error, ticket)

    async def _whole_body(self, message: Message, receive: Receive) -> bytes:
        """A body that comes in pieces; what it holds meanwhile counts against the lane's budget."""
        pieces, held, lane = [], 0, self._door.lane
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                self._door.check_bytes(len(piece))
                pieces.append(piece)
                held += len(piece)
                lane.hold(len(piece))
                if held > self._door.max_body_bytes:
                    raise BodyTooLarge(max_bytes=self._door.max_body_bytes)
                if not message.get("more_body", False):
                    return b"".join(pieces)
                message = await receive()
        finally:
            lane.release(held)
