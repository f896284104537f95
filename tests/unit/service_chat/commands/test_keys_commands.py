"""`keys new`, `keep`, `list` and `revoke`: a key is shown once, and the file says all of it but the secret."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service_chat.access.key_file import keys_in
from service_chat.access.keys import KeyRing
from service_chat.commands.app import app


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "keys"))
    return tmp_path / "keys"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def made(*arguments: str) -> str:
    result = run("new", "--scope", "triage", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.removesuffix("\n")


def test_a_new_key_is_alone_on_standard_output_and_good_at_once(file: Path) -> None:
    key = made("--scope", "feedback", "--owner", "clinic", "--patient", "P000123", "--expires", "30")
    assert key.count("\n") == 0
    assert key not in file.read_text()
    now = datetime.now(UTC)
    ring = KeyRing(keys_in(file))
    grant = ring.find(key, now)
    assert grant is not None
    assert (grant.caller.principal, grant.caller.patient) == ("owner:clinic", "P000123")
    assert grant.scopes == {"triage", "feedback"}
    assert ring.find(key, now + timedelta(days=29)) is not None
    assert ring.find(key, now + timedelta(days=30)) is None


def test_the_list_tells_everything_but_the_keys(file: Path) -> None:
    key = made("--owner", "clinic", "--expires", "1")
    other = made("--patient", "P000123")
    shown = run("list").stdout
    assert [line.split("  ")[0] for line in shown.splitlines()] == [key.split("_")[1], other.split("_")[1]]
    assert "owner=clinic" in shown
    assert "patient=P000123" in shown
    assert key.split("_", 2)[2] not in shown
    lines = file.read_text().replace(str(datetime.now(UTC).year), "2020")
    file.write_text(lines.replace(str(datetime.now(UTC).year + 1), "2020"))
    assert "expired=2020" in run("list").stdout


def test_a_revoked_key_is_gone_and_the_others_are_not(file: Path) -> None:
    key, other = made(), made()
    assert run("revoke", key.split("_")[1]).exit_code == 0
    ring = KeyRing(keys_in(file))
    assert (ring.find(key, datetime.now(UTC)), ring.find(other, datetime.now(UTC)) is not None) == (None, True)
    again = run("revoke", key.split("_")[1])
    assert (again.exit_code, "has no key of this id" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("new", "--scope", "everything"), "needs scopes"),
        (("new", "--scope", "triage", "--patient", "no such"), "wrong patient"),
        (("new", "--scope", "triage", "--owner", ""), "wrong owner"),
        (("new", "--scope", "triage", "--expires", "0"), "--expires"),
        (("new",), "--scope"),
        (("list", "--file", "absent"), "No such file"),
        (("revoke", "0123456789ab", "--file", "absent"), "No such file"),
        (("new", "--scope", "triage", "--file", "no/such/folder"), "No such file"),
    ],
)
def test_what_can_not_be_done_is_one_sentence_and_no_key(file: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert not file.exists()


def test_without_a_file_to_write_the_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("API_KEYS_FILE", raising=False)
    result = run("new", "--scope", "triage")
    assert (result.exit_code, "API_KEYS_FILE" in result.stderr) == (2, True)


def test_nothing_is_added_to_a_file_that_is_wrong(file: Path) -> None:
    file.write_text("{")
    result = run("new", "--scope", "triage")
    assert (result.exit_code, "line 1 is no JSON" in result.stderr) == (2, True)
    assert file.read_text() == "{"


GIVEN, OTHER = ("sluice_0123456789ab_" + each * 64 for each in "ab")


def kept(monkeypatch: pytest.MonkeyPatch, key: str, *arguments: str) -> Result:
    monkeypatch.setenv("API_KEY", key)
    return run("keep", "--scope", "triage", "--owner", "street", *arguments)


def test_a_key_from_elsewhere_is_good_and_is_written_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(monkeypatch, GIVEN).exit_code == 0
    before = file.read_text()
    grant = KeyRing(keys_in(file)).find(GIVEN, datetime.now(UTC))
    assert grant is not None
    assert (grant.caller.principal, grant.scopes) == ("owner:street", frozenset({"triage"}))
    assert GIVEN not in before
    again = kept(monkeypatch, GIVEN)
    assert (again.exit_code, "already" in again.stderr) == (0, True)
    assert file.read_text() == before


def test_the_next_key_of_an_owner_takes_the_place_of_the_one_before(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = made("--owner", "clinic")
    kept(monkeypatch, GIVEN)
    assert kept(monkeypatch, OTHER).exit_code == 0
    ring = KeyRing(keys_in(file))
    now = datetime.now(UTC)
    assert [ring.find(each, now) is not None for each in (GIVEN, OTHER, another)] == [False, True, True]
    assert kept(monkeypatch, OTHER, "--scope", "openai").exit_code == 0
    grant = KeyRing(keys_in(file)).find(OTHER, now)
    assert grant is not None
    assert grant.scopes == {"triage", "openai"}


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "API_KEY"),
        ("changeme", "12 hex digits"),
        (GIVEN[:-22], "43 or more"),
        ("sluice_" + "0" * 12, "12 hex digits"),
        (GIVEN + "\n", "12 hex digits"),
    ],
)
def test_a_key_that_is_missing_or_weak_is_not_kept_and_not_repeated(
    file: Path, monkeypatch: pytest.MonkeyPatch, key: str, sentence: str
) -> None:
    result = kept(monkeypatch, key)
    assert (result.exit_code, sentence in result.stderr, file.exists()) == (2, True, False)
    assert not key or key not in result.output


def test_the_id_of_another_owner_is_not_taken_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(monkeypatch, GIVEN)
    before = file.read_text()
    monkeypatch.setenv("API_KEY", OTHER)
    result = run("keep", "--scope", "triage", "--owner", "clinic")
    assert (result.exit_code, "an id that a line before it has" in result.stderr) == (2, True)
    assert file.read_text() == before
