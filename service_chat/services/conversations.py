"""Keeps conversations without letting anybody wait for it: an answer waits a moment for its number, and then goes.

Called by `recording` for each answer, and for what people write about one. The chat log behind it may be slow, away or
full; every conversation ends in one of four ways, and each is counted: stored, late, failed, dropped.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from service_chat import events
from service_chat.chatlog.ports import ChatLog, Conversation, NoChatLog
from service_chat.metrics_privacy import PrivacyMetrics
from serving.errors import SluiceError
from serving.events import unexpected_error
from serving.logging import where
from serving.tracing import span

#: How long an answer waits for its conversation to be stored, in seconds.
PATIENCE_S = 1.0
#: Stores that may be under way; one more is dropped. A log that is away must not fill the memory with people's words.
MOST_PENDING = 256
#: At the end of the process.
_LAST_S = 5.0


class Conversations:
    """Lives on the event loop."""

    def __init__(self, metrics: PrivacyMetrics, patience_s: float = PATIENCE_S) -> None:
        self.log: ChatLog = NoChatLog()  #: `keeping` puts the real one here when the house opens
        self._metrics, self._patience_s = metrics, patience_s
        self._pending: set[asyncio.Task[bool]] = set()
        self._late: set[asyncio.Task[Any]] = set()  #: whose answers went out without a number

    @property
    def kept(self) -> bool:
        return not isinstance(self.log, NoChatLog)

    async def store(self, told: Conversation, left_s: float) -> str | None:
        """The conversation's number once it is stored; None when that takes longer than the caller can wait.

        Args:
            left_s: what is left of the caller's time.
        """
        task = self._begin(told)
        if task is None:
            return None
        await asyncio.wait({task}, timeout=max(0.0, min(self._patience_s, left_s)))
        if not task.done():
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return None
        return told.id if task.result() else None

    def store_soon(self, told: Conversation) -> str | None:
        """The number it will have, unless storing fails; for who can not wait. None: it was dropped."""
        return told.id if self._begin(told) is not None else None

    def comment(self, conversation_id: str, text: str) -> None:
        """Keeps what somebody wrote, where texts are kept at all."""
        self._spawn(self._comment(conversation_id, text))

    async def aclose(self) -> None:
        """What is under way gets a moment."""
        if self._pending:
            _, left = await asyncio.wait(set(self._pending), timeout=_LAST_S)
            for task in left:
                task.cancel()
                self._metrics.chat_log.labels("dropped").inc()
        await self.log.aclose()

    def _begin(self, told: Conversation) -> "asyncio.Task[bool] | None":
        return self._spawn(self._store(told)) if self.kept else None

    def _spawn(self, work: Coroutine[Any, Any, bool]) -> "asyncio.Task[bool] | None":
        if len(self._pending) >= MOST_PENDING:
            work.close()
            self._metrics.chat_log.labels("dropped").inc()
            return None
        task = asyncio.create_task(work, name="chat-log")
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return task

    async def _store(self, told: Conversation) -> bool:
        try:
            with span(events.chat_log_start, events.chat_log_end) as outcome:
                await self.log.store(told)
                outcome["conversation_id"] = told.id
        except Exception as error:  # a defect in a chat log must not take the answer with it
            self._failed(error)
            return False
        late = asyncio.current_task() in self._late
        self._metrics.chat_log.labels("late" if late else "stored").inc()
        return True

    async def _comment(self, conversation_id: str, text: str) -> bool:
        try:
            return await self.log.comment(conversation_id, text)
        except Exception as error:  # as above: it is counted and told, and nobody waits for it
            self._failed(error)
            return False

    def _failed(self, error: Exception) -> None:
        self._metrics.chat_log.labels("failed").inc()
        if isinstance(error, SluiceError):
            reason = error.details.get("reason") or error.details.get("upstream_status")
        else:
            unexpected_error(error_type=type(error).__name__, at=where(error))
            reason = type(error).__name__
        events.chat_log_failed(reason=reason)
