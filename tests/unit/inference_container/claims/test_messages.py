from pathlib import Path

import jsonschema_rs
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inference_container.claims import wire
from inference_container.claims.messages import (
    MAX_MESSAGE_BYTES,
    Claim,
    Promotion,
    TrainingClaim,
    TrainingEvent,
    encode_claim,
    read_claim,
    read_promotion,
    read_training,
)
from inference_container.claims.refusals import Reason, Refusal
from tests.unit.inference_container.claims.samples import CANARY, MIDNIGHT, PLACES, PROMOTION, V1, V2, body, claims

SCHEMAS = Path(wire.__file__).parent / "schemas"
CLAIM_SCHEMA = jsonschema_rs.validator_for((SCHEMAS / "claim.schema.json").read_text())


def read(value: bytes | None) -> Claim | Refusal:
    return read_claim(value, PLACES)


def reason(value: bytes | None) -> Reason | None:
    found = read(value)
    return found.reason if isinstance(found, Refusal) else None


@pytest.mark.parametrize("changes", [{}, {"object": ...}, {"object_key": ...}, {"object": "other"}, {"object": None}])
def test_a_first_version_claim_names_its_object_either_way(changes: dict[str, object]) -> None:
    assert read(body(V1, **changes)) == Claim(1, "processed-data", "a.parquet")


@pytest.mark.parametrize(
    "changes",
    [{"size": "many", "operation": 7, "v": 1}, {"v": ...}, {"v": "one"}, {"v": None}, {"v": [1]}, {"anything": {}}],
)
def test_size_version_and_operation_of_a_first_version_claim_are_not_looked_at(changes: dict[str, object]) -> None:
    assert read(body(V1, **changes)) == Claim(1, "processed-data", "a.parquet")


@pytest.mark.parametrize(("given_", "kept"), [("north", "north"), (7, None), ("", None), ("x" * 201, None)])
def test_an_identifier_of_a_first_version_claim_is_kept_where_it_is_one(given_: object, kept: str | None) -> None:
    assert read(body(V1, identifier=given_)) == Claim(1, "processed-data", "a.parquet", identifier=kept)


def test_a_second_version_claim_tells_which_version_of_the_object_it_means() -> None:
    assert read(body(V2, etag='"abc"', sha256="AB" * 32)) == Claim(
        version=2,
        bucket="processed-data",
        key="day/a.parquet",
        claim_id="c-1",
        identifier="north",
        etag="abc",
        sha256="ab" * 32,
        size=4096,
        horizon=24,
        created_at=MIDNIGHT,
    )


def test_a_claim_with_an_id_and_no_version_is_read_as_the_second() -> None:
    found = read(body(V2, v=...))
    assert isinstance(found, Claim)
    assert (found.version, found.claim_id) == (2, "c-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"claim_id": ...},
        {"claim_id": ""},
        {"claim_id": "two words"},
        {"claim_id": "line\n"},
        {"bucket": ...},
        {"object_key": ...},
        {"object_key": 7},
        {"etag": ...},
        {"etag": None},
        {"etag": 'a"b'},
        {"sha256": "ab"},
        {"size": -1},
        {"size": "4096"},
        {"size": True},
        {"size": 2**53},
        {"horizon": 0},
        {"horizon": 10_001},
        {"horizon": 1.5},
        {"identifier": ""},
        {"created_at": "2026-02-30T00:00:00Z"},
        {"created_at": "2026-01-01T00:00:00"},
        {"created_at": 1},
        {"v": 3},
    ],
)
def test_a_second_version_claim_of_another_shape_is_refused(changes: dict[str, object]) -> None:
    assert reason(body(V2, **changes)) is Reason.WRONG_SCHEMA


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Reason.TOMBSTONE),
        (b"", Reason.NOT_JSON),
        (b"\xff\xfe{}", Reason.NOT_UTF8),
        (b"{", Reason.NOT_JSON),
        (b'{"bucket": NaN}', Reason.NOT_JSON),
        (b'{"bucket": "\\ud800"}', Reason.NOT_JSON),
        (b"[" * 5000, Reason.NOT_JSON),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, Reason.NOT_JSON),
        (b"[]", Reason.WRONG_SCHEMA),
        (b"null", Reason.WRONG_SCHEMA),
        (b'{"bucket": "processed-data"}', Reason.WRONG_SCHEMA),
        (b" " * (MAX_MESSAGE_BYTES + 1), Reason.TOO_LARGE),
        (b"x" * 5_000_000, Reason.TOO_LARGE),
        (body(V1, bucket="private"), Reason.NOT_ALLOWED),
        (body(V1, bucket="models-prod"), Reason.NOT_ALLOWED),
        (body(V2, object_key="../a"), Reason.NOT_ALLOWED),
        (body(V2, object_key="/a"), Reason.NOT_ALLOWED),
    ],
)
def test_a_message_that_is_no_claim_has_its_reason(value: bytes | None, expected: Reason) -> None:
    assert reason(value) is expected


def test_a_message_of_the_largest_size_is_read() -> None:
    padding = MAX_MESSAGE_BYTES - len(body(V1))
    assert read(body(V1) + b" " * padding) == Claim(1, "processed-data", "a.parquet")


def test_a_refusal_names_a_few_faults_only() -> None:
    found = read(body(V2, claim_id=1, bucket=2, object_key=3, etag=4, size="5", identifier=6, horizon="7"))
    assert isinstance(found, Refusal)
    assert found.error.count(";") == 5
    assert found.error.endswith("and 2 more")


@given(claims)
def test_a_claim_that_was_written_is_always_read_back(claim: Claim) -> None:
    assert read(encode_claim(claim)) == claim


