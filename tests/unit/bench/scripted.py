"""A server on loopback that answers by a script, for the tests of the load generator."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    after_s: float = 0.0
    body: bytes = b"{}"
    hangs_up: bool = False  #: instead of answering
    in_pieces: bool = False
    is_the_last: bool = False  #: on its connection, and says so

    def pieces(self) -> Iterator[bytes]:
        more = b"connection: close\r\n" if self.is_the_last else b""
        head = b"HTTP/1.1 %d Whatever\r\n%bcontent-length: %d\r\n\r\n" % (self.status, more, len(self.body))
        whole, length = head + self.body, 20 if self.in_pieces else len(head) + len(self.body)
        for begin in range(0, len(whole), length):
            yield whole[begin : begin + length]
            time.sleep(0.001 if self.in_pieces else 0)  # else the kernel would join them again


@dataclass(slots=True)
class Scripted:
    """Answers by a script, over and over, a thread for each connection, and remembers what it was sent."""

    script: Sequence[Reply]
    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    came: list[float] = field(default_factory=list)  #: when each was read, by the monotonic clock
    probes: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, listening: socket.socket) -> None:
        callers: list[tuple[socket.socket, threading.Thread]] = []
        while not self.over.is_set():
            connection, _ = listening.accept()
            callers.append((connection, threading.Thread(target=self.serve, args=(connection,))))
            callers[-1][1].start()
        for connection, thread in callers:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def serve(self, connection: socket.socket) -> None:
        # The caller may hang up at any time; that is the end of this thread and no news.
        with connection, connection.makefile("rb") as incoming, contextlib.suppress(OSError):
            while head := head_of(incoming):
                body = incoming.read(int(head.lower().partition("content-length: ")[2].partition("\r\n")[0]))
                reply = self.reply_to(head, body)
                if self.over.wait(reply.after_s) or reply.hangs_up:
                    return
                for piece in reply.pieces():
                    connection.sendall(piece)
                if reply.is_the_last:
                    return

    def reply_to(self, head: str, body: bytes) -> Reply:
        with self.turn:
            if head.startswith("GET /healthz"):
                self.probes += 1
                return Reply()
            self.heads.append(head)
            self.bodies.append(body)
            self.came.append(time.monotonic())
            return self.script[(len(self.bodies) - 1) % len(self.script)]


def head_of(incoming: IO[bytes]) -> str:
    """Up to the empty line; empty at the end of the connection."""
    lines = []
    while (line := incoming.readline()) not in (b"", b"\r\n"):
        lines.append(line.decode())
    return "".join(lines)


@contextmanager
def answering(*script: Reply) -> Iterator[Scripted]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        server = Scripted(script, port=listening.getsockname()[1])
        accepting = threading.Thread(target=server.accept, args=(listening,))
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            socket.create_connection(listening.getsockname()).close()  # wakes it up
            accepting.join()
