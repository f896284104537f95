"""Credentials of the platform: asked for with the pod's token, in every request, renewed, and bounded when away."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from inference_container.errors import ObjectMissing, StoreUnavailable
from inference_container.stores.address import S3Address
from inference_container.stores.places import Places
from inference_container.stores.s3 import S3Store
from inference_container.stores.s3_identity import Identity


class Agent:
    """Pod Identity's agent and a store without objects, as one server: what it was asked, and what it gives out."""

    def __init__(self) -> None:
        self.tokens: list[str | None] = []  #: Authorization headers of who asked for credentials
        self.signed: list[tuple[str, str | None]] = []  #: key and session token of requests for objects
        self.lasts = timedelta(hours=6)
        self.status = 200
        self.port = 0

    def credentials(self) -> bytes:
        made = f"AKID{len(self.tokens)}"
        until = (datetime.now(UTC) + self.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps(
            {"AccessKeyId": made, "SecretAccessKey": "s" * 40, "Token": f"session-{made}", "Expiration": until}
        ).encode()

    @contextmanager
    def serving(self) -> Iterator[None]:
        agent = self

        class Answers(BaseHTTPRequestHandler):
            @override
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                agent.tokens.append(self.headers["Authorization"])
                body = agent.credentials()
                self.send_response(agent.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_HEAD(self) -> None:
                key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
                agent.signed.append((key, self.headers["x-amz-security-token"]))
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="agent")
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    found = Agent()
    with found.serving():
        (tmp_path / "token").write_text("the-pods-token")
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{found.port}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        yield found


@pytest.fixture
def store(agent: Agent) -> Iterator[S3Store]:
    opened = S3Store(S3Address(f"127.0.0.1:{agent.port}", "", "", secure=False, identity=True), Places.read("bucket"))
    yield opened
    opened.close()


def ask(store: S3Store) -> None:
    with pytest.raises(ObjectMissing):
        store.stat("bucket", "key")


def test_requests_are_signed_by_what_the_agent_gave_for_the_pods_token(agent: Agent, store: S3Store) -> None:
    ask(store)
    ask(store)
    assert agent.tokens == ["the-pods-token"]
    assert agent.signed == [("AKID1", "session-AKID1")] * 2


def test_what_is_about_to_expire_is_renewed(agent: Agent, store: S3Store) -> None:
    agent.lasts = timedelta(seconds=5)
    ask(store)
    ask(store)
    assert [key for key, _ in agent.signed] == ["AKID1", "AKID2"]


def test_an_agent_that_refuses_is_a_store_that_is_away(agent: Agent, store: S3Store) -> None:
    agent.status = 403
    with pytest.raises(StoreUnavailable) as away:
        store.stat("bucket", "key")
    assert away.value.details["reason"] == "no_credentials"
    agent.status = 200
    ask(store)


@pytest.mark.parametrize("gone", ["token", "agent"])
def test_no_token_or_no_agent_is_one_too(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    if gone == "token":
        (tmp_path / "token").unlink()
    else:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v1/credentials")
    with pytest.raises(StoreUnavailable):
        Identity().retrieve()
    assert agent.tokens == []


def test_threads_that_come_together_ask_once(agent: Agent) -> None:
    identity, found = Identity(), list[str]()
    threads = [threading.Thread(target=lambda: found.append(identity.retrieve().access_key)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["AKID1"] * 8
