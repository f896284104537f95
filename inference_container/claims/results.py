"""What a claim leads to: the message on `performance-eval` and the row of the log, which `parts` makes objects of.

Pure, and equal input makes equal bytes: nothing here looks at a clock, so a claim that is worked a second time leaves
the same message and the same row. A forecast asked over HTTP is written down like a claim's, by `http_record`.
"""

import base64
import hashlib
from collections.abc import Mapping
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


def publication(
    record: Record,
    claim: Claim | None,
    model: ModelName | None,
    forecast: Forecast,
    default_identifier: str,
    log: Place | None = None,
    inline_at_most: int = INLINE_BYTES,
) -> Publication:
    """
    Args:
        claim: None for what was asked over HTTP.
        model: None where nobody can name it any more.
        default_identifier: IDENTIFIER, for a claim that names none.
        log: the object that holds the row, put before this is sent; None where no objects are written, and then the
            forecast stands in the message however large it is.
    """
    check = _check(record, forecast, log) if log is not None and len(forecast.body) > inline_at_most else None
    fields = {
        "operation": "Inference",
        "status": "SUCCESS",
        "identifier": _identifier(claim, default_identifier),
        "log_bucket": log.bucket if log is not None else None,
        "log_object_key": log.key if log is not None else None,
        **_named(model),
        "rows": forecast.rows,
        "v": 2,
        **_told(record, claim),
        "model_id": model.model_id if model is not None else None,
        "forecast": orjson.Fragment(forecast.body) if check is None else None,
        "forecast_check": check,
    }
    source = record.source.encode()
    claim_id = claim.claim_id if claim is not None else None
    identity: Headers = (("claim-id", claim_id.encode()),) if claim_id is not None else ()
    return Publication(source, orjson.dumps(fields), (("source", source), *identity))


def ok_row(
    record: Record, claim: Claim | None, model: ModelName | None, forecast: Forecast, default_identifier: str
) -> Row:
    """`claim` and `model` as for `publication`."""
    return _row(record, claim, RowStatus.OK, default_identifier, model, forecast)


def expired_row(record: Record, claim: Claim, default_identifier: str) -> Row:
    return _row(record, claim, RowStatus.EXPIRED, default_identifier)


def dead_row(record: Record, claim: Claim | None, reason: str, default_identifier: str) -> Row:
    """`claim`: None for a message that was none."""
    return _row(record, claim, RowStatus.DEAD_LETTER, default_identifier, reason=reason)


def http_record(process: str, number: int, req_id: str, at_ms: int) -> Record:
    """What was asked over HTTP as if it had come from a topic, so that its row and its message are like the others.

    Its source, `http-<process>-0-<number>`, is never another's; a request id is too short for that.
    """
    return Record(Partition(f"http-{process}", 0), number, req_id.encode(), None, (), at_ms)


def _told(record: Record, claim: Claim | None) -> dict[str, object]:
    """What names the claim and the version of the object that was read."""
    return {
        "claim_id": claim.claim_id if claim is not None else None,
        "source": record.source,
        "bucket": claim.bucket if claim is not None else None,
        "object_key": claim.key if claim is not None else None,
    }


def _named(model: ModelName | None) -> dict[str, str | None]:
    """By the predecessor's names."""
    if model is None:
        return {"run_id": None, "model_type": None, "config_hash": None}
    return {"run_id": model.model_id, "model_type": model.model_type, "config_hash": model.config_hash}


def _identifier(claim: Claim | None, default: str) -> str:
    return (claim.identifier if claim is not None else None) or default


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
        "timestamp": moment(record.timestamp_ms).isoformat(timespec="milliseconds"),
        "identifier": _identifier(claim, default_identifier),
        **_named(model),
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


def moment(timestamp_ms: int) -> datetime:
    """What a timestamp says, bent into the years there are."""
    # -1 is "none"; nanoseconds by mistake lie behind the last year there is. Neither may cost the claim.
    return _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), _LATEST_MS))
