"""What the house keeps of what it was asked: the audit's trail, the chat log, and how long both hold it.

Made by `wiring`, which opens it before anything that may ask and closes it after. What has passed its time is dropped
at the start and then every few hours, behind everybody's back.
"""

import asyncio
import secrets
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Self, assert_never

from service_chat import events
from service_chat.audit.chain import Keys
from service_chat.audit.ports import NoTrail, Trail
from service_chat.audit.trail import AuditTrail
from service_chat.chatlog.ports import ChatLog, NoChatLog, Sealer
from service_chat.metrics_privacy import PrivacyMetrics
from service_chat.services.conversations import Conversations
from service_chat.services.feedback import FeedbackDesk
from service_chat.services.jobs import Steps
from service_chat.services.patient_ref import PatientRefs
from service_chat.services.recording import ChatRecording, Recording
from service_chat.settings import ChatSettings
from serving.clock import Clock
from serving.errors import SluiceError
from serving.metrics import Metrics
from serving.readings import Reading
from serving.settings import SettingsError

#: Between two looks for what has passed its time, in seconds.
_LOOK_EVERY_S = 6 * 3600.0


class Keeping:
    """Open it as a context."""

    def __init__(self, settings: ChatSettings, clock: Clock, metrics: Metrics) -> None:
        self._settings, self._clock = settings, clock
        self._keys = settings.privacy_keys
        self.metrics = PrivacyMetrics(metrics)
        self.conversations = Conversations(self.metrics)
        self._audit = _audit(settings, clock, self.metrics)
        self.trail: Trail = self._audit or NoTrail()
        self._refs = PatientRefs(next(iter(self._keys["patient_ref_key"]), secrets.token_bytes(32)))
        self._stack = AsyncExitStack()
        metrics.read(
            Reading(
                "triage_audit_queue",
                "Audit entries that wait to be written; above 0 for long, the file can not be written.",
                lambda: self._audit.waiting if self._audit else 0,
            ),
            Reading(
                "triage_audit_last_row",
                "Number of the newest audit row, of all processes that share the file: it never falls.",
                lambda: self._audit.end.seq if self._audit else 0,
            ),
        )

    def recording(self, inner: Steps) -> Recording:
        """Of these steps."""
        return Recording(inner, self.conversations, self.trail, self._refs, self._clock)

    def chats(self) -> ChatRecording:
        return ChatRecording(self.trail, self._clock)

    def desk(self) -> FeedbackDesk:
        return FeedbackDesk(self.trail, self.conversations, self._refs, self._clock, self.metrics)

    async def __aenter__(self) -> Self:
        """
        Raises:
            DependencyFailed: The audit's file or the chat log can not be opened.
            SettingsError: The address of the chat log is none.
        """
        if not self._keys["patient_ref_key"]:
            events.patient_ref_key_missing()
        async with AsyncExitStack() as stack:
            if self._audit is not None:
                await stack.enter_async_context(self._audit)
            self.conversations.log = await open_chat_log(self._settings)
            stack.push_async_callback(self.conversations.aclose)
            dropping = asyncio.create_task(self._drop_old(), name="retention")
            stack.push_async_callback(_ended, dropping)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _drop_old(self) -> None:
        while True:
            await self._drop("chats", self._settings.chat_keep_days)
            await self._drop("audit", self._settings.audit_keep_days)
            await self._clock.sleep(_LOOK_EVERY_S)

    async def _drop(self, store: str, days: float) -> None:
        if not days:
            return
        try:
            if store == "chats":
                dropped = await self.conversations.log.purge(self._clock.now() - timedelta(days=days))
            else:
                dropped = await self._audit.drop_older(days) if self._audit is not None else 0
        except SluiceError as error:
            events.retention_failed(store=store, error_type=type(error).__name__)
        else:
            if dropped:
                events.retention_done(store=store, dropped=dropped)


async def open_chat_log(settings: ChatSettings) -> ChatLog:
    """Where the settings say that conversations go; each adapter is imported only when it is asked for.

    Raises:
        DependencyFailed: The embedded file can not be opened.
        SettingsError: The address is none.
    """
    store = settings.chat_store(settings.records_source)
    match store:
        case "sqlite":
            from service_chat.chatlog.sqlite import SqliteChatLog

            return await SqliteChatLog.open(settings.chat_file(settings.records_path), sealer_of(settings))
        case "carepath":
            from service_chat.chatlog.carepath import CarePathChatLog
            from service_chat.records.http_client import client_for

            timeout_s = min(10.0, settings.records_timeout_seconds)
            try:
                return CarePathChatLog(settings.db_api_base_url, timeout_s, client_for(timeout_s))
            except ValueError as error:
                raise SettingsError(f"DB_API_BASE_URL: {error}") from None
        case "none":
            return NoChatLog()
        case _:
            assert_never(store)


def sealer_of(settings: ChatSettings) -> Sealer | None:
    """None: no text is kept."""
    if not settings.store_chat:
        return None
    from service_chat.chatlog.sealing import AesSealer

    return AesSealer(settings.privacy_keys["chat_key"])


def audit_keys(settings: ChatSettings) -> Keys:
    return Keys(settings.privacy_keys["audit_key"])


def audit_file(settings: ChatSettings) -> Path | None:
    """None: there is no audit."""
    return settings.audit_file(settings.records_path)


def _audit(settings: ChatSettings, clock: Clock, metrics: PrivacyMetrics) -> AuditTrail | None:
    path = audit_file(settings)
    return AuditTrail(path, audit_keys(settings), clock, metrics) if path is not None else None


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
