"""What a claim leads to: the message on `performance-eval`, the rows of the log, and the objects that the rows lie in.

Pure, and equal input makes equal bytes: nothing here looks at a clock, so a claim that is worked a second time leaves
the same message and the same row, under the same key where its batch is the same. The consumer sends and puts them.

A row lies in `results/topic=T/dt=YYYY-MM-DD/h=HH/p=PP/<first>-<last>.jsonl`, by the time of the *message* and the
offsets of its part, which never mixes partitions or hours. Objects are written once and never changed; where two hold
the same source, readers take the row that is `ok`.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import orjson

from inference_container.broker.ports import Headers, Partition, Record
from inference_container.claims.messages import Claim

#: Forecasts of more bytes go as a claim check.
INLINE_BYTES = 64 * 1024
#: Years that `datetime` has; clients may write any 64 bits as a timestamp.
_LATEST_MS = 253_402_300_799_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowStatus(StrEnum):
    OK = "ok"
    EXPIRED = "expired"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class ModelName:
    """Which model answered; the last two are the predecessor's names for what a bundle has too."""

    model_id: str  #: the bundle's id
    model_type: str  #: architecture: gru, lstm, linear
    config_hash: str  #: of the manifest


@dataclass(frozen=True, slots=True)
class Forecast:
    """A worker's answer. Its request id has to be the source: one made by chance would be other bytes each time."""

    body: bytes = field(repr=False)  #: a JSON value on one line, as `/predict` has it
    rows: int


@dataclass(frozen=True, slots=True)
class Place:
    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Publication:
    """As the producer's `send` takes it; the source is the key, so that a topic may be compacted to one result each."""

    key: bytes
    value: bytes = field(repr=False)
    headers: Headers


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the log, and where it belongs."""

    partition: Partition
    offset: int
    timestamp_ms: int
    line: bytes = field(repr=False)  #: with its newline


@dataclass(frozen=True, slots=True)
class Part:
    """An object of the log."""

    key: str
    content: bytes = field(repr=False)
    offsets: tuple[int, ...]


def publication(
    record: Record,
    claim: Claim,
    model: ModelName,
    forecast: Forecast,
    default_identifier: str,
    log: Place | None = None,
    inline_at_most: int = INLINE_BYTES,
) -> Publication:
    """
    Args:
        default_identifier: IDENTIFIER, for a claim that names none.
        log: the object that holds the row, put before this is sent; None where no objects are written, and then the
            forecast stands in the message however large it is.
    """
    check = _check(record, forecast, log) if log is not None and len(forecast.body) > inline_at_most else None
    fields = {
        "operation": "Inference",
        "status": "SUCCESS",
        "identifier": claim.identifier or default_identifier,
        "log_bucket": log.bucket if log is not None else None,
        "log_object_key": log.key if log is not None else None,
        "run_id": model.model_id,
        "model_type": model.model_type,
        "config_hash": model.config_hash,
        "rows": forecast.rows,
        "v": 2,
        **_told(record, claim),
        "model_id": model.model_id,
        "forecast": orjson.Fragment(forecast.body) if check is None else None,
        "forecast_check": check,
    }
    source = record.source.encode()
    identity: Headers = (("claim-id", claim.claim_id.encode()),) if claim.claim_id is not None else ()
    return Publication(source, orjson.dumps(fields), (("source", source), *identity))


def ok_row(record: Record, claim: Claim, model: ModelName, forecast: Forecast, default_identifier: str) -> Row:
    return _row(record, claim, RowStatus.OK, default_identifier, model, forecast)


def expired_row(record: Record, claim: Claim, default_identifier: str) -> Row:
    return _row(record, claim, RowStatus.EXPIRED, default_identifier)


def dead_row(record: Record, claim: Claim | None, reason: str, default_identifier: str) -> Row:
    """`claim`: None for a message that was none."""
    return _row(record, claim, RowStatus.DEAD_LETTER, default_identifier, reason=reason)


def parts(rows: Iterable[Row]) -> list[Part]:
    """The rows as objects, one for each partition and hour among them, in the order of their keys."""
    folders: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
    for row in rows:
        folders[_folder(row.partition, row.timestamp_ms)][row.offset] = row.line
    return sorted((_part(folder, lines) for folder, lines in folders.items()), key=lambda part: part.key)


def part_key(partition: Partition, timestamp_ms: int, offsets: Sequence[int]) -> str:
    """Of the part that these offsets of one partition and hour make up: known before the rows are."""
    return _key(_folder(partition, timestamp_ms), offsets)


def hour_prefix(partition: Partition, timestamp_ms: int) -> str:
    """What readers list by; ends with a slash."""
    return f"results/{_folder(partition, timestamp_ms)}/"


def _told(record: Record, claim: Claim | None) -> dict[str, object]:
    """What names the claim and the version of the object that was read."""
    return {
        "claim_id": claim.claim_id if claim is not None else None,
        "source": record.source,
        "bucket": claim.bucket if claim is not None else None,
        "object_key": claim.key if claim is not None else None,
    }


def _check(record: Record, forecast: Forecast, log: Place) -> dict[str, object]:
    """Where a large forecast is: the field `forecast` of the log's line that has this source."""
    return {
        "bucket": log.bucket,
        "object_key": log.key,
        "line_of": record.source,
        "sha256": hashlib.sha256(forecast.body).hexdigest(),
        "size": len(forecast.body),
    }


def _row(
    record: Record,
    claim: Claim | None,
    status: RowStatus,
    default_identifier: str,
    model: ModelName | None = None,
    forecast: Forecast | None = None,
    reason: str | None = None,
) -> Row:
    fields: Mapping[str, object] = {
        "timestamp": _moment(record.timestamp_ms).isoformat(timespec="milliseconds"),
        "identifier": (claim.identifier if claim is not None else None) or default_identifier,
        "run_id": model.model_id if model is not None else None,
        "model_type": model.model_type if model is not None else None,
        "config_hash": model.config_hash if model is not None else None,
        "status": status,
        **_told(record, claim),
        "key": _readable(record.key),
        "reason": reason,
        "rows": forecast.rows if forecast is not None else 0,
        "forecast": orjson.Fragment(forecast.body) if forecast is not None else None,
    }
    line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    return Row(record.partition, record.offset, record.timestamp_ms, line)


def _readable(key: bytes | None) -> str | None:
    if key is None:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(key).decode()


def _part(folder: str, lines: Mapping[int, bytes]) -> Part:
    offsets = tuple(sorted(lines))
    return Part(_key(folder, offsets), b"".join(lines[offset] for offset in offsets), offsets)


def _key(folder: str, offsets: Sequence[int]) -> str:
    # First *and* last: a shorter batch of a member that was thrown out must not replace a longer one.
    return f"results/{folder}/{_number(min(offsets))}-{_number(max(offsets))}.jsonl"


def _folder(partition: Partition, timestamp_ms: int) -> str:
    hour = _moment(timestamp_ms)
    return f"topic={partition.topic}/dt={hour:%Y-%m-%d}/h={hour:%H}/p={partition.number:02d}"


def _number(offset: int) -> str:
    return f"{offset:012d}"


def _moment(timestamp_ms: int) -> datetime:
    # -1 is "none"; nanoseconds by mistake lie behind the last year there is. Neither may cost the claim.
    return _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), _LATEST_MS))
