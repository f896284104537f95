"""What crosses to a worker process and back: a batch of queries one way, a reply for each the other way.

Plain values that pickle small. The raw body crosses as it came from the socket: decoding happens in the worker, so the
event loop never pays for it. `process_pool` ships them, `inferencer` answers them.
"""

from dataclasses import dataclass
from typing import TypeAlias

from serving.errors import SluiceError


@dataclass(frozen=True, slots=True)
class ForecastQuery:
    """One question. Nothing in it has been looked at yet."""

    req_id: str
    #: The HTTP body, JSON, as received; may be empty.
    body: bytes
    #: `inference_length` from the query string, which wins over the one in the body.
    inference_length: int | None = None


#: The encoded JSON answer, or the error that the door translates. Replies stand in the order of their queries.
ForecastReply: TypeAlias = bytes | SluiceError
