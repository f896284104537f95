"""`POST /predict` inside the server: from the parser's callbacks to the lane, from the worker's bytes to the socket.

An ASGI server makes a scope, a task, two events and two writes for each request, which is more work than the forecast's
whole admission; under overload, where nearly all work is refusing, that decides how much of a core is left for
answers. This is uvicorn's own protocol class with a shorter way for the plainest requests: kept-alive HTTP/1.1, a
Content-Length within bounds, no Origin, one at a time. Everything else takes uvicorn's way and ends in the same door.
A request that comes whole, with a head that the parser has read before, needs no parser either (`known_heads`); nor
does a probe, which has to be answered before anything else that came with it.

It leans on names of uvicorn's class that are not promised; `fits` says whether they are there, and the service does
without this class when they are not.
"""

import asyncio
from typing import TypeAlias

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from inference_container.routers import liveness
from inference_container.routers.bounded_protocol import BoundedProtocol
from inference_container.routers.door import HUNG_UP, PATH, PlainHead, PredictDoor, PredictTicket, Reply
from inference_container.routers.head_traces import brings_trace
from inference_container.routers.known_heads import KnownHeads
from inference_container.routers.liveness import Liveness
from inference_container.routers.request_head import Head, size_of
from serving.deadline import Deadline
from serving.errors import CallerGone, DeadlineExceeded, Draining

_TRIED_WITH = ["0", "54"]
_PATH = PATH.encode()
_PATH_QUERY = _PATH + b"?"
#: What marks a request as none for this road.
_NOT_PLAIN = frozenset((b"origin", b"expect", b"upgrade", b"transfer-encoding"))
_PROBE_PATH = liveness.PATH.encode()
#: What a known head asks for: a forecast, or whether the loop turns.
_Meaning: TypeAlias = PlainHead | Liveness


class _Express:
    """One request on this road."""

    __slots__ = ("begun", "body", "deadline", "head", "missing", "query_string", "reply", "ticket", "timer")

    def __init__(self, head: Head, query_string: bytes, begun: float, missing: int) -> None:
        self.head, self.query_string, self.begun = head, query_string, begun
        self.body: bytes = b""
        #: Bytes of the body that were announced and may not have come yet.
        self.missing = missing
        self.deadline: Deadline | None = None
        #: Set when the answer is known before the body is.
        self.reply: Reply | None = None
        self.ticket: PredictTicket | None = None
        self.timer: asyncio.TimerHandle | None = None


