"""Claims as producers write them, and strategies that make them and spoil them."""

from datetime import UTC, datetime, timedelta, timezone

import orjson
from hypothesis import strategies as st

from inference_container.broker.ports import Headers, Partition, Record
from inference_container.claims.messages import Claim
from inference_container.stores.places import Places

PLACES = Places({"processed-data": ("",), "models-prod": ("models/",)})
INPUT = Partition("inference-data", 3)
#: A word that stands in messages and may stand in no refusal.
CANARY = "patient-4711-secret"

V1: dict[str, object] = {"bucket": "processed-data", "object": "a.parquet", "object_key": "a.parquet", "v": 1}
V2: dict[str, object] = {
    "v": 2,
    "claim_id": "c-1",
    "bucket": "processed-data",
    "object_key": "day/a.parquet",
    "etag": "abc",
    "size": 4096,
    "identifier": "north",
    "horizon": 24,
    "created_at": "2026-01-01T00:00:00Z",
}
PROMOTION: dict[str, object] = {
    "v": 2,
    "identifier": "default",
    "bundle_id": "ab" * 32,
    "bucket": "models-prod",
    "prefix": "models/gru/abab/",
    "manifest_sha256": "cd" * 32,
    "promoted_at": "2026-01-01T00:00:00Z",
    "promoted_by": "somebody",
    "previous_bundle_id": None,
    "metrics": {"rmse": 1.0},
}


def record(
    value: bytes | None = b"{}",
    offset: int = 7,
    partition: Partition = INPUT,
    key: bytes | None = b"inference-claim",
    headers: Headers = (),
    timestamp_ms: int = 1_767_225_600_000,
) -> Record:
    return Record(partition, offset, key, value, headers, timestamp_ms)


def body(fields: dict[str, object], **changes: object) -> bytes:
    """`fields` with `changes`; a change to `...` leaves the field out."""
    return orjson.dumps({name: value for name, value in (fields | changes).items() if value is not ...})


_segment = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\\"), min_size=1)
keys = st.lists(
    _segment.filter(lambda part: part not in (".", "..", ".sluice-condition") and len(part.encode()) <= 40),
    min_size=1,
    max_size=4,
).map("/".join)
visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
identifiers = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
_zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_hex = st.text("0123456789abcdef", min_size=64, max_size=64)

first_claims = st.builds(
    Claim, version=st.just(1), bucket=st.just("processed-data"), key=keys, identifier=st.none() | identifiers
)
_versions = st.one_of(
    st.tuples(visible.filter(lambda etag: '"' not in etag), st.none() | _hex), st.tuples(st.none(), _hex)
)
second_claims = st.builds(
    lambda version, **fields: Claim(version=2, etag=version[0], sha256=version[1], **fields),
    _versions,
    bucket=st.just("processed-data"),
    key=keys,
    claim_id=visible,
    identifier=st.none() | identifiers,
    size=st.none() | st.integers(0, 2**53 - 1),
    horizon=st.none() | st.integers(1, 10_000),
    created_at=st.none() | st.datetimes(timezones=_zones),
)
claims = first_claims | second_claims
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
