"""Entries to be recorded, and a store and a producer that fail, wait or answer as a test wants it."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import orjson
from typing_extensions import override

from inference_container.broker.ports import Headers, Partition, Producer, Sent
from inference_container.claims.deadlines import ClaimDeadline
from inference_container.claims.messages import Claim
from inference_container.claims.ports import Entry, Outgoing
from inference_container.claims.results import Forecast, ModelName, Place, expired_row, ok_row, publication
from inference_container.stores.files import FileStore
from inference_container.stores.places import Places
from inference_container.stores.ports import ObjectInfo
from tests.unit.inference_container.claims.samples import INPUT, record

BUCKET = "inference-logs"
RESULTS = "performance-eval"
MODEL = ModelName("b" * 64, "gru", "c" * 64)
CLAIM = Claim(2, "processed-data", "a.parquet", claim_id="c-1", identifier="north", etag="abc")
HOUR_MS = 3_600_000


def entry(
    offset: int = 7,
    partition: Partition = INPUT,
    timestamp_ms: int = 1_767_225_600_000,
    value: object = 1.5,
    deadline: ClaimDeadline | None = None,
) -> Entry:
    """A claim that was answered."""
    source = record(offset=offset, partition=partition, timestamp_ms=timestamp_ms)
    forecast = Forecast(orjson.dumps({"predictions": [value]}), rows=1)

    def message(place: Place | None) -> Outgoing:
        made = publication(source, CLAIM, MODEL, forecast, "default", place)
        return Outgoing(RESULTS, made.key, made.value, made.headers)

    return Entry(ok_row(source, CLAIM, MODEL, forecast, "default"), message, deadline)


def row_only(offset: int = 7, partition: Partition = INPUT) -> Entry:
    """A claim whose deadline had passed."""
    return Entry(expired_row(record(offset=offset, partition=partition), CLAIM, "default"), None)


class LogStore(FileStore):
    """Files; `before_put` runs in the thread that puts, and may wait or raise."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Places({BUCKET: ("results/",)}))
        self.ensure_buckets()
        self.before_put: Callable[[str], None] = lambda key: None
        self.keys: list[str] = []

    @override
    def put(self, bucket: str, key: str, content: bytes, content_type: str = "") -> ObjectInfo:
        self.before_put(key)
        self.keys.append(key)
        return super().put(bucket, key, content, content_type)

    def lines(self) -> list[dict[str, object]]:
        """Every line of the log."""
        return [
            orjson.loads(line)
            for found in self.list(BUCKET, "results/")
            for line in self.get(BUCKET, found.key, 2**30)[1].splitlines()
        ]

    def sources(self) -> list[object]:
        return [line["source"] for line in self.lines()]


class LateProducer(Producer):
    """Acknowledges a message when a test says so, or at once as `answer` has it."""

    def __init__(self, answer: Callable[[bytes | None], BaseException | None] | None = None) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Headers]] = []
        self.waiting: list[Future[Sent]] = []
        self._answer = answer

    @override
    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> "Future[Sent]":
        self.sent.append((topic, value, key, headers))
        future: Future[Sent] = Future()
        if self._answer is None:
            self.waiting.append(future)
        elif (error := self._answer(key)) is not None:
            future.set_exception(error)
        else:
            future.set_result(Sent(Partition(topic, 0), 0))
        return future

    def acknowledge(self) -> None:
        """All that waits. Call it in another thread, as a broker's client does."""
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            future.set_result(Sent(Partition(RESULTS, 0), 0))

    @override
    def flush(self, wait_s: float) -> None:
        pass

    @override
    def close(self) -> None:
        pass
