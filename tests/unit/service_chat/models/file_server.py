"""A web server on the loopback that serves one file and can be told to misbehave."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    content: bytes
    ranges: bool = True
    etag: str | None = '"one"'
    #: For each GET in turn: after how many bytes of the body the connection is cut. None, or past the end: not at all.
    cuts: list[int | None] = field(default_factory=list)
    #: For each GET in turn: a status to answer with instead.
    statuses: list[int] = field(default_factory=list)
    head_headers: dict[str, str] = field(default_factory=dict)
    #: What was asked: (method, path, Range header or "").
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def ranges_asked(self) -> list[str]:
        return [asked for method, _, asked in self.asked if method == "GET"]

    @contextmanager
    def serving(self) -> Iterator["FileServer"]:
        mine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                mine._answer(self)

            def do_HEAD(self) -> None:
                mine._note(self)
                self.send_response(mine.statuses.pop(0) if mine.statuses else 200)
                for name, value in mine.head_headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}/files/model.gguf"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _note(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.command, request.path, request.headers.get("Range", "")))
        self.authorizations.append(request.headers.get("Authorization", ""))

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self._note(request)
        cut = self.cuts.pop(0) if self.cuts else None
        if self.statuses:
            request.send_response(self.statuses.pop(0))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = 0
        wanted = request.headers.get("Range", "")
        same = request.headers.get("If-Range") in (None, self.etag)
        if wanted and self.ranges and same:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.content):
                request.send_response(416)
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        else:
            request.send_response(200)
        body = self.content[start:]
        request.send_header("Content-Length", str(len(body)))
        if self.etag:
            request.send_header("ETag", self.etag)
        request.end_headers()
        request.wfile.write(body[:cut])
        if cut is not None and cut < len(body):
            request.close_connection = True
