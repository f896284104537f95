"""What is a pointer and what is not, in bytes."""

import string
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.claims.messages import Promotion, read_promotion
from inference_container.promotion.pointer import (
    Pointer,
    history_key,
    is_identifier,
    pointer_key,
    read_pointer,
    replaced_key,
)
from inference_container.promotion.ports import Refused
from inference_container.stores.places import Places

PLACES = Places({"models": ("",), "shared-data": ("bundles/",)})
SHA = st.text("0123456789abcdef", min_size=64, max_size=64)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
NAMES = st.text(string.ascii_lowercase + string.digits + "._-", min_size=1, max_size=20).filter(is_identifier)
POINTERS = st.builds(
    Pointer,
    NAMES,
    SHA,
    st.just("models"),
    st.builds("{}/{}/".format, NAMES, SHA),
    SHA,
    MOMENTS,
    st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable()),
    st.none() | SHA,
    st.none() | st.just({"n_windows": 12, "targets": {"load": {"rmse": 1.5}}}),
)
SAMPLE = Pointer("default", "a" * 64, "models", f"jfk/{'a' * 64}/", "b" * 64, datetime(2026, 1, 2, tzinfo=UTC), "me")
VALUES = st.integers(-(2**60), 2**60) | st.text() | st.just("0001-01-01T00:00:00+09:00")
#: As the predecessor's stores hold it: the form around the JSON, the JSON without a bundle.
OLD = orjson.dumps(
    {"identifier": "default", "config_hash": "c" * 64, "run_id": "d" * 32, "model_uri": "runs:/d/GRU", "rmse": 0.1}
)


def form(content: bytes) -> bytes:
    head = b'--9f1e\r\nContent-Disposition: form-data; name="file"; filename="current.json"\r\n'
    return head + b"Content-Type: application/json\r\n\r\n" + content + b"\r\n--9f1e--\r\n"


def edited(**changes: object) -> bytes:
    return orjson.dumps(orjson.loads(SAMPLE.encode()) | changes)


def reason(content: bytes, identifier: str = "default") -> str:
    found = read_pointer(content, identifier, PLACES)
    assert isinstance(found, Refused)
    return found.reason


@given(POINTERS)
def test_a_pointer_is_always_read_as_it_was_written(pointer: Pointer) -> None:
    assert read_pointer(pointer.encode(), pointer.identifier, PLACES) == pointer


@given(POINTERS)
def test_a_pointer_is_always_an_event_that_the_claims_rooms_read_too(pointer: Pointer) -> None:
    event = read_promotion(pointer.encode(), PLACES)
    assert isinstance(event, Promotion)
    assert (event.identifier, event.bundle_id, event.prefix) == (pointer.identifier, pointer.bundle_id, pointer.prefix)


@given(st.binary(max_size=200) | st.builds(form, st.binary(max_size=100)))
def test_bytes_never_raise(content: bytes) -> None:
    assert isinstance(read_pointer(content, "default", PLACES), Refused)


@given(st.dictionaries(st.sampled_from(["v", "bundle_id", "promoted_at", "prefix", "metrics"]), VALUES))
def test_fields_of_any_type_never_raise(changes: dict[str, object]) -> None:
    read_pointer(edited(**changes), "default", PLACES)


@pytest.mark.parametrize(
    "content", [OLD, form(OLD), form(b"not even JSON {"), form(b""), form(OLD).replace(b"\r", b"")]
)
def test_a_pointer_of_the_time_before_bundles_is_refused_and_says_where_to_read_on(content: bytes) -> None:
    found = read_pointer(content, "default", PLACES)
    assert isinstance(found, Refused)
    assert found.reason == "no_bundle_id"
    assert "docs/migration.md" in found.error


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not_json"),
        (b"\xff{}", "not_json"),
        (b"[1]", "wrong_schema"),
        (form(SAMPLE.encode()), "wrong_schema"),
        (edited(v=1), "wrong_schema"),
        (edited(bundle_id="short"), "wrong_schema"),
        (edited(manifest_sha256=None), "wrong_schema"),
        (edited(promoted_at="2026-01-02T00:00:00"), "wrong_schema"),
        (edited(promoted_at="yesterday"), "wrong_schema"),
        (edited(bucket="elsewhere"), "not_allowed"),
        (edited(bucket="shared-data"), "not_allowed"),
        (edited(prefix="../secrets/"), "not_allowed"),
    ],
)
def test_what_is_no_pointer_is_refused_with_its_reason(content: bytes, expected: str) -> None:
    assert reason(content) == expected


def test_a_place_on_the_list_is_allowed() -> None:
    assert isinstance(read_pointer(edited(bucket="shared-data", prefix="bundles/x/"), "default", PLACES), Pointer)


def test_a_pointer_under_another_identifier_is_not_followed() -> None:
    assert reason(SAMPLE.encode(), "other") == "wrong_schema"


def test_fields_of_a_later_version_are_let_pass() -> None:
    assert read_pointer(edited(ticket="OPS-1"), "default", PLACES) == SAMPLE


def test_a_refusal_repeats_nothing_of_what_was_refused() -> None:
    found = read_pointer(edited(bundle_id="secret", bucket=5), "default", PLACES)
    assert isinstance(found, Refused)
    assert "secret" not in found.error


@given(st.lists(POINTERS, min_size=2, max_size=5))
def test_history_sorted_by_name_is_always_sorted_by_time(pointers: list[Pointer]) -> None:
    same = [Pointer(**{**{f: getattr(each, f) for f in Pointer.__slots__}, "identifier": "x"}) for each in pointers]
    by_name = sorted(same, key=history_key)
    assert [each.promoted_at for each in by_name] == sorted(each.promoted_at for each in same)


def test_keys() -> None:
    assert pointer_key("default") == "default/current.json"
    assert history_key(SAMPLE) == f"default/history/2026-01-02T00:00:00.000000Z-{'a' * 64}.json"
    assert replaced_key("default", b"a") != replaced_key("default", b"b")


def test_the_prefix_may_end_in_a_slash_or_not() -> None:
    bare = read_pointer(edited(prefix=SAMPLE.prefix[:-1]), "default", PLACES)
    assert isinstance(bare, Pointer)
    assert bare.key_of("manifest.json") == SAMPLE.key_of("manifest.json") == f"jfk/{'a' * 64}/manifest.json"


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    found = read_pointer(edited(promoted_at="2026-01-02T02:00:00+02:00"), "default", PLACES)
    assert isinstance(found, Pointer)
    assert found.promoted_at == SAMPLE.promoted_at.astimezone(timezone(timedelta(hours=5)))


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a b", "ü", "a" * 65, "a\n"])
def test_what_can_not_be_part_of_a_path_is_no_identifier(text: str) -> None:
    assert not is_identifier(text)
