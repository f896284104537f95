"""A claim's trace, from header to header: the message that brings it, the work on it, the messages that leave.

The header is W3C Trace Context's `traceparent`, as over HTTP. A message that bears one keeps it: a dead letter has its
claim's headers, so a claim that is replayed goes on in the trace that it began in. While nobody listens, what is here
hands through what it is given.
"""

import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from inference_container.broker.ports import Headers, Producer, Record, Sent
from inference_container.claims.dead_letters import OURS
from inference_container.claims.ports import Outgoing
from inference_container.spans import PROCESS, PUBLISH
from serving.spans import code_of, listened
from serving.tracing import Trace, current_trace, trace_from

HEADER = "traceparent"

W = TypeVar("W")
O = TypeVar("O", bound=str)  # noqa: E741 - an outcome


def in_its_trace(record: Record, walk: Callable[[W], Coroutine[Any, Any, O]], walker: W) -> Coroutine[Any, Any, O]:
    """`walk(walker)` as a part of the trace that the message bears, or of one that begins here."""
    return _processed(record, walk, walker) if listened() else walk(walker)


async def _processed(record: Record, walk: Callable[[W], Coroutine[Any, Any, O]], walker: W) -> O:
    brought = next((content for name, content in record.headers if name == HEADER), b"")
    trace = trace_from({HEADER: brought.decode("latin-1")})
    place = record.partition
    with PROCESS.of(trace, topic=place.topic, partition=str(place.number), offset=record.offset) as told:
        outcome = await walk(walker)
        told["outcome"] = str(outcome)
        return outcome


def headers() -> Headers:
    """For a message that this task, or this thread, sends by itself; none while nobody listens."""
    trace = current_trace() if listened() else None
    return ((HEADER, trace.traceparent.encode()),) if trace is not None else ()


def send(producer: Producer, message: Outgoing, trace: Trace | None) -> "Future[Sent]":
    """`Producer.send`, with a span of its own in `trace`."""
    if trace is None or not listened():
        return producer.send(message.topic, message.value, message.key, message.headers)
    own, begun = trace.child(), time.monotonic()
    sent = producer.send(message.topic, message.value, message.key, _with(message.headers, own))

    def landed(future: "Future[Sent]") -> None:
        failure = future.exception()
        error = code_of(failure) if failure is not None else None
        PUBLISH.told(own, begun, time.monotonic(), error=error, topic=message.topic)

    sent.add_done_callback(landed)
    return sent


def _with(brought: Headers, own: Trace) -> Headers:
    # A letter's last headers are ours, by which a replay knows where its own begin: nothing may come between or behind.
    if any(name in (HEADER, OURS[0]) for name, _ in brought):
        return brought
    return (*brought, (HEADER, own.traceparent.encode()))
