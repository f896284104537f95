"""The door to `POST /predict` where its requests become spans: each answer tells its own trace, refusals too.

`main` puts it in the place of `PredictDoor` when spans go anywhere, so that the plain one has nothing to ask. The roads
know no difference: a ticket carries the trace to the lane and the workers, a reply carries it back to `end`.
"""

import time

from typing_extensions import override

from inference_container.routers.door import PATH, PlainHead, PredictDoor, PredictTicket, Reply
from inference_container.routers.head_traces import Headers, HeadTrace, told, trace_in
from inference_container.routers.request_head import Head
from serving.deadline import Deadline
from serving.spans import served
from serving.tracing import trace_from


class TracedDoor(PredictDoor):
    @staticmethod
    @override
    def needs_own_headers(_: Head) -> bool:
        return True

    @override
    def ask(self, head: Head, query_string: bytes, body: bytes, deadline: Deadline) -> PredictTicket:
        ticket = super().ask(head, query_string, body, deadline)
        ticket.trace = trace_in(head)
        return ticket

    @override
    def take(self, plain: PlainHead, body: bytes) -> PredictTicket:
        ticket = super().take(plain, body)
        ticket.trace = trace_in(plain.head)
        return ticket

    @override
    def refuse(self, default_headers: Headers) -> bytes:
        # It brought no trace and is told none: the span alone says that it was there.
        served(trace_from({}), time.monotonic(), "POST", PATH, 429)
        return super().refuse(default_headers)

    @override
    def end(self, begun: float, reply: Reply) -> None:
        super().end(begun, reply)
        if reply.trace is not None:
            served(reply.trace, begun, "POST", PATH, reply.status)

    @override
    def _trace_of(self, head: Head, ticket: PredictTicket | None = None) -> HeadTrace:
        return told(ticket.trace if ticket is not None and ticket.trace is not None else trace_in(head))
