"""One question over real HTTP, on loopback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from typing_extensions import override

from tests.integration.cloud.place import Place
from tests.integration.cloud.world import listed, service

_ANSWER = {"acuity": "urgent", "response": "Speak to a doctor."}


@contextmanager
def chat(status: int, answer: Any) -> Iterator[tuple[int, list[Any]]]:
    """Its port, and what it was asked: path, key, body."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers.get("Authorization"), body))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        @override
        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_service_here_is_asked_with_the_key_of_the_street(place: Place) -> None:
    (place.folder / ".env").write_text("SLUICE_API_KEY=sluice_0a_1b\n")
    with chat(200, _ANSWER) as (port, asked):
        done = place.make("test-triage-local", URL=f"http://127.0.0.1:{port}", QUERY="What's my dose?")
    assert done.status == 0, done.err
    body = {"patient_mrn": "P000123", "query": "What's my dose?"}
    assert asked == [("/triage", "Bearer sluice_0a_1b", body)]
    assert '"acuity": "urgent"' in done.out
    assert "sluice_0a_1b" not in done.out + done.err


def test_the_one_in_the_cloud_is_asked_at_the_balancers_address(place: Place) -> None:
    with chat(200, _ANSWER) as (port, asked):
        balanced = {**service({"ip": "127.0.0.1"}), "spec": {"type": "LoadBalancer", "ports": [{"port": port}]}}
        place.answer("get services,ingresses", out=listed(balanced))
        done = place.make_with({"SLUICE_API_KEY": "a-key"}, "test-triage-cloud")
    assert done.status == 0, done.err
    assert asked[0][1] == "Bearer a-key"


@pytest.mark.parametrize(("status", "then"), [(401, "docs/access.md"), (503, "make k8s-logs-errors")])
def test_a_refusal_is_a_failure_with_what_was_said(place: Place, status: int, then: str) -> None:
    with chat(status, {"detail": "because"}) as (port, _):
        done = place.make("test-triage-local", URL=f"http://127.0.0.1:{port}")
    assert done.status != 0
    assert f"answered {status}" in done.err
    assert "because" in done.err
    assert then in done.err


def test_an_answer_of_something_else_and_no_answer_are_failures(place: Place) -> None:
    with chat(200, {"message": "It works!"}) as (port, _):
        assert "not as the chat service does" in place.make("test-triage-local", URL=f"http://127.0.0.1:{port}").err
    done = place.make("test-triage-local", URL=f"http://127.0.0.1:{port}")
    assert "does not answer" in done.err


@pytest.mark.parametrize("target", ["test-triage-local", "test-triage-cloud"])
def test_a_dry_run_asks_nobody(place: Place, target: str) -> None:
    done = place.make(target, DRY_RUN="1")
    assert done.status == 0, done.err
    assert done.shown[-1][0] == "curl"
    assert place.calls == []
