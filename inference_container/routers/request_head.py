"""What the head of a `/predict` request says: how the body is written, what is asked for, and until when.

Shared by the hot route and the route behind it, so that both read a request the same way. Nothing here has seen a body.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from inference_container.errors import InvalidHead, UnsupportedMediaType
from inference_container.forecasting.messages import BodyKind, QueryOptions
from serving.clock import Clock
from serving.deadline import Deadline
from serving.http.problems import describe_validation

#: Header names as ASGI has them, and values.
Head = Mapping[bytes, bytes]

ARROW_STREAM, ARROW_FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
PARQUET, PARQUET_X = "application/vnd.apache.parquet", "application/x-parquet"

_KINDS: Mapping[bytes, BodyKind] = {
    # JSON under the names that tools give to a body they know nothing of; curl says the last one.
    b"application/json": "json",
    b"text/json": "json",
    b"text/plain": "json",
    b"application/x-www-form-urlencoded": "json",
    **{name.encode(): "arrow" for name in (ARROW_STREAM, ARROW_FILE)},
    **{name.encode(): "parquet" for name in (PARQUET, PARQUET_X)},
}

#: Milliseconds the caller will wait; the second is what some gateways and load tools send.
DEADLINE_HEADERS = (b"x-deadline-ms", b"x-request-timeout-ms")


class Asked(BaseModel):
    """The query string. Unknown parameters are ignored, as they always were."""

    inference_length: int | None = Field(None, ge=1, le=10_000, description="Steps to forecast.")
    index_col: str | None = Field(
        None, max_length=200, description="Name of the time column, for Arrow and parquet bodies."
    )
    quantiles: str | None = Field(
        None,
        pattern=r"^0?\.\d{1,6}(,0?\.\d{1,6}){0,19}$",
        description="Levels to answer beside the forecast, as in `0.1,0.9`.",
    )
    timings: bool = Field(False, description="Whether the answer carries `timings_ms`, its batch's stages.")


_ASKED = TypeAdapter(Asked)


def kind_of(head: Head) -> BodyKind:
    """The kind of body that `Content-Type` names; JSON when there is none.

    Raises:
        UnsupportedMediaType: A type that no codec reads.
    """
    named = head.get(b"content-type")
    if named is None or named == b"application/json":
        return "json"
    media_type = named.partition(b";")[0].strip().lower()
    kind = _KINDS.get(media_type)
    if kind is not None:
        return kind
    if media_type.endswith(b"+json") or not media_type:
        return "json"
    raise UnsupportedMediaType


def options_of(query_string: bytes) -> QueryOptions | None:
    """What the query string asks for; None when it asks for nothing.

    Raises:
        InvalidHead: A parameter is out of bounds.
    """
    if not query_string:
        return None
    given = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    try:
        asked = _ASKED.validate_python({name: value for name, value in given.items() if name in Asked.model_fields})
    except ValidationError as error:
        errors = describe_validation(error.errors())
        raise InvalidHead(errors=[{**each, "loc": ["query", *each["loc"]]} for each in errors]) from None
    levels = tuple(map(float, asked.quantiles.split(","))) if asked.quantiles else None
    return QueryOptions(asked.inference_length, asked.index_col, levels, asked.timings)


def patience_of(head: Head) -> float | None:
    """Seconds that the caller says it will wait; None when it says nothing, or nothing that can be."""
    for name in DEADLINE_HEADERS:
        value = head.get(name)
        if value is not None:
            return int(value) / 1000 if value.isdigit() and len(value) <= 12 else None
    return None


def deadline_of(head: Head, timeout_s: float, clock: Clock) -> Deadline:
    """The nearer of the caller's own deadline and the service's.

    Raises:
        InvalidHead: The header is not a whole number of milliseconds above 0.
    """
    at = clock.monotonic() + timeout_s
    for name in DEADLINE_HEADERS:
        value = head.get(name)
        if value is not None:
            if not value.isdigit() or len(value) > 12 or int(value) == 0:
                shown = name.decode()
                raise InvalidHead(
                    f"{shown} must be a whole number of milliseconds, 1 or more.",
                    errors=[{"loc": ["header", shown], "msg": "not a whole number of milliseconds", "type": "int"}],
                )
            return Deadline(min(at, clock.monotonic() + int(value) / 1000), clock)
    return Deadline(at, clock)


def size_of(head: Head) -> int:
    """The bytes that `Content-Length` announces; 0 when it does not."""
    length = head.get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 16 else 0
