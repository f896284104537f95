"""API keys: what is kept of one, which texts are one, and what a file may say."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.access.grant import SCOPES
from service_chat.access.keys import KeyRing, hash_of, new_key, parse_keys

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_key_is_found_by_itself_and_by_nothing_else() -> None:
    text, key = new_key(["triage"], NOW)
    other, _ = new_key(["triage"], NOW)
    ring = KeyRing([key])
    found = ring.find(text, NOW)
    assert found is not None
    assert found.caller.principal == f"key:{key.id}"
    assert found.scopes == {"triage"}
    for wrong in (other, text[:-1], text + "x", text.upper(), key.id, key.hash, "", "sluice_", f"sluice_{key.id}_"):
        assert ring.find(wrong, NOW) is None


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_no_text_that_is_not_the_key_is_ever_taken_for_it(text: str) -> None:
    _, key = new_key(["triage"], NOW)
    assert KeyRing([key]).find(text, NOW) is None
    assert KeyRing([key]).find(f"sluice_{key.id}_{text}", NOW) is None


def test_what_is_kept_does_not_hold_the_secret() -> None:
    text, key = new_key(["triage"], NOW)
    secret = text.rsplit("_", 1)[1] if text.count("_") == 2 else text.split("_", 2)[2]
    assert len(secret) >= 43
    assert secret not in key.line()
    assert key.hash == hash_of(text)


def test_a_key_ends_at_its_moment() -> None:
    text, key = new_key(["triage"], NOW, expires=NOW + timedelta(days=1))
    ring = KeyRing([key])
    assert ring.find(text, NOW + timedelta(hours=23, minutes=59)) is not None
    assert ring.find(text, NOW + timedelta(days=1)) is None


def test_keys_of_one_owner_are_one_caller_and_an_owner_is_no_id() -> None:
    (first, one), (second, two) = (new_key(["triage"], NOW, owner="clinic") for _ in range(2))
    ring = KeyRing([one, two])
    grants = [ring.find(text, NOW) for text in (first, second)]
    assert {grant.caller.principal for grant in grants if grant} == {"owner:clinic"}
    text, key = new_key(["triage"], NOW, owner="abcdefabcdef")
    named = KeyRing([key]).find(text, NOW)
    assert named is not None
    assert named.caller.principal != f"key:{key.owner}"


def test_a_line_says_all_of_a_key() -> None:
    _, key = new_key(["triage", "feedback"], NOW, NOW + timedelta(days=3), "P000123", "clinic")
    assert parse_keys(key.line()).keys == {key.id: key}


def test_empty_lines_and_remarks_are_for_people() -> None:
    _, key = new_key(["triage"], NOW)
    assert list(parse_keys(f"# the clinic's\n\n  {key.line()}\n   # more\n").keys) == [key.id]


def line(**more: object) -> str:
    said = {"id": "0123456789ab", "hash": "sha256:" + "a" * 64, "scopes": ["triage"], **more}
    return json.dumps({name: value for name, value in said.items() if value is not None})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no JSON object"),
        (line(id=None), "needs an id"),
        (line(id="short"), "has a wrong id"),
        (line(hash="sha256:abc"), "has a wrong hash"),
        (line(hash="plain-text-key"), "has a wrong hash"),
        (line(scopes=[]), "needs scopes"),
        (line(scopes="triage"), "needs scopes"),
        (line(scopes=["all"]), "needs scopes"),
        (line(scopes=[["triage"]]), "needs scopes"),
        (line(patient=""), "has a wrong patient"),
        (line(patient=7), "has a wrong patient"),
        (line(owner="no spaces please"), "has a wrong owner"),
        (line(expires="2027-01-31T00:00:00"), "has a wrong expires"),
        (line(expires="soon"), "has a wrong expires"),
        (line(expires=1893456000), "has a wrong expires"),
        (line(expiry="2027-01-31T00:00:00Z"), "has members that mean nothing"),
    ],
    ids=lambda value: value[-40:],
)
def test_a_wrong_line_is_named_and_not_repeated(wrong: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^line 2 {sentence}") as refused:
        parse_keys(f"# first\n{wrong}\n")
    assert "plain-text-key" not in str(refused.value)


def test_two_lines_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="line 2 has an id that a line before it has"):
        parse_keys(f"{line()}\n{line()}\n")


def test_no_scope_is_one_of_a_key_unless_it_is_known() -> None:
    with pytest.raises(ValueError, match="needs scopes"):
        new_key(["triage", "everything"], NOW)
    assert {"triage", "openai", "feedback", "admin"} == SCOPES
