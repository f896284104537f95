"""Users of the chat service: questions answered as one JSON, questions answered as a stream, and looks at its health.

The time to the first token of a stream is what a person waits for; it is a series of its own and no request.
"""

import json
import time
from collections.abc import Iterator

import gevent
from caller import WARM_UP, Answer, Caller
from profiles import FIRST_TOKEN
from questions import a_question, answered, streamed
from run import RUN
from users_forecast import is_healthy

from locust import task

_TRIAGE, _STREAM = "/triage", "/triage (stream)"


class Patient(Caller):
    abstract = not RUN.chat
    fixed_count = RUN.profile.triage_users if RUN.chat else 0
    base_url = RUN.wishes.chat_url
    bearer = RUN.wishes.api_key
    _streams = False

    def on_start(self) -> None:
        if RUN.wishes.warm_up:
            self._plain(WARM_UP)
        self.health()  # so that a short run against a slow model has looked at least once

    @task(4)
    def question(self) -> None:
        # In turn and not by chance: a slow model answers few, and both have a limit to be held to.
        self._streams = not self._streams
        if self._streams:
            self._stream()
        else:
            self._plain()

    def _stream(self) -> None:
        asked = a_question()
        begun, first, events = time.perf_counter(), None, b""
        try:
            head, pieces = self._open(asked)
            for piece in pieces:
                events += piece
                if first is None and b"event: delta" in piece:
                    first = (time.perf_counter() - begun) * 1000
            answer = Answer(head.status, events, head.headers, (time.perf_counter() - begun) * 1000, head.error)
        except Exception as error:  # whatever a connection can do: it is the answer's fault
            answer = Answer(0, events, {}, (time.perf_counter() - begun) * 1000, f"{type(error).__name__}: {error}")
        rest = self.book("POST", _STREAM, answer, lambda told: streamed(asked, told.status, told.body))
        if first is not None:
            RUN.ledger.time(FIRST_TOKEN, first)
        gevent.sleep(rest)

    @task(1)
    def health(self) -> None:
        self.ask("GET", "/health", "/health", is_healthy)

    def _plain(self, aside: str = "") -> None:
        asked = a_question()
        body = json.dumps(asked).encode()
        self.ask("POST", _TRIAGE, _TRIAGE, lambda told: answered(asked, told.status, told.body), body, aside=aside)

    def _open(self, asked: dict[str, str]) -> tuple[Answer, Iterator[bytes]]:
        headers = {"Accept": "text/event-stream", "Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        body = json.dumps(asked).encode()
        response = self.client.request("POST", _TRIAGE, data=body, headers=headers, stream=True)  # type: ignore[arg-type]  # bytes too
        if response.headers is None:
            response.raise_for_status()
        assert response.headers is not None
        lines = {str(key).lower(): str(value) for key, value in response.headers.items()}
        streams = lines.get("content-type", "").startswith("text/event-stream")
        pieces = _events(response) if streams else iter((bytes(response.content or b""),))
        return Answer(response.status_code, b"", lines, 0.0), pieces


def _events(response: object) -> Iterator[bytes]:
    """One event at a time, as it comes. `iter_content` would wait for a whole kilobyte: no first token is that long."""
    raw = response._response  # type: ignore[attr-defined]  # the client has no other way to a part of a body
    while event := bytes(raw.readline(b"\n\n")):
        yield event
