"""What comes from a child on its two pipes: messages on one, lines of standard error on the other.

`child` makes both for each life and connects them to the event loop. Nothing here knows of processes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from typing_extensions import override

from serving.frames import FrameReader

_STDERR_PIECE = 4096


class MessagePipe(asyncio.Protocol):
    """Our end of the pipe: what arrives is delivered message by message."""

    def __init__(self, deliver: Callable[[object], None]) -> None:
        self._deliver = deliver
        self._reader = FrameReader()
        self.transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class is one only in behaviour

    @override
    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            self._deliver(message)


class StderrLines(asyncio.Protocol):
    """Standard error, line by line. A progress bar that never ends its line is cut into pieces, not waited for."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rest = b""
        self.tail: deque[str] = deque(maxlen=20)
        self.transport: asyncio.ReadTransport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.ReadTransport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if len(self._rest) >= _STDERR_PIECE:
            lines, self._rest = [*lines, self._rest], b""
        for raw in lines:
            self._line(raw)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._line(self._rest)
        if not self.ended.done():
            self.ended.set_result(None)

    def _line(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").strip()
        if line:
            self.tail.append(line)
            self._tell(line)
