"""`POST /predict` inside the server: from the parser's callbacks to the lane, from the worker's bytes to the socket.

An ASGI server makes a scope, a task, two events and two writes for each request, which is more work than the forecast's
whole admission; under overload, where nearly all work is refusing, that decides how much of a core is left for
answers. This is uvicorn's own protocol class with a shorter way for the plainest requests: kept-alive HTTP/1.1, a
Content-Length within bounds, no Origin, one at a time. Everything else takes uvicorn's way and ends in the same door.

It leans on names of uvicorn's class that are not promised; `fits` says whether they are there, and the service does
without this class when they are not.
"""

import asyncio
import math
import re

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from inference_container.routers.door import HUNG_UP, PATH, PredictDoor, PredictTicket, Reply, brings_trace
from inference_container.routers.request_head import Head, size_of
from serving.deadline import Deadline
from serving.errors import CallerGone, DeadlineExceeded, Draining

_TRIED_WITH = ["0", "54"]
_PATH = PATH.encode()
_REQUEST_LINE = b"POST %b HTTP/1.1\r\n" % _PATH
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*(?=\r\n)", re.IGNORECASE)
_MAX_HEAD_BYTES = 64 * 1024
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
#: Heads that ask for something other than a plain answer.
_PECULIAR = re.compile(
    rb"\r\n(?:transfer-encoding|origin|expect|upgrade|traceparent|x-request-id|connection(?!:[ \t]*keep-alive\r\n))",
    re.IGNORECASE,
)
_PATH_QUERY = _PATH + b"?"
#: What marks a request as none for this road.
_NOT_PLAIN = frozenset((b"origin", b"expect", b"upgrade", b"transfer-encoding"))


class _Express:
    """One request on this road."""

    __slots__ = ("begun", "body", "deadline", "head", "missing", "query_string", "reply", "ticket", "timer")

    def __init__(self, head: Head, query_string: bytes, begun: float) -> None:
        self.head, self.query_string, self.begun = head, query_string, begun
        self.body: bytes = b""
        self.missing = size_of(head)
        self.deadline: Deadline | None = None
        #: Set when the answer is known before the body is.
        self.reply: Reply | None = None
        self.ticket: PredictTicket | None = None
        self.timer: asyncio.TimerHandle | None = None


def express_protocol(door: PredictDoor) -> type[HttpToolsProtocol]:
    """uvicorn's protocol class with the road to `door` built in."""

    class ExpressProtocol(HttpToolsProtocol):
        _now: _Express | None = None
        #: A message has begun and not ended; its head has not.
        _within = _head_open = False
        _head_bytes = 0
        #: When a request was last refused without the parser; the loop's time.
        _refused_at = -math.inf
        #: The present request was refused with its head; its body passes by.
        _refused = False
        #: The connection ends with the present answer; whatever still comes on it is not looked at.
        _last = False

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
            url = self.url
            if url != _PATH and not url.startswith(_PATH_QUERY):
                self._take_the_other_way()
                return
            head = dict(self.headers)
            if not self._is_plain(head):
                self._take_the_other_way()
                return
            if door.is_full(head) and not brings_trace(head):
                self._refused = True
                self.transport.write(door.refuse(self.server_state.default_headers))
                return
            self._now = now = _Express(head, url[len(_PATH_QUERY) :], door.begin())
            now.reply = door.refusal(head)
            if now.reply is None:
                try:
                    now.deadline = door.deadline(head)
                except Exception as error:
                    now.reply = door.failed(head, error)

        def _is_one_request(self, data: bytes) -> bool:
            """Whether `data` is a plain request to this road, from its first byte to its last, and nothing else.

            Under overload nearly all requests come in one piece and are refused whatever they say: the parser's eleven
            callbacks would cost more than the answer. Looked at as strictly as a parser would; any doubt is its matter.
            """
            if self._within or self._last or self._now is not None or not data.startswith(_REQUEST_LINE):
                return False
            if self.cycle is not None and not self.cycle.response_complete:
                return False
            end = data.find(b"\r\n\r\n") + 2
            found = _LENGTH.search(data, 0, end)
            return (
                found is not None
                and end + 2 + int(found[1]) == len(data)
                and _PECULIAR.search(data, 0, end) is None
                and _LENGTH.search(data, found.end(), end) is None
            )

        @override
        def timeout_keep_alive_handler(self) -> None:
            idle_s = self.loop.time() - self._refused_at
            if idle_s < self.timeout_keep_alive:  # spoken to meanwhile, past the parser
                left = self.timeout_keep_alive - idle_s
                self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
            else:
                super().timeout_keep_alive_handler()

        def _is_plain(self, head: Head) -> bool:
            limit = self.limit_concurrency
            return (
                self.parser.get_method() == b"POST"
                and self.parser.get_http_version() == "1.1"
                and self.parser.should_keep_alive()
                and b"content-length" in head
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
            if door.is_closed_to_all() and self._is_one_request(data):
                self.transport.write(door.refuse(self.server_state.default_headers))
                self._refused_at = self.loop.time()
                if self.timeout_keep_alive_task is None:
                    self.timeout_keep_alive_handler()
                return
            super().data_received(data)
            if self._head_open and not self._last:
                self._bound_head(len(data))
                return
            self._head_bytes = 0
            if self._refused and self.timeout_keep_alive_task is None:
                # Refused already, and the rest of its body is still to come: not for ever.
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
                return
            now = self._now
            if now is not None and now.ticket is None and now.timer is None:
                # The body did not come with its head: what is announced counts against the budget, and not for ever.
                left = self.timeout_keep_alive if now.deadline is None else now.deadline.remaining()
                if now.reply is not None:
                    now.missing = 0  # refused: its body is not kept
                door.lane.hold(now.missing)
                now.timer = self.loop.call_later(left, self._body_never_came)

        def _bound_head(self, size: int) -> None:
            """A head that does not end: neither for ever nor without a bound. The parser has none of its own."""
            self._head_bytes += size
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._last = True
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()
            elif self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

        @override
        def send_400_response(self, msg: str) -> None:
            if self._now is not None and self._now.ticket is not None:
                # Bytes that make no sense came behind a request that does: its answer first, and the end with it.
                self._last = True
                self.flow.pause_reading()
            else:
                super().send_400_response(msg)

        @override
        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.flow.write_paused:
                self.flow.pause_reading()

        @override
        def pause_writing(self) -> None:
            super().pause_writing()
            self.flow.pause_reading()

        @override
        def resume_writing(self) -> None:
            super().resume_writing()
            if not self.pipeline:
                self.flow.resume_reading()

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
            if self._last or not isinstance(answer, bytes) or brings_trace(now.head):
                self._send(now, door.answered(now.head, answer))
                return
            self._now = None
            door.end(now.begun, 200)
            if not self.transport.is_closing():
                self.transport.write(door.answer(self.server_state.default_headers, answer))
                self.on_response_complete()

        def _send(self, now: _Express, reply: Reply) -> None:
            self._now = None
            door.end(now.begun, reply.status)
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
                door.end(now.begun, HUNG_UP)
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
