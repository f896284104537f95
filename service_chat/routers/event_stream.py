"""Server-sent events: how one is written, and the response that carries them.

Called by the triage and job routers. The format is the HTML standard's (`text/event-stream`). Nothing here knows what
an event means.
"""

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from serving.encoding import dumps

EVENT_STREAM = "text/event-stream"

#: First words of every stream: a browser that loses it comes back after this many milliseconds.
RETRY = b"retry: 2000\n"

_EVENT = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {name: {"type": "string"} for name in ("event", "data", "id")},
}
#: In OpenAPI: the body of a stream, as its readers see it, event by event.
CONTENT: dict[str, dict[str, object]] = {EVENT_STREAM: {"schema": _EVENT}}


def server_sent_event(number: int, name: str, data: object) -> bytes:
    """`data` as one line of JSON: a newline inside it is written `\\n` and can not end the event."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), dumps(data))


def event_stream(events: AsyncIterator[bytes], headers: dict[str, str] | None = None) -> StreamingResponse:
    """Neither a cache nor a proxy may hold events back."""
    own = {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type=EVENT_STREAM, headers={**own, **(headers or {})})
