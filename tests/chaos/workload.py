"""Claims as the world sends them, by a seed: most are good, some are broken in each of the ways that were ever seen.

Every message knows what has to become of it. Objects lie in the store before the first claim; good claims of both
versions point at a dozen of them, so that results differ and one in another's place would be noticed.
"""

import hashlib
import io
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
from pyarrow import parquet

from inference_container.broker.ports import Headers, Producer, Sent
from inference_container.claims.deadlines import deadline_header
from inference_container.claims.messages import Claim, encode_claim
from inference_container.claims.refusals import Reason
from inference_container.claims.results import RowStatus
from inference_container.stores.ports import ObjectStore
from tests.chaos.killer import DEADLY, DEADLY_KEY
from tests.fakes.weather import weather

BUCKET = "processed-data"
_GOOD = 12
#: Rows of a good series: the default bundle's window and a few more.
_ROWS = 60
_SENT_WITHIN_S = 150


@dataclass(frozen=True, slots=True)
class Expected:
    kind: str
    status: RowStatus
    reasons: frozenset[str] = frozenset()  #: of its dead letter: any of these
    claim_id: str | None = None
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Message:
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Headers
    expected: Expected


@dataclass(frozen=True, slots=True)
class _Object:
    key: str
    etag: str
    sha256: str
    size: int


def parquet_of(columns: Mapping[str, Sequence[object]], note: bytes = b"") -> bytes:
    """`note`: stands in the file's footer."""
    sink = io.BytesIO()
    parquet.write_table(pa.table(dict(columns)).replace_schema_metadata({b"note": note} if note else None), sink)
    return sink.getvalue()


