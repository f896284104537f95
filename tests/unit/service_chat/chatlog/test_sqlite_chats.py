"""The embedded chat log: texts only under a key, each bound to its place; what is dropped is gone."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service_chat.chatlog.file import ChatFile, Shown
from service_chat.chatlog.ports import Conversation
from service_chat.chatlog.sealing import AesSealer
from service_chat.chatlog.sqlite import SqliteChatLog
from serving.errors import DependencyFailed, NotFound, WorkFailed

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32


def conversation(number: int = 1, at: datetime = NOON) -> Conversation:
    return Conversation(
        id=f"conversation-{number}",
        at=at,
        principal="key-1",
        patient_ref="0123456789abcdef",
        acuity="routine",
        llm_mode="mock",
        latency_ms=12.5,
        model="m",
        trace_id="t",
        patient_mrn="MRN-canary",
        query="query-canary \ud800",
        response="response-canary",
    )


def opened(path: Path, *keys: bytes) -> ChatFile:
    return ChatFile.open(path, AesSealer(keys) if keys else None)


async def shown_of(path: Path, *keys: bytes) -> Shown:
    def look() -> Shown:
        with closing(opened(path, *keys)) as file:
            return file.show("conversation-1")

    return await asyncio.to_thread(look)


def _execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)


def everything(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there" / "chats.sqlite"


async def test_without_a_key_a_conversation_is_a_row_without_any_text(path: Path) -> None:
    log = await SqliteChatLog.open(path, None)
    await log.store(conversation())
    assert await log.comment("conversation-1", "comment-canary") is False
    await log.aclose()
    assert b"canary" not in await asyncio.to_thread(everything, path)
    shown = await shown_of(path)
    assert shown.about["patient_ref"] == "0123456789abcdef"
    assert shown.texts == {}


async def test_with_a_key_texts_come_back_and_stand_in_the_file_unreadable(path: Path) -> None:
    log = await SqliteChatLog.open(path, AesSealer([NEW]))
    await log.store(conversation())
    assert await log.comment("conversation-1", "comment-canary") is True
    assert await log.comment("conversation-9", "comment-canary") is False
    await log.aclose()
    assert b"canary" not in await asyncio.to_thread(everything, path)
    shown = await shown_of(path, NEW)
    assert list(shown.texts.values()) == ["MRN-canary", "query-canary \ud800", "response-canary", "comment-canary"]
    assert set((await shown_of(path)).texts.values()) == {"(sealed)"}


def test_a_text_that_was_moved_to_another_row_or_field_does_not_open(path: Path) -> None:
    file = opened(path, NEW)
    for number in (1, 2):
        file.store(conversation(number))
    sealed = "(nonce, sealed) = (SELECT nonce, sealed FROM texts WHERE conversation_id = ? AND field = ?)"
    for donor in (("conversation-1", "query"), ("conversation-2", "response")):
        file._connection.execute(
            f"UPDATE texts SET {sealed} WHERE conversation_id = ? AND field = ?", (*donor, "conversation-2", "query")
        )
        with pytest.raises(WorkFailed, match="belongs to another row"):
            file.show("conversation-2")
    assert file.show("conversation-1").texts["query"].startswith("query")
    file.close()


def test_after_a_change_of_keys_old_texts_open_as_long_as_the_old_key_is_named(path: Path) -> None:
    before = opened(path, OLD)
    before.store(conversation(1))
    before.close()
    both = opened(path, NEW, OLD)
    both.store(conversation(2))
    assert {both.show(f"conversation-{number}").texts["response"] for number in (1, 2)} == {"response-canary"}
    both.close()
    new = opened(path, NEW)
    assert new.show("conversation-2").texts["response"] == "response-canary"
    with pytest.raises(WorkFailed, match="which CHAT_KEY does not name"):
        new.show("conversation-1")
    new.close()


def test_equal_texts_are_sealed_differently(path: Path) -> None:
    file = opened(path, NEW)
    for number in range(20):
        file.store(conversation(number))
    sealed = file._connection.execute("SELECT nonce, sealed FROM texts").fetchall()
    assert len({nonce for nonce, _ in sealed}) == len({data for _, data in sealed}) == 60
    file.close()


def test_what_is_past_its_time_is_gone_from_the_file_too(path: Path) -> None:
    file = opened(path, NEW)
    for number in range(30):
        file.store(conversation(number, NOON - timedelta(days=number)))
    (sealed,) = file._connection.execute(
        "SELECT sealed FROM texts WHERE conversation_id = 'conversation-20'"
    ).fetchmany(1)
    assert sealed[0] in everything(path)
    assert file.purge(NOON - timedelta(days=9.5)) == 20
    assert sealed[0] not in everything(path)
    assert file._connection.execute("SELECT count(*) FROM texts").fetchone() == (30,)
    with pytest.raises(NotFound):
        file.show("conversation-20")
    file.close()


def test_what_people_wrote_stands_in_no_repr() -> None:
    assert "canary" not in repr(conversation())


async def test_a_file_that_breaks_is_told_without_a_word_of_the_row(path: Path) -> None:
    log = await SqliteChatLog.open(path, None)
    await asyncio.to_thread(_execute, path, "DROP TABLE conversations")
    with pytest.raises(DependencyFailed) as failed:
        await log.store(conversation())
    assert failed.value.details == {"reason": "OperationalError"}
    await log.aclose()


def test_a_file_of_another_version_is_refused(path: Path) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(DependencyFailed, match="schema 9"):
        opened(path)
