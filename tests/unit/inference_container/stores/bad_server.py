"""A server that answers as a test tells it, byte by byte: for what no good S3 server does."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from inference_container.stores.address import S3Address

#: Gets the connection and the number of the request, counted from 0; closes nothing.
Behaviour = Callable[[socket.socket, int], None]


@dataclass
class BadServer:
    port: int
    requests: list[str] = field(default_factory=list)  #: request lines
    ended: threading.Event = field(default_factory=threading.Event)  #: set when the test is over

    @property
    def address(self) -> S3Address:
        """As of a server that answers; a busy machine may take its time."""
        return S3Address(
            f"127.0.0.1:{self.port}",
            "key",
            "secret-key",
            secure=False,
            connect_timeout_s=5,
            read_timeout_s=5,
            whole_timeout_s=10,
            attempts=3,
        )

    @property
    def impatient(self) -> S3Address:
        """For a test that waits for the end of its patience."""
        return replace(self.address, read_timeout_s=0.6, whole_timeout_s=1.0)


@contextmanager
def answering(behaviour: Behaviour) -> Iterator[BadServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = BadServer(listening.getsockname()[1])
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with connection, connection.makefile("rb") as reader:
                length = 0
                lines: list[str] = []
                while line := reader.readline().strip():
                    lines.append(line.decode())
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                if lines:
                    reader.read(length)
                    server.requests.append(lines[0])
                    behaviour(connection, len(server.requests) - 1)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            server.ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for thread in threads:
                thread.join(5)


def answer(status: str, body: bytes = b"", length: int | None = None, **headers: str) -> bytes:
    """A whole answer, whose length may be a lie; underscores in a header's name are dashes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
