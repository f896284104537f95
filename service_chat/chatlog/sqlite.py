"""The embedded chat log behind its port: `file` on a thread of its own. CHAT_LOG=sqlite, the default."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

from typing_extensions import override

from service_chat.chatlog.file import ChatFile
from service_chat.chatlog.ports import ChatLog, Conversation, Sealer
from serving.confinement import Confined
from serving.errors import DependencyFailed

R = TypeVar("R")


class SqliteChatLog(ChatLog):
    def __init__(self, file: Confined[ChatFile]) -> None:
        self._file = file

    @classmethod
    async def open(cls, path: Path, sealer: Sealer | None) -> Self:
        """`sealer`: None keeps no texts. Raises DependencyFailed: the file can not be opened."""
        return cls(await Confined.open(lambda: ChatFile.open(path, sealer), "chats", lambda file: file.close()))

    @override
    async def store(self, conversation: Conversation) -> None:
        await self._call(lambda file: file.store(conversation))

    @override
    async def comment(self, conversation_id: str, text: str) -> bool:
        return await self._call(lambda file: file.comment(conversation_id, text))

    @override
    async def purge(self, before: datetime) -> int:
        return await self._call(lambda file: file.purge(before))

    @override
    async def aclose(self) -> None:
        await self._file.aclose()

    async def _call(self, work: Callable[[ChatFile], R]) -> R:
        try:
            return await self._file.call(work)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            # The reason is a type only: SQLite's words may quote the row.
            raise DependencyFailed("The chat log could not be written.", reason=type(error).__name__) from None
