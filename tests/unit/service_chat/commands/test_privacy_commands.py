"""`audit verify`, `audit show`, `chats show`, `chats purge`: in words, with a status, and on the record themselves."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service_chat.audit.chain import Keys
from service_chat.audit.file import AuditFile
from service_chat.audit.ports import Entry
from service_chat.chatlog.file import ChatFile
from service_chat.chatlog.ports import Conversation
from service_chat.chatlog.sealing import AesSealer
from service_chat.commands.app import app

NOON = datetime(2020, 11, 21, 12, tzinfo=UTC)
AUDIT_KEY, CHAT_KEY = b"a" * 32, b"c" * 32


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of a service that wrote three rows and one conversation."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "RECORDS_PATH": str(tmp_path / "records.sqlite"),
        "AUDIT_KEY": AUDIT_KEY.hex(),
        "CHAT_KEY": CHAT_KEY.hex(),
        "STORE_CHAT": "1",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)
    with closing(AuditFile.open(tmp_path / "audit.sqlite", Keys([AUDIT_KEY]))) as audit:
        audit.append([Entry(NOON, f"key-{n}", "triage", "answered", patient_ref=f"ref-{n}") for n in range(3)])
    with closing(ChatFile.open(tmp_path / "chats.sqlite", AesSealer([CHAT_KEY]))) as chats:
        chats.store(Conversation("c-1", NOON, "key-1", "ref-1", "routine", "mock", 1.0, query="Said.", response="So."))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def rows() -> list[dict[str, object]]:
    return [json.loads(line) for line in run("audit", "show").output.splitlines()]


def test_a_sound_file_is_told_with_its_end(house: Path) -> None:
    told = run("audit", "verify")
    assert told.exit_code == 0, told.output
    assert "3 rows are as they were written, up to 3:" in told.output
    end = (house / "audit.sqlite.head").read_text().strip()
    assert run("audit", "verify", str(house / "audit.sqlite"), "--witness", end).exit_code == 0


def test_a_row_that_was_changed_is_named_and_the_status_says_so(house: Path) -> None:
    with closing(sqlite3.connect(house / "audit.sqlite")) as connection:
        connection.execute("DROP TRIGGER audit_rows_stay_as_they_are")
        connection.execute("UPDATE audit SET outcome = 'degraded' WHERE seq = 2")
        connection.commit()
    told = run("audit", "verify")
    assert told.exit_code == 1
    assert "row 2 was changed" in told.output


def test_a_chain_without_a_key_is_told_to_be_one(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDIT_KEY")
    with closing(AuditFile.open(house / "plain.sqlite", Keys())) as audit:
        audit.append([Entry(NOON, "key-1", "triage", "answered")])
    (house / "plain.sqlite.head").unlink()
    told = run("audit", "verify", str(house / "plain.sqlite"))
    assert told.exit_code == 0
    assert "Set AUDIT_KEY" in told.output
    assert "would not show" in told.output


def test_the_newest_rows_are_shown_and_those_of_one_patient(house: Path) -> None:
    assert [row["principal"] for row in rows()] == ["key-0", "key-1", "key-2"]
    assert json.loads(run("audit", "show", "--last", "1").output)["principal"] == "key-2"
    assert json.loads(run("audit", "show", "--patient", "ref-1").output)["principal"] == "key-1"


@pytest.mark.parametrize("wrong", [["--witness", "12"], ["missing.sqlite"]])
def test_what_can_not_be_verified_is_one_sentence(wrong: list[str]) -> None:
    told = run("audit", "verify", *wrong)
    assert told.exit_code == 2
    assert len(told.output.strip().splitlines()) == 1


def test_reading_a_conversation_leaves_a_row(house: Path) -> None:
    told = run("chats", "show", "c-1")
    assert told.exit_code == 0, told.output
    assert "Said." in told.output
    last = rows()[-1]
    assert (last["action"], last["outcome"], last["conversation_id"], last["patient_ref"]) == (
        *("chat_read", "shown", "c-1", "ref-1"),
    )
    assert str(last["principal"]).startswith("command:")


def test_a_number_that_is_not_there_is_told_and_leaves_a_row(house: Path) -> None:
    assert run("chats", "show", "c-9").exit_code == 2
    assert rows()[-1]["outcome"] == "not_found"


def test_a_conversation_is_dropped_by_its_age(house: Path) -> None:
    assert "0 conversations" in run("chats", "purge", "--older-than", "36500").output
    assert "1 conversations" in run("chats", "purge").output
    assert (rows()[-1]["action"], rows()[-1]["outcome"]) == ("chat_purge", "dropped 1")
    assert run("audit", "verify").exit_code == 0


def test_a_command_makes_no_chat_log(house: Path) -> None:
    (house / "chats.sqlite").unlink()
    assert run("chats", "purge").exit_code == 2
    assert not (house / "chats.sqlite").exists()
