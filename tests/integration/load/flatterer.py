"""A service that answers everything with 200 and makes a careless load test look good. It has each of the old traps:
all forecasts come from a cache, first requests take long, tokens come late, and a refusal says `Retry-After: 0.1`."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

from typing_extensions import override

#: How long the first looks at health take, and how many do.
SLOW_S, SLOW_ONES = 0.4, 6
FIRST_TOKEN_S, REST_S = 0.2, 0.4
KEY = "a-key"


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: Counter[str]
    keys: Counter[str]

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.seen[self.path] += 1
        match self.path.split("/")[1]:
            case "predict_ping":
                self._json({"model_loaded": True, "has_df": False, "input_seq_len": 48, "output_seq_len": 24})
            case "ready":
                self._json({"status": "ready"})
            case "download":
                self._json({"detail": "busy"}, 429, {"Retry-After": "0.1"})
            case "metrics":
                self._send(b"process_resident_memory_bytes 1000\n", 200, {})
            case _:
                if self.path == "/healthz" and self.seen[self.path] <= SLOW_ONES:
                    time.sleep(SLOW_S)
                self._json({"status": "ok"})

    def do_POST(self) -> None:
        self.seen[self.path] += 1
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/predict":
            last = datetime.fromisoformat(asked["data"]["time"][-1]).replace(tzinfo=None)
            times = [last + timedelta(hours=1 + number) for number in range(asked["inference_length"])]
            steps = [{"ts": each.isoformat(), "temp": 50.0} for each in times]
            self._json({"status": "SUCCESS_CACHED", "cached": True, "predictions": steps})
            return
        self.keys[self.headers.get("Authorization", "")] += 1
        answer = {**asked, "response": "Drink water.", "degraded": []}
        if "text/event-stream" in self.headers.get("Accept", ""):
            self._stream(answer)
        else:
            self._json(answer)

    def _stream(self, answer: dict[str, object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for pause, event in (
            (0.0, 'id: 1\nevent: accepted\ndata: {"job_id": "j"}\n\n'),
            (FIRST_TOKEN_S, 'id: 2\nevent: delta\ndata: {"text": "Drink water."}\n\n'),
            (REST_S, f"id: 3\nevent: result\ndata: {json.dumps(answer)}\n\n"),
            (0.0, "id: 4\nevent: done\ndata: {}\n\n"),
        ):
            time.sleep(pause)
            self.wfile.write(f"{len(event):x}\r\n{event}\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def _json(self, body: object, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._send(json.dumps(body).encode(), status, {"Content-Type": "application/json", **headers})

    def _send(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Flatterer:
    def __init__(self, url: str, door: type[_Door]) -> None:
        self.url, self._door = url, door

    @property
    def seen(self) -> Counter[str]:
        """Requests by path."""
        return self._door.seen

    @property
    def keys(self) -> Counter[str]:
        """What triage was asked with."""
        return self._door.keys


@contextmanager
def flatterer() -> Iterator[Flatterer]:
    door = type("Door", (_Door,), {"seen": Counter(), "keys": Counter()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Flatterer(f"http://127.0.0.1:{server.server_port}", door)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