class Objects:
    """Puts them once; each is known by a short name afterwards."""

    def __init__(self, store: ObjectStore) -> None:
        good = parquet_of(weather(_ROWS))
        contents = {f"good-{number}": parquet_of(weather(_ROWS, number * 30)) for number in range(_GOOD)}
        contents |= {
            "truncated": good[: len(good) // 2],
            "no-table": b"this is no parquet",
            "columns": parquet_of({name: value for name, value in weather(_ROWS).items() if name != "humid"}),
            "nan": parquet_of({**weather(_ROWS), "temp": [float("nan")] * _ROWS}),
            "no-rows": pa_empty(),
            "short": parquet_of(weather(5)),
            "kills-a-worker": parquet_of(weather(_ROWS), DEADLY),
            DEADLY_KEY: good,
        }
        self._there = {name: self._put(store, name, content) for name, content in contents.items()}

    def __getitem__(self, name: str) -> _Object:
        return self._there[name]

    @staticmethod
    def _put(store: ObjectStore, name: str, content: bytes) -> _Object:
        put = store.put(BUCKET, f"chaos/{name}.parquet", content)
        return _Object(put.key, put.etag, hashlib.sha256(content).hexdigest(), len(content))


def pa_empty() -> bytes:
    return parquet_of({name: pa.array(values).slice(0, 0) for name, values in weather(_ROWS).items()})


class Workload:
    """Equal seeds, equal messages but for the moments in deadlines."""

    def __init__(self, seed: int, objects: Objects, broken: float = 0.15) -> None:
        """`broken`: the share of claims that do not end as a result."""
        self._dice = random.Random(f"claims-{seed}")
        self._objects, self._broken = objects, broken
        self._made = 0

    def messages(self, count: int) -> Iterator[Message]:
        kinds = list(_BROKEN)
        for _ in range(count):
            self._made += 1
            yield self.broken(self._dice.choice(kinds)) if self._dice.random() < self._broken else self.good()

    def good(self, deadline_in_s: float | None = None) -> Message:
        dice = self._dice
        there = self._objects[f"good-{dice.randrange(_GOOD)}"]
        claim_id = self._name()
        match dice.randrange(4):
            case 0:
                claim, kind = Claim(1, BUCKET, there.key), "v1"
            case 1:
                claim, kind = Claim(2, BUCKET, there.key, claim_id, etag=there.etag, horizon=dice.randint(1, 24)), "v2"
            case 2:
                claim, kind = Claim(2, BUCKET, there.key, claim_id, sha256=there.sha256, size=there.size), "v2-hash"
            case _:
                claim, kind = Claim(2, BUCKET, there.key, claim_id, "tenant", there.etag, horizon=24), "v2-tenant"
        headers: Headers = ()
        if deadline_in_s is None and dice.random() < 0.1:
            deadline_in_s, kind = 3600, f"{kind}-deadline"
        if deadline_in_s is not None:
            headers = (deadline_header(int((time.time() + deadline_in_s) * 1000)),)
        return self._message(encode_claim(claim), headers, Expected(kind, RowStatus.OK, claim_id=claim.claim_id))

    def deadly(self, name: str, *reasons: str) -> Message:
        expected = Expected(name, RowStatus.DEAD_LETTER, frozenset(reasons))
        return self._message(self.pointing_at(name), (), expected)

    def broken(self, kind: str) -> Message:
        make, status, reasons = _BROKEN[kind]
        value, headers = make(self, self._objects)
        return self._message(value, headers, Expected(kind, status, frozenset(reasons)))

    def pointing_at(self, name: str) -> bytes:
        """A claim for one of the bad objects, by its etag."""
        there = self._objects[name]
        return encode_claim(Claim(2, BUCKET, there.key, self._name(), etag=there.etag))

    def _name(self) -> str:
        return f"claim-{self._made}-{self._dice.getrandbits(32):08x}"

    def _message(self, value: bytes | None, headers: Headers, expected: Expected) -> Message:
        keyed = self._dice.random() < 0.5
        key = b"cell-%d" % self._dice.randrange(40) if keyed else None
        known = Expected(expected.kind, expected.status, expected.reasons, expected.claim_id, key)
        return Message(key, value, (*headers, ("trace", b"%d" % self._made)), known)


_Broken = tuple[Callable[[Workload, Objects], tuple[bytes | None, Headers]], RowStatus, tuple[str, ...]]


def _message(reason: str, value: bytes | None) -> _Broken:
    return (lambda work, objects: (value, ())), RowStatus.DEAD_LETTER, (reason,)


def _object(name: str, *reasons: str) -> _Broken:
    return (lambda work, objects: (work.pointing_at(name), ())), RowStatus.DEAD_LETTER, reasons


def _headers(*headers: tuple[str, bytes]) -> _Broken:
    return (lambda work, objects: (work.pointing_at("good-0"), headers)), RowStatus.DEAD_LETTER, (Reason.BAD_DEADLINE,)


def _claim(claim: Claim, *reasons: str) -> _Broken:
    return (lambda work, objects: (encode_claim(claim), ())), RowStatus.DEAD_LETTER, reasons


def _expired(work: Workload, objects: Objects) -> tuple[bytes, Headers]:
    return work.pointing_at("good-1"), (deadline_header(int((time.time() - 60) * 1000)),)


_OTHER = "0" * 64

#: What is wrong, how it is made, what has to become of it.
_BROKEN: Mapping[str, _Broken] = {
    "not-json": _message(Reason.NOT_JSON, b'{"v": 2, "claim_id": '),
    "not-utf8": _message(Reason.NOT_UTF8, b"\xff\xfe{}"),
    "no-object": _message(Reason.WRONG_SCHEMA, b"[1, 2, 3]"),
    "no-bucket": _message(Reason.WRONG_SCHEMA, b'{"object_key": "chaos/good-0.parquet"}'),
    "tombstone": _message(Reason.TOMBSTONE, None),
    "huge": _message(Reason.TOO_LARGE, b'{"padding": "' + b"x" * 100_000 + b'"}'),
    "elsewhere": _claim(Claim(1, "somebody-elses", "data.parquet"), Reason.NOT_ALLOWED),
    "missing": _claim(Claim(1, BUCKET, "chaos/nobody-put-this.parquet"), "object_missing"),
    "changed": _claim(Claim(2, BUCKET, "chaos/good-2.parquet", "changed", sha256=_OTHER), "object_changed"),
    "truncated": _object("truncated", "malformed_request"),
    "no-table": _object("no-table", "malformed_request"),
    "columns": _object("columns", "missing_columns"),
    "nan": _object("nan", "missing_values"),
    "no-rows": _object("no-rows", "no_data", "too_few_rows"),
    "short": _object("short", "too_few_rows"),
    "malformed-deadline": _headers(("deadline_ms", b"soon")),
    "two-deadlines": _headers(("deadline_ms", b"1900000000000"), ("deadline_ms", b"1900000000001")),
    "expired": (_expired, RowStatus.EXPIRED, ()),
}
BROKEN = tuple(_BROKEN)


def publish(producer: Producer, topic: str, messages: Iterable[Message]) -> dict[str, Expected]:
    """Returns when all are acknowledged: what is expected of each source."""
    sent: list[tuple[Future[Sent], Expected]] = []
    for message in messages:
        sent.append((producer.send(topic, message.value, message.key, message.headers), message.expected))
    found: dict[str, Expected] = {}
    for future, expected in sent:
        place = future.result(_SENT_WITHIN_S)
        found[f"{place.partition}-{place.offset}"] = expected
    assert len(found) == len(sent), "the broker gave one place to two messages"
    return found
