"""Bytes of a topic to a claim, an event or the reason why they are neither; and a claim back to bytes.

The consumer reads with these, publishers write with `encode_claim`. Nothing here raises for a message, whatever is in
it: a topic is open to all who may write there, and one bad message must not cost those behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from inference_container.claims.refusals import Reason, Refusal
from inference_container.claims.wire import (
    ClaimV1,
    ClaimV2,
    PromotionBody,
    TrainingClaimBody,
    TrainingEventBody,
)
from inference_container.errors import ObjectRefused
from inference_container.stores.places import Places

#: Bytes of a message; a claim has a few hundred. The series itself lies in the store.
MAX_MESSAGE_BYTES = 64 * 1024
#: How many faults one refusal names.
_MOST_FAULTS = 5

_Body = TypeVar("_Body", bound=BaseModel)
_Fields: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish for a forecast of the series in one object. Absent from a first-version claim is all but the place."""

    version: int  #: 1 or 2
    bucket: str
    key: str
    claim_id: str | None = None
    identifier: str | None = None
    etag: str | None = None  #: without quotes, as `ObjectInfo` has it
    sha256: str | None = None  #: lower case
    size: int | None = None  #: bytes
    horizon: int | None = None  #: steps
    created_at: datetime | None = None  #: with a zone


