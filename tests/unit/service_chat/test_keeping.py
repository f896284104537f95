"""What the house keeps: opened as the settings say, shortened at the start, written to the end."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from service_chat.audit.chain import Keys
from service_chat.audit.file import AuditFile
from service_chat.audit.ports import Entry, NoTrail
from service_chat.audit.verify import read_rows
from service_chat.chatlog.carepath import CarePathChatLog
from service_chat.chatlog.ports import ChatLog, Conversation, NoChatLog
from service_chat.chatlog.sqlite import SqliteChatLog
from service_chat.keeping import Keeping, open_chat_log
from service_chat.settings import ChatSettings
from serving.clock import SystemClock
from serving.errors import DependencyFailed
from serving.metrics import Metrics

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
LONG_AGO = CLOCK.now() - timedelta(days=40)


def settings(folder: Path, **given: object) -> ChatSettings:
    return ChatSettings.model_validate({"llm_mode": "mock", "records_path": folder / "records.sqlite", **given})


def conversation(name: str, days: float) -> Conversation:
    return Conversation(name, CLOCK.now() - timedelta(days=days), "p", "r", "routine", "mock", 1.0)


async def test_what_is_past_its_time_is_dropped_at_the_start(tmp_path: Path) -> None:
    def past() -> None:
        audit = AuditFile.open(tmp_path / "audit.sqlite", Keys())
        audit.append([Entry(LONG_AGO, "p", "triage", "answered"), Entry(CLOCK.now(), "p", "triage", "answered")])
        audit.close()

    await asyncio.to_thread(past)
    log = await open_chat_log(settings(tmp_path))
    await log.store(conversation("old", 40))
    await log.store(conversation("young", 20))
    await log.aclose()
    async with Keeping(settings(tmp_path, audit_keep_days=30), CLOCK, Metrics()) as keeping:
        while not await _dropped(tmp_path):
            await CLOCK.sleep(0.01)
        assert await keeping.conversations.log.purge(CLOCK.now() - timedelta(days=30)) == 0
        assert await keeping.conversations.log.purge(CLOCK.now()) == 1


async def _dropped(folder: Path) -> bool:
    rows = await asyncio.to_thread(lambda: [row["action"] for row in read_rows(folder / "audit.sqlite")])
    return rows == ["triage", "audit_retention"]


async def test_without_an_audit_there_is_no_file(tmp_path: Path) -> None:
    metrics = Metrics()
    async with Keeping(settings(tmp_path, audit_path="off"), CLOCK, metrics) as keeping:
        assert isinstance(keeping.trail, NoTrail)
        assert metrics.registry.get_sample_value("triage_audit_last_row") == 0
    assert not await asyncio.to_thread((tmp_path / "audit.sqlite").exists)


async def test_a_house_that_can_not_account_for_itself_does_not_open(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "audit.sqlite").mkdir)
    with pytest.raises(DependencyFailed):
        async with Keeping(settings(tmp_path), CLOCK, Metrics()):
            pass


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, SqliteChatLog),
        ({"chat_log": "none"}, NoChatLog),
        ({"store_chat": True, "db_api_base_url": "http://records.example"}, CarePathChatLog),
    ],
)
async def test_the_chat_log_is_the_one_that_the_settings_ask_for(
    tmp_path: Path, given: dict[str, object], kind: type[ChatLog]
) -> None:
    log = await open_chat_log(settings(tmp_path, **given))
    assert isinstance(log, kind)
    await log.aclose()