def express_protocol(door: PredictDoor, probe: Liveness) -> type[BoundedProtocol]:
    """uvicorn's protocol class with the roads to `door` and `probe` built in."""
    known: KnownHeads[_Meaning] = KnownHeads()

    class ExpressProtocol(BoundedProtocol):
        _now: _Express | None = None
        #: A message has begun and not ended; its head has not.
        _within = _head_open = False
        #: The head that the parser is about to read, where it begins with the present packet.
        _raw_head = b""
        #: The present request was refused with its head; its body passes by.
        _refused = False

        @override
        def on_message_begin(self) -> None:
            # As little as the parser needs; uvicorn's own scope is made only for a request that goes its way.
            self._within = self._head_open = True
            self.url = b""
            self.expect_100_continue = False
            self.headers = []

        @override
        def on_headers_complete(self) -> None:
            self._head_open = False
            if self.flow.write_paused and not self._last:
                # Asks on without reading what it was answered: nothing more is kept for it.
                self._last = True
                self.transport.close()
            if self._last or self._refused or self._now is not None:
                # A request sent before the last one was answered. One at a time: the connection ends after that answer,
                # which tells the caller that this one was not looked at (RFC 9112 §9.3.2).
                self._last = True
                return
            url, raw_head = self.url, self._raw_head
            self._raw_head = b""
            head = dict(self.headers)
            if url == _PROBE_PATH and self._is_plain(head, b"GET") and not size_of(head) and not brings_trace(head):
                known.remember(raw_head, probe)  # from its next knock on
            if (url != _PATH and not url.startswith(_PATH_QUERY)) or not self._is_plain(head, b"POST"):
                self._take_the_other_way()
                return
            if door.is_full(head) and not door.needs_own_headers(head):
                self._refused = True
                self.transport.write(door.refuse(self.server_state.default_headers))
                return
            query_string = url[len(_PATH_QUERY) :]
            self._now = now = _Express(head, query_string, door.begin(), size_of(head))
            now.reply = door.refusal(head)
            if now.reply is None:
                try:
                    now.deadline = door.deadline(head)
                    if not brings_trace(head):
                        known.remember(raw_head, door.read(head, query_string))
                except Exception as error:
                    now.reply = door.failed(head, error)

        def _is_idle(self) -> bool:
            """Whether the next byte is a request's first, and the last answer has gone."""
            return (
                not (self._within or self._last)
                and self._now is None
                and (self.cycle is None or self.cycle.response_complete)
                and not self.flow.write_paused
            )

        def _ask(self, plain: PlainHead, body: bytes) -> None:
            """A whole request with a known head."""
            if not door.has_room(plain):
                self.transport.write(door.refuse(self.server_state.default_headers))
                self._rest()
                return
            self._now = now = _Express(plain.head, b"", door.begin(), 0)
            try:
                ticket = now.ticket = door.take(plain, body)
            except Exception as error:
                self._send(now, door.failed(plain.head, error))
                return
            ticket.when_settled(self._settled)

        def _is_plain(self, head: Head, method: bytes) -> bool:
            limit = self.limit_concurrency
            return (
                self.parser.get_method() == method
                and self.parser.get_http_version() == "1.1"
                and self.parser.should_keep_alive()
                and (b"content-length" in head or method == b"GET")
                and size_of(head) <= door.max_body_bytes
                and _NOT_PLAIN.isdisjoint(head)
                and (self.cycle is None or self.cycle.response_complete)
                and (limit is None or len(self.connections) < limit)
            )

        def _take_the_other_way(self) -> None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.headers, self.expect_100_continue = url, headers, expects
            self.scope["headers"] = headers
            super().on_headers_complete()

        @override
        def on_body(self, body: bytes) -> None:
            now = self._now
            if self._last or self._refused:
                return
            if now is None:
                super().on_body(body)
            elif now.reply is None:
                now.body = now.body + body if now.body else body

        @override
        def on_message_complete(self) -> None:
            self._within = False
            now = self._now
            if self._last:
                return
            if self._refused:
                self._refused = False
                self.on_response_complete()
                return
            if now is None:
                super().on_message_complete()
                return
            if now.timer is not None:
                now.timer.cancel()
                door.lane.release(now.missing)
                now.timer = None
            if now.reply is not None:
                self._send(now, now.reply)
                return
            assert now.deadline is not None
            try:
                ticket = now.ticket = door.ask(now.head, now.query_string, now.body, now.deadline)
            except Exception as error:
                self._send(now, door.failed(now.head, error))
                return
            now.body = b""
            ticket.when_settled(self._settled)

        @override
        def data_received(self, data: bytes) -> None:
            if self._is_idle():
                end = data.find(b"\r\n\r\n") + 4
                head = data[:end]
                meaning = known.get(head)
                if meaning is None:
                    self._raw_head = head
                elif isinstance(meaning, Liveness):
                    if len(data) == end:
                        self.transport.write(meaning.answer(self.server_state.default_headers))
                        self._rest()
                        return
                elif len(data) - end == meaning.size:
                    self._ask(meaning, data[end:])
                    return
            else:
                self._raw_head = b""
            super().data_received(data)
            if self._head_open and not self._last:
                self._bound_head(len(data))
                return
            self._head_bytes = 0
            if self._refused and self.timeout_keep_alive_task is None:
                # Refused already, and the rest of its body is still to come: not for ever.
                self._watch()
                return
            now = self._now
            if now is not None and now.ticket is None and now.timer is None:
                # The body did not come with its head: what is announced counts against the budget, and not for ever.
                left = self.timeout_keep_alive if now.deadline is None else now.deadline.remaining()
                if now.reply is not None:
                    now.missing = 0  # refused: its body is not kept
                door.lane.hold(now.missing)
                now.timer = self.loop.call_later(left, self._body_never_came)

        @override
        def send_400_response(self, msg: str) -> None:
            if self._now is not None and self._now.ticket is not None:
                # Bytes that make no sense came behind a request that does: its answer first, and the end with it.
                self._last = True
                self.flow.pause_reading()
            else:
                super().send_400_response(msg)

        def _body_never_came(self) -> None:
            now = self._now
            if now is not None and now.ticket is None:
                door.lane.release(now.missing)
                now.timer = None
                self._last = True  # where the next request would begin can not be known any more
                self._send(now, now.reply or door.failed(now.head, DeadlineExceeded()))

        def _settled(self) -> None:
            now = self._now
            if now is None or now.ticket is None:
                return  # the caller has hung up
            error = now.ticket.error
            if error is not None:
                self._send(now, door.failed(now.head, error, now.ticket))
                return
            answer = now.ticket.value
            if self._last or not isinstance(answer, bytes) or door.needs_own_headers(now.head):
                self._send(now, door.answered(now.head, now.ticket))
                return
            self._now = None
            door.count(now.begun, 200)
            if not self.transport.is_closing():
                self.transport.write(door.answer(self.server_state.default_headers, answer))
                self._rest()

        def _send(self, now: _Express, reply: Reply) -> None:
            self._now = None
            door.end(now.begun, reply)
            self._last = self._last or (b"connection", b"close") in reply.headers
            if reply.status == HUNG_UP or self.transport.is_closing():
                return
            parts = [STATUS_LINE[reply.status]]
            for name, value in self.server_state.default_headers:
                parts += (name, b": ", value, b"\r\n")
            for name, value in reply.headers:
                parts += (name, b": ", value, b"\r\n")
            if self._last and (b"connection", b"close") not in reply.headers:
                parts.append(b"connection: close\r\n")
            parts += (b"\r\n", reply.body)
            self.transport.write(b"".join(parts))
            if self._last:
                self.transport.close()
            self.on_response_complete()

        @override
        def connection_lost(self, exc: Exception | None) -> None:
            now, self._now = self._now, None
            if now is not None:
                if now.timer is not None:
                    now.timer.cancel()
                    door.lane.release(now.missing)
                reply = now.reply or door.failed(now.head, CallerGone(), now.ticket)  # which nobody reads
                door.end(now.begun, reply._replace(status=HUNG_UP))
                if now.ticket is not None:
                    now.ticket.fail(CallerGone())
            super().connection_lost(exc)

        @override
        def shutdown(self) -> None:
            """The server closes: what is being answered is answered first."""
            now = self._now
            if now is None:
                super().shutdown()
                return
            self._last = True
            if now.ticket is None:
                # The rest of its body would hold the process up, and there is no time left to forecast it in.
                if now.timer is not None:
                    now.timer.cancel()
                    door.lane.release(now.missing)
                self._send(now, now.reply or door.failed(now.head, Draining(retry_after_s=1)))

    return ExpressProtocol


def fits() -> bool:
    """Whether this is the uvicorn that the class above was tried with. Most of what it leans on are attributes of a
    connection, which can not be looked for on the class: the release says whether they are there."""
    if uvicorn.__version__.split(".")[:2] != _TRIED_WITH:
        return False
    wanted = ("on_message_begin", "on_headers_complete", "on_body", "on_message_complete", "on_response_complete")
    return all(callable(getattr(HttpToolsProtocol, name, None)) for name in (*wanted, "data_received", "shutdown"))