@given(claims)
def test_what_is_written_is_always_of_the_published_schema(claim: Claim) -> None:
    CLAIM_SCHEMA.validate(orjson.loads(encode_claim(claim)))


@given(st.none() | st.binary(max_size=200))
def test_reading_never_raises_whatever_the_bytes(value: bytes | None) -> None:
    for reader in (read_claim, read_training, read_promotion):
        assert isinstance(reader(value, PLACES), Refusal)


_values = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2**60), st.sampled_from(["", "a", "ab" * 32, "processed-data", "../x"])
)
_odd = st.dictionaries(
    st.sampled_from([*V2, "object", "operation", "sha256", "status"]),
    _values | st.just(...) | st.lists(_values, max_size=2),
    max_size=5,
)


@given(st.sampled_from([V1, V2]), _odd)
def test_the_published_schema_and_the_reader_always_agree(base: dict[str, object], changes: dict[str, object]) -> None:
    value = body(base, **changes)
    decoded = orjson.loads(value)
    found = read(value)
    # The allow-list is no part of the schema.
    assert CLAIM_SCHEMA.is_valid(decoded) == (isinstance(found, Claim) or found.reason is Reason.NOT_ALLOWED), found


@given(st.sampled_from([V1, V2, PROMOTION, {"operation": "Trained: GRU", "status": "SUCCESS"}]), st.data())
def test_a_refusal_never_repeats_the_message(base: dict[str, object], data: st.DataObject) -> None:
    spoilt = data.draw(st.lists(st.sampled_from(list(base)), min_size=1, max_size=4))
    fields: dict[str, object] = {name: [CANARY, {CANARY: CANARY}] for name in spoilt}
    value = body(base, **fields, **{CANARY: CANARY})
    for reader in (read_claim, read_training, read_promotion):
        found = reader(value, PLACES)
        assert CANARY not in repr(found) if isinstance(found, Refusal) else True


@pytest.mark.parametrize(
    ("name", "schema"),
    [("claim.schema.json", wire.claim_schema), ("model-selected.schema.json", wire.promotion_schema)],
)
def test_the_packaged_schema_is_the_one_the_types_make(name: str, schema: object) -> None:
    assert callable(schema)
    assert (SCHEMAS / name).read_bytes() == schema()


def test_a_training_claim_names_its_object() -> None:
    value = orjson.dumps({"bucket": "processed-data", "object": "a.parquet", "size": 5, "v": 1, "identifier": "north"})
    assert read_training(value, PLACES) == TrainingClaim("processed-data", "a.parquet", "north")
    assert read_training(b'{"bucket": "private", "object": "a"}', PLACES) == Refusal(
        Reason.NOT_ALLOWED, "The bucket or the key is not one that this service reads."
    )


def test_a_training_event_tells_its_family_and_its_run() -> None:
    value = orjson.dumps(
        {"operation": "Trained: GRU", "status": "SUCCESS", "experiment": "e", "run_name": "n", "run_id": "r"}
    )
    found = read_training(value, PLACES)
    assert found == TrainingEvent("Trained: GRU", "SUCCESS", "GRU", "r", "e", "n", None)
    assert isinstance(found, TrainingEvent)
    assert found.succeeded


@pytest.mark.parametrize(("operation", "family"), [("Training Started: LSTM", "LSTM"), ("Started", None), ("A:", None)])
def test_a_training_that_only_began_needs_no_run(operation: str, family: str | None) -> None:
    found = read_training(orjson.dumps({"operation": operation, "status": "RUNNING"}), PLACES)
    assert isinstance(found, TrainingEvent)
    assert (found.model_type, found.succeeded) == (family, False)


def test_a_training_that_succeeded_without_a_run_is_refused() -> None:
    found = read_training(b'{"operation": "Trained: GRU", "status": "SUCCESS"}', PLACES)
    assert isinstance(found, Refusal)
    assert (found.reason, "run_id" in found.error) == (Reason.WRONG_SCHEMA, True)


def test_a_promotion_tells_its_bundle() -> None:
    assert read_promotion(body(PROMOTION), PLACES) == Promotion(
        "default", "ab" * 32, "models-prod", "models/gru/abab/", "cd" * 32, None
    )


def test_a_promotion_of_the_time_before_bundles_is_refused_with_its_own_reason() -> None:
    old = {"identifier": "default", "config_hash": "x", "run_id": "r", "model_type": "GRU", "model_uri": "runs:/r/GRU"}
    found = read_promotion(orjson.dumps(old), PLACES)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.NO_BUNDLE_ID
    assert "docs/migration.md" in found.error


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bundle_id": "short"}, Reason.WRONG_SCHEMA),
        ({"bundle_id": None}, Reason.WRONG_SCHEMA),
        ({"v": 1}, Reason.WRONG_SCHEMA),
        ({"manifest_sha256": ...}, Reason.WRONG_SCHEMA),
        ({"prefix": "other/"}, Reason.NOT_ALLOWED),
        ({"prefix": "models/../x/"}, Reason.NOT_ALLOWED),
        ({"bucket": "processed"}, Reason.NOT_ALLOWED),
    ],
)
def test_a_promotion_that_can_not_be_followed_is_refused(changes: dict[str, object], expected: Reason) -> None:
    found = read_promotion(body(PROMOTION, **changes), PLACES)
    assert isinstance(found, Refusal)
    assert found.reason is expected


@given(claims, claims)
def test_different_claims_never_have_the_same_bytes(one: Claim, other: Claim) -> None:
    assume(one != other)
    assert encode_claim(one) != encode_claim(other)
