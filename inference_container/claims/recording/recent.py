"""The last results, for people who look: kept beside the recorder, in memory, and forgotten with the process."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from typing_extensions import override

from inference_container.broker.ports import Record
from inference_container.claims.ports import Entry, Recorder
from inference_container.claims.results import Row

MOST = 20


@dataclass(frozen=True, slots=True)
class Recent:
    """A line of the log, less its forecast."""

    source: str
    status: str  #: `results.RowStatus`
    claim_id: str | None
    object_key: str | None
    reason: str | None  #: of a dead letter
    model_id: str | None
    rows: int
    timestamp: str  #: of the message, ISO 8601


class RecentResults(Recorder):
    """A recorder that remembers what went through it."""

    def __init__(self, inner: Recorder, most: int = MOST) -> None:
        self._inner = inner
        self._lines: deque[bytes] = deque(maxlen=most)

    @override
    async def record(self, entry: Entry) -> None:
        await self._inner.record(entry)
        self._lines.appendleft(_head(entry.row))

    @override
    async def became(self, record: Record) -> frozenset[str]:
        return await self._inner.became(record)

    def latest(self) -> Sequence[Recent]:
        """Newest first. Lines are read here and not on the claim's way."""
        return [_read(line) for line in self._lines]


def _head(row: Row) -> bytes:
    """The line without its forecast, which stands last and may be long: nobody here looks at it."""
    # No text of JSON holds this: its quotes would be escaped.
    return row.line.partition(b',"forecast":')[0] + b"}"


def _read(head: bytes) -> Recent:
    line = orjson.loads(head)
    return Recent(
        line["source"],
        line["status"],
        line["claim_id"],
        line["object_key"],
        line["reason"],
        line["run_id"],
        line["rows"],
        line["timestamp"],
    )
