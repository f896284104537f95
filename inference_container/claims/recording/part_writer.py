"""One part of the log from rows to acknowledgements, in a thread: its object is put, then its messages are sent.

`recorder` writes claims with it, `forecast_log` what was asked over HTTP, on threads of their own. What becomes of each
entry is told one by one: a part that failed fails its rows only, and a message that was refused only itself. Nothing is
listed, read or written twice on the way of a claim; only of one that looks like a killer the log is asked.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

from inference_container.broker.ports import Producer, Record, Sent
from inference_container.claims.ports import Entry, Outgoing
from inference_container.claims.recording.parts import Part, hour_prefix, may_hold, parts, statuses
from inference_container.claims.results import Place
from inference_container.claims.traces import send
from inference_container.errors import BrokerUnavailable, ObjectMissing
from inference_container.events_claims import inference_log_write
from inference_container.metrics_claims import ClaimMetrics
from inference_container.spans import PUT
from inference_container.stores.ports import ObjectStore
from serving.clock import Clock
from serving.errors import DeadlineExceeded, DependencyFailed, SluiceError
from serving.tracing import Trace

#: Messages made and sent in one go.
_BREATH = 4
_UNWRITABLE = "The log can not be written."
_CONTENT_TYPE = "application/x-ndjson"
#: Bytes of a part that somebody wrote; ours have a twentieth.
_LARGEST_PART = 256 * 1024 * 1024
#: A broker that does not know a topic holds up every message to it; after one that took so long the rest is not tried.
_SLOW_SEND_S = 1.0

#: A store and the bucket of the log in it.
Log: TypeAlias = tuple[ObjectStore, str]


class Outcome(NamedTuple):
    #: Where the message was acknowledged; None where there is none, or no acknowledgement.
    topic: str | None
    error: BaseException | None


#: Told of the entry at a place in its batch; once for each, from the writing thread or from the producer's.
Tell: TypeAlias = Callable[[int, Outcome], None]


@dataclass(frozen=True, slots=True)
class Written:
    """A part that lies in the store."""

    place: Place
    rows: int
    size: int  #: bytes
    took_s: float


def breathe(turn: int) -> None:
    """Lets the event loop in, now and then: a thread that computes keeps the interpreter from it for 5 ms at a time,
    and each caller whose answer is ready waits as long. A sleep of no length would take it straight back."""
    if turn % _BREATH == _BREATH - 1:
        time.sleep(0.0001)


class PartWriter:
    """Thread-safe; every method blocks for as long as the store or a send takes."""

    def __init__(self, producer: Producer | None, log: Log | None, clock: Clock) -> None:
        """`producer`: None where no entry has a message. `log`: None where no objects are written."""
        self._producer, self._log, self._clock = producer, log, clock

    def write(self, entries: Sequence[Entry], tell: Tell) -> Written | None:
        """Returns once every message is sent; acknowledgements are told later. None: no object was written.

        Args:
            entries: of one partition and hour. Their messages are made here, in this thread.
        """
        due = []
        for at, entry in enumerate(entries):
            if self._expired(entry):  # or the log would have an answer that nobody was given
                tell(at, Outcome(None, DeadlineExceeded()))
            else:
                due.append(at)
        written: Written | None = None
        if self._log is not None and due:
            try:
                (part,) = parts(entries[at].row for at in due)
                with PUT.each([entries[at].trace for at in due], rows=len(due)):
                    written = self.put(self._log, part)
            except Exception as failure:  # whatever it is, somebody waits for each of these rows
                error = failure if isinstance(failure, DependencyFailed) else DependencyFailed(_UNWRITABLE)
                for at in due:
                    tell(at, Outcome(None, error.with_details()))
                return None
        self.send(entries, due, written.place if written is not None else None, tell)
        return written

    def put(self, log: Log, part: Part) -> Written:
        """
        Raises:
            StoreUnavailable: worth another try, later.
            DependencyFailed: somebody has to mend the store. A row is never to blame for where it was to lie.
        """
        store, bucket = log
        began = self._clock.monotonic()
        try:
            store.put(bucket, part.key, part.content, _CONTENT_TYPE)
        except DependencyFailed:
            raise
        except SluiceError as failure:
            raise DependencyFailed(_UNWRITABLE, reason=failure.code) from failure
        took_s = self._clock.monotonic() - began
        return Written(Place(bucket, part.key), len(part.offsets), len(part.content), took_s)

    def became(self, record: Record) -> frozenset[str]:
        """As the port `Recorder` has it."""
        if self._log is None:
            return frozenset()
        store, bucket = self._log
        found: set[str] = set()
        for info in store.list(bucket, hour_prefix(record.partition, record.timestamp_ms)):
            if may_hold(info.key, record.offset):
                with suppress(ObjectMissing):  # compacted this very moment
                    found |= statuses(store.get(bucket, info.key, _LARGEST_PART)[1], record.source)
        return frozenset(found)

    def send(self, entries: Sequence[Entry], due: Sequence[int], place: Place | None, tell: Tell) -> None:
        """Those of `entries` that are `due`; their rows lie at `place`."""
        hopeless: BrokerUnavailable | None = None
        for turn, at in enumerate(due):
            breathe(turn)
            entry = entries[at]
            if entry.message is None:
                tell(at, Outcome(None, None))
                continue
            try:
                outgoing = entry.message(place)
            except Exception as failure:  # of this entry alone
                tell(at, Outcome(None, failure))
                continue
            if self._expired(entry):
                tell(at, Outcome(None, DeadlineExceeded()))
            elif hopeless is not None:
                tell(at, Outcome(None, hopeless.with_details()))
            else:
                hopeless = self._sent(outgoing, entry.trace, partial(tell, at))

    def _sent(
        self, outgoing: Outgoing, trace: Trace | None, told: Callable[[Outcome], None]
    ) -> BrokerUnavailable | None:
        """Why no other needs to be tried; None when they do."""
        assert self._producer is not None, "whoever has no producer makes no messages"
        began = self._clock.monotonic()
        try:
            sent = send(self._producer, outgoing, trace)
        except Exception as failure:  # a producer that is closed, for one: the message was not taken
            told(Outcome(None, BrokerUnavailable(reason=type(failure).__name__)))
            return None
        slow = self._clock.monotonic() - began >= _SLOW_SEND_S
        error = sent.exception() if slow and sent.done() else None
        sent.add_done_callback(partial(_acknowledged, outgoing.topic, told))
        return error if isinstance(error, BrokerUnavailable) else None

    def _expired(self, entry: Entry) -> bool:
        return entry.deadline is not None and entry.deadline.expired(self._clock)


def _acknowledged(topic: str, told: Callable[[Outcome], None], sent: "Future[Sent]") -> None:
    error = sent.exception()
    told(Outcome(topic if error is None else None, error))


def note_written(written: Written, metrics: ClaimMetrics) -> None:
    """On the event loop, where the metrics live."""
    metrics.store.observe(written.took_s)
    metrics.part_rows.observe(written.rows)
    if inference_log_write.enabled:
        place = written.place
        inference_log_write(bucket=place.bucket, object_key=place.key, lines=written.rows, bytes=written.size)