@dataclass(frozen=True, slots=True)
class TrainingClaim:
    """Somebody is to train with this object. Not this service."""

    bucket: str
    key: str
    identifier: str | None


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """A training began, ended or failed elsewhere."""

    operation: str
    status: str
    model_type: str | None  #: what stands behind the colon of "Trained: GRU"
    run_id: str | None
    experiment: str | None
    run_name: str | None
    config_hash: str | None

    @property
    def succeeded(self) -> bool:
        return self.status == "SUCCESS"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A bundle was promoted. What is served follows the pointer in the store, which this only hints at."""

    identifier: str
    bundle_id: str
    bucket: str
    prefix: str
    manifest_sha256: str
    previous_bundle_id: str | None


def read_claim(value: bytes | None, places: Places, at_most: int = MAX_MESSAGE_BYTES) -> Claim | Refusal:
    """A claim that points into `places`, or why the message is none."""
    fields = _fields(value, at_most)
    if isinstance(fields, Refusal):
        return fields
    # Without a version and with a claim_id it is a second-version claim by somebody who went by the list of its fields.
    second = fields["v"] == 2 and type(fields["v"]) is int if "v" in fields else "claim_id" in fields
    body = _shaped(ClaimV2, fields) if second else _shaped(ClaimV1, fields)
    if isinstance(body, Refusal):
        return body
    claim = _second(body) if isinstance(body, ClaimV2) else _first(body)
    return _allowed(places, claim.bucket, claim.key) or claim


def read_training(
    value: bytes | None, places: Places, at_most: int = MAX_MESSAGE_BYTES
) -> TrainingClaim | TrainingEvent | Refusal:
    """An event if it tells a status, else a claim."""
    fields = _fields(value, at_most)
    if isinstance(fields, Refusal):
        return fields
    if "status" in fields:
        event = _shaped(TrainingEventBody, fields)
        return event if isinstance(event, Refusal) else _event(event)
    body = _shaped(TrainingClaimBody, fields)
    if isinstance(body, Refusal):
        return body
    claim = TrainingClaim(body.bucket, _key_of(body), _text_or_none(body.identifier))
    return _allowed(places, claim.bucket, claim.key) or claim


def read_promotion(value: bytes | None, places: Places, at_most: int = MAX_MESSAGE_BYTES) -> Promotion | Refusal:
    """A `model-selected` event."""
    fields = _fields(value, at_most)
    if isinstance(fields, Refusal):
        return fields
    if "bundle_id" not in fields:
        return Refusal(
            Reason.NO_BUNDLE_ID,
            "The promotion names no bundle_id: it is of the time before bundles, and a model tracked elsewhere has to "
            "become a bundle first (docs/migration.md). What was served goes on.",
        )
    body = _shaped(PromotionBody, fields)
    if isinstance(body, Refusal):
        return body
    try:
        places.check_prefix(body.bucket, body.prefix)
    except ObjectRefused:
        return _NOT_ALLOWED
    return Promotion(
        body.identifier, body.bundle_id, body.bucket, body.prefix, body.manifest_sha256, body.previous_bundle_id
    )


def encode_claim(claim: Claim) -> bytes:
    """What `read_claim` reads as this claim. Equal claims, equal bytes."""
    named = {"identifier": claim.identifier} if claim.identifier is not None else {}
    if claim.version == 1:
        # Both names of the object: producers and readers of the first version used either.
        return orjson.dumps({"v": 1, "bucket": claim.bucket, "object": claim.key, "object_key": claim.key, **named})
    optional = {
        "etag": claim.etag,
        "sha256": claim.sha256,
        "size": claim.size,
        **named,
        "horizon": claim.horizon,
        "created_at": claim.created_at.isoformat() if claim.created_at is not None else None,
    }
    required = {"v": 2, "claim_id": claim.claim_id, "bucket": claim.bucket, "object_key": claim.key}
    return orjson.dumps(required | {name: value for name, value in optional.items() if value is not None})


_NOT_ALLOWED = Refusal(Reason.NOT_ALLOWED, "The bucket or the key is not one that this service reads.")


def _fields(value: bytes | None, at_most: int) -> _Fields | Refusal:
    if value is None:
        return Refusal(Reason.TOMBSTONE, "The message has no value.")
    if len(value) > at_most:
        return Refusal(Reason.TOO_LARGE, f"The message has {len(value)} bytes; {at_most} are read.")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return Refusal(Reason.NOT_UTF8, f"The message is not UTF-8 from byte {error.start} on.")
    try:
        decoded: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Refusal(Reason.NOT_JSON, f"The message is not JSON: line {error.lineno}, column {error.colno}.")
    if not isinstance(decoded, dict):
        return Refusal(Reason.WRONG_SCHEMA, "The message is JSON, but no object.")
    return decoded


def _shaped(shape: type[_Body], fields: _Fields) -> _Body | Refusal:
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        # Places and sentences of pydantic, without the input: a location is a field that the shape has.
        named = [f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['msg']}" for fault in faults]
        return Refusal(Reason.WRONG_SCHEMA, "; ".join(_capped(named)))


def _capped(faults: Sequence[str]) -> Sequence[str]:
    more = len(faults) - _MOST_FAULTS
    return faults if more <= 0 else [*faults[:_MOST_FAULTS], f"and {more} more"]


def _allowed(places: Places, bucket: str, key: str) -> Refusal | None:
    try:
        places.check(bucket, key)
    except ObjectRefused:
        return _NOT_ALLOWED
    return None


def _first(body: ClaimV1) -> Claim:
    return Claim(1, body.bucket, _key_of(body), identifier=_text_or_none(body.identifier))


def _second(body: ClaimV2) -> Claim:
    return Claim(
        version=2,
        bucket=body.bucket,
        key=body.object_key,
        claim_id=body.claim_id,
        identifier=body.identifier,
        etag=body.etag.strip('"') if body.etag is not None else None,
        sha256=body.sha256.lower() if body.sha256 is not None else None,
        size=body.size,
        horizon=body.horizon,
        created_at=datetime.fromisoformat(body.created_at) if body.created_at is not None else None,
    )


def _event(body: TrainingEventBody) -> TrainingEvent:
    _, colon, model_type = body.operation.partition(":")
    return TrainingEvent(
        body.operation,
        body.status,
        model_type.strip() or None if colon else None,
        body.run_id,
        body.experiment,
        body.run_name,
        body.config_hash,
    )


def _key_of(body: ClaimV1 | TrainingClaimBody) -> str:
    key = body.object_key if body.object_key is not None else body.object
    assert key is not None, "the shape asks for one of the two"
    return key


def _text_or_none(identifier: object) -> str | None:
    # The first version let producers write anything here, and nobody looked.
    return identifier if isinstance(identifier, str) and 0 < len(identifier) <= 200 else None
