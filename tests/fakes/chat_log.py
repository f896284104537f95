"""A chat log in memory that takes its time, or fails, as a test wants."""

import asyncio
from datetime import datetime

from typing_extensions import override

from service_chat.chatlog.ports import ChatLog, Conversation


class FakeChatLog(ChatLog):
    def __init__(self) -> None:
        self.stored: list[Conversation] = []
        self.comments: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = False

    @override
    async def store(self, conversation: Conversation) -> None:
        await self._passed()
        self.stored.append(conversation)

    @override
    async def comment(self, conversation_id: str, text: str) -> bool:
        await self._passed()
        self.comments.append((conversation_id, text))
        return True

    @override
    async def purge(self, before: datetime) -> int:
        kept = [each for each in self.stored if each.at >= before]
        dropped, self.stored = len(self.stored) - len(kept), kept
        return dropped

    @override
    async def aclose(self) -> None:
        self.closed = True

    async def _passed(self) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
