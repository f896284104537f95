"""Nothing that a patient wrote, and nothing of a record, gets out: not into logs, metrics, headers, errors or files.

Three services are asked everything that their documents offer, and everything that can go wrong is made to; then all
that they let out is searched for strings that stood in records, questions, headers and answers. What an answer tells
its own caller is left out of the search, and so are the records' file and a header that is an echo by contract.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service_chat.audit.chain import Keys
from service_chat.audit.verify import read_rows, verify
from service_chat.records.bundle import records_in
from service_chat.records.sqlite_file import opened_for_import, put
from serving.clock import SystemClock
from tests.fakes.collector import Collector, collecting
from tests.integration.processes import ServiceProcess, eventually, running
from tests.integration.service_chat.canary import (
    ALARM,
    ANSWER,
    BROKEN,
    GARBAGE,
    HANGING,
    MISSING,
    MODEL_FAILS,
    MRN,
    QUERY,
    STORE_FAILS,
    STRANGER,
    Places,
    canaries_in,
    operations,
    patient,
    upstream,
)
from tests.integration.service_chat.test_process import slow_file_server
from tests.models.tiny_gguf import build_tiny_gguf

pytestmark = pytest.mark.timeout(120)

ADMIN = {"Authorization": "Bearer for-the-tests"}
#: What a caller may send along with anything.
HEADERS = {
    "User-Agent": "zqagentqz",
    "Cookie": "session=zqcookieqz",
    "Referer": "http://zqrefererqz.example",
    "X-API-Key": "zqkeyqz",
    "traceparent": "00-zqtraceqz-1-01",
    "X-Request-ID": "zqrequestqz",
    "X-Forwarded-For": "zqforwardedqz",
}
LOUD = {"PYTHONDONTWRITEBYTECODE": "1", "LOG_LEVEL": "DEBUG", "LOG_PROBES": "1", "ADMIN_TOKEN": "for-the-tests"}
KEPT = {"STORE_CHAT": "1", "CHAT_KEY": "ab" * 32}
RECORDS = "records.sqlite"


class House:
    """A service in a folder of its own, and all that it let out."""

    def __init__(self, folder: Path, service: ServiceProcess, collector: Collector) -> None:
        self.folder, self.service, self.places, self.collector = folder, service, Places(), collector
        self.client = httpx.Client(base_url=service.url, timeout=30)
        self.called: set[tuple[str, str]] = set()
        self.seen: set[int] = set()

    def call(self, method: str, path: str, route: str | None = None, own: bool = False, **more: Any) -> httpx.Response:
        """One request. `own`: a 200 is the caller's own answer, of which the body is not searched."""
        headers = {**HEADERS, **more.pop("headers", {})}
        answer = self.client.request(method, path, headers=headers, **more)
        self.called.add((method, route or path.split("?")[0]))
        self.seen.add(answer.status_code)
        # X-Request-ID comes back as it was sent: it is the caller's own.
        told = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        self.places.add(f"headers of {method} {route or path}", json.dumps(told))
        streamed = answer.headers.get("content-type", "").startswith("text/event-stream")
        if streamed:
            self.places.add("comments and errors of a stream", told_to_all(answer.text))
        elif not (own and answer.status_code < 300):
            self.places.add(f"{answer.status_code} of {method} {route or path}", answer.content)
        return answer

    def ask(self, query: str = QUERY, mrn: str = MRN, **more: Any) -> httpx.Response:
        return self.call("POST", "/triage", own=True, json={"patient_mrn": mrn, "query": query}, **more)

    def stream(self, **asked: Any) -> httpx.Response:
        return self.ask(**asked, headers={"Accept": "text/event-stream"})

    def leaks(self) -> list[str]:
        """The service ends; then all of it."""
        self.call("GET", "/metrics")
        assert self.service.stop() == 0
        self.places.add("log", "\n".join(self.service.log))
        assert self.collector.named("POST /triage"), "spans are looked at as well"
        for body in self.collector.raw:
            self.places.add("spans", body)
        # What was under way when a page of SQLite was cut off is no excuse: logs and temporary files are looked at too.
        self.places.folder(self.folder, frozenset({RECORDS, f"{RECORDS}-wal", f"{RECORDS}-shm", *LEFT_OUT}))
        return self.places.leaks()


#: Files that a test puts beside a service: they are full of canaries.
LEFT_OUT = frozenset({"canary.gguf", "bundle.json", "leaky.py"})


def told_to_all(events: str) -> str:
    """Of a stream: comments, and the events that are no caller's own."""
    blocks = [block for block in events.split("\n\n") if "event: error" in block]
    return "\n".join([line for line in events.splitlines() if line.startswith(":")] + blocks)


@contextmanager
def house(
    folder: Path, settings: Mapping[str, str], module: str = "service_chat", ready: bool = True
) -> Iterator[House]:
    (folder / "tmp").mkdir(parents=True)
    own = {"TMPDIR": str(folder / "tmp"), "RECORDS_PATH": str(folder / RECORDS)}
    with (
        collecting() as collector,
        running(
            *((module,), "CHAT_API_PORT", folder),
            {**LOUD, **own, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, **settings},
            folder / "stdout",
        ) as service,
    ):
        service.until_ready() if ready else service.until_answering()
        found = House(folder, service, collector)
        with found.client:
            yield found


def imported(folder: Path) -> None:
    (folder / "bundle.json").write_text(json.dumps(patient()))
    with opened_for_import(folder / RECORDS) as connection:
        for record in records_in(folder / "bundle.json", SystemClock().now().date()):
            put(connection, record)


def test_every_route_of_the_usual_house_keeps_what_it_was_told(tmp_path: Path) -> None:
    imported(tmp_path)
    model = build_tiny_gguf(tmp_path / "canary.gguf", "script", json.dumps(ANSWER, separators=(",", ":")))
    with house(tmp_path, {"GGUF_PATH": str(model), **KEPT, "ALLOWED_LLM_MODES": "mock"}) as h:
        answer = h.ask(headers={"Idempotency-Key": "zqidempotencyqz"})
        assert answer.status_code == 200, answer.text
        assert {MRN, "zqquestionqz", "zqaskedqz", "zqconditionqz"} <= canaries_in(answer.text), "nothing to keep"
        assert h.ask(headers={"Idempotency-Key": "zqidempotencyqz"}).headers["idempotency-replayed"] == "true"
        assert h.ask("another zqotherquestionqz", headers={"Idempotency-Key": "zqidempotencyqz"}).status_code == 422
        assert h.stream().status_code == 200
        assert h.ask(ALARM).json()["acuity"] == "emergency_now"
        job = answer.json()["job_id"]
        h.call("GET", f"/triage/{job}", "/triage/{job_id}", own=True)
        h.call("GET", f"/triage/{job}/events", "/triage/{job_id}/events")
        h.call("GET", f"/triage/{job}/events", "/triage/{job_id}/events", headers={"Last-Event-ID": "zqlastqz"})
        h.call("DELETE", f"/triage/{job}", "/triage/{job_id}", own=True)
        h.call("GET", "/triage/zqjobqz", "/triage/{job_id}")
        h.call("POST", "/feedback", json={"job_id": job, "verdict": "agree", "comment": "zqcommentqz"})
        h.call("POST", "/feedback", json={"job_id": job, "verdict": "zqverdictqz"})
        h.call("POST", "/feedback", json={"job_id": "zqjobqz", "verdict": "agree"})
        wrong_requests(h)
        chat = {"model": "default", "messages": [{"role": "user", "content": "zqchatqz"}]}
        h.call("POST", "/v1/chat/completions", own=True, json=chat)
        h.call("POST", "/v1/chat/completions", json={**chat, "stream": True})
        h.call("POST", "/v1/chat/completions", json={**chat, "model": "zqnomodelqz", "zqfieldqz": "zqvalueqz"})
        h.call("POST", "/v1/chat/completions", json={**chat, "messages": [{"role": "zqroleqz", "content": 1}]})
        h.call("GET", "/v1/models")
        h.call("GET", "/v1/models/zqnomodelqz", "/v1/models/{model}")
        for path in ("/", "/health", "/ready", "/health/model", "/queue"):
            h.call("GET", f"{path}?patient=zqparameterqz")
        for headers in (ADMIN, {"Authorization": "Bearer zqtokenqz"}):
            h.call("GET", "/admin/settings", headers=headers)
            h.call("GET", "/admin/model", headers=headers)
            h.call("POST", "/admin/model", headers=headers, json={"source": 7})
        document = h.call("GET", "/openapi.json").json()
        h.call("GET", "/metrics")
        assert operations(document) - named(h.called) == set(), "a route that nobody calls here"
        assert {200, 204, 400, 401, 404, 405, 413, 422} <= h.seen
        assert h.leaks() == []
        asked = len(h.service.events("request_received"))
    audit = tmp_path / "audit.sqlite"
    assert verify(audit, Keys()).sound
    rows = [row["action"] for row in read_rows(audit)]  # what waited at SIGTERM among them
    assert (rows.count("triage"), rows.count("chat_completion"), rows.count("feedback")) == (asked, 2, 1)


def named(called: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(method, "/v1/models/{model}" if path.startswith("/v1/models/") else path) for method, path in called}


def wrong_requests(h: House) -> None:
    """What a schema, a bound or a router refuses."""
    for body in (
        {"patient_mrn": MRN},
        {"query": ALARM},
        {"patient_mrn": "zq not a number qz", "query": QUERY},
        {"patient_mrn": [MRN], "query": {"zqkeyqz": QUERY}},
        {"patient_mrn": MRN, "query": QUERY + "x" * 8000},
        {"patient_mrn": MRN, "query": QUERY, "llm_mode": "zqmodeqz"},
    ):
        assert h.call("POST", "/triage", json=body).status_code == 422
    for content in (f'{{"patient_mrn": "{MRN}", "query": {QUERY}', f"\xff{QUERY}".encode("latin-1")):
        assert h.call("POST", "/triage", content=content).status_code in (400, 422)
    assert h.call("POST", "/triage", content=QUERY.encode() * 2000).status_code == 413
    assert h.ask(mrn="zqnobodyqz").status_code == 404
    assert h.ask(ALARM, mrn="zqnobodyqz").status_code == 200
    for path in ("/zqpathqz", f"/triage/{MRN}/zqbelowqz", "/page/zqpageqz"):
        assert h.call("GET", path).status_code == 404
    assert h.call("PUT", "/triage", content=QUERY).status_code == 405
    assert h.call("ZQMETHODQZ", "/triage").status_code in (400, 405)
    assert h.ask(headers={"Prefer": "zqpreferqz, wait=zqwaitqz", "Idempotency-Key": "zq key qz"}).status_code == 422


def test_servers_that_fail_and_quote_what_they_were_asked_are_not_quoted(tmp_path: Path) -> None:
    with upstream() as base:
        settings = {
            "LLM_MODE": "remote",
            "REMOTE_BASE_URL": base,
            "REMOTE_MODEL": "m",
            "DB_API_BASE_URL": base,
            "STORE_CHAT": "1",
            "TRIAGE_DEADLINE_SECONDS": "1.5",
            "RATE_LIMIT_PER_MINUTE": "60",
            "RATE_LIMIT_BURST": "14",
        }
        with house(tmp_path, settings) as h:
            assert h.ask().json()["conversation_id"]
            assert h.stream().status_code == 200
            assert h.ask(f"{STORE_FAILS}, may I?").json()["conversation_id"] is None
            assert h.ask(f"{MODEL_FAILS}, may I?").status_code == 502
            assert b"event: error" in h.stream(query=f"{MODEL_FAILS}, may I?").content
            assert [h.ask(mrn=mrn).status_code for mrn in (MISSING, BROKEN, GARBAGE, STRANGER)] == [404, 502, 502, 502]
            assert h.ask(ALARM, mrn=BROKEN).json()["acuity"] == "emergency_now"
            assert h.ask(mrn=HANGING).status_code == 504
            for streamed in (False, True):
                messages = [{"role": "user", "content": f"{MODEL_FAILS}: zqchatqz"}]
                body = {"model": "default", "messages": messages, "stream": streamed}
                assert h.call("POST", "/v1/chat/completions", json=body).status_code == 502
            taken_back(h)
            statuses = [h.ask().status_code for _ in range(30)]
            assert 429 in statuses
            assert {200, 404, 409, 429, 502, 504} <= h.seen
            assert h.leaks() == []
            assert [each["reason"] for each in h.service.events("chat_log_failed")] == [500]


def taken_back(h: House) -> None:
    """A question that waits for its record is looked at, judged too early, and taken back."""
    asked = {"patient_mrn": HANGING, "query": QUERY}
    with httpx.stream(
        "POST", f"{h.service.url}/triage", json=asked, headers={**HEADERS, "Accept": "text/event-stream"}
    ) as told:
        lines = told.iter_lines()
        (job,) = [json.loads(line[6:])["job_id"] for line in _until(lines, '"job_id"')]
        assert h.call("POST", "/feedback", json={"job_id": job, "verdict": "agree"}).status_code == 409
        taken = h.call("DELETE", f"/triage/{job}", "/triage/{job_id}")
        assert taken.json()["state"] == "cancelled"
        rest = "\n".join(lines)
    assert "event: error" in rest
    h.places.add("a stream that was cancelled", rest)


def _until(lines: Iterator[str], words: str) -> Iterator[str]:
    for line in lines:
        if words in line:
            yield line
            return


def test_a_house_that_loads_with_a_fhir_server_that_fails_keeps_it_too(tmp_path: Path) -> None:
    with upstream() as base, slow_file_server() as model:
        settings = {
            "MODEL_SOURCE": model,
            "RECORDS_BACKEND": "fhir",
            "FHIR_BASE_URL": f"{base}/fhir",
            "FHIR_TOKEN": "zqfhirtokenqz",
            "COMPAT_ERRORS": "1",
        }
        with house(tmp_path, settings, ready=False) as h:
            assert h.ask().status_code == 503  # loading
            assert h.ask("fever of 39 since zqsinceqz", mrn=STRANGER).status_code == 503
            assert h.ask(ALARM).status_code == 200
            h.call("GET", "/ready")
            eventually(lambda: bool(h.service.events("audit_opened")), 20)
            assert h.leaks() == []


LEAKY = '''
"""The service, with a line that tells what was asked, and a defect that quotes it."""
import logging
import sys
from service_chat.__main__ import main
from service_chat.routers import rendering
from service_chat.services import recording

steps, answer = recording.Recording.steps, rendering.Rendering.answer

def telling(self, question, deadline):
    if "zqplantedqz" in question.query:
        logging.getLogger("leak").debug("asked: %s", question.query)
    return steps(self, question, deadline)

def defective(self, job, given):
    if "zqdefectqz" in job.question.query:
        raise ValueError(f"can not render {job.question.query}")
    return answer(self, job, given)

recording.Recording.steps = telling
rendering.Rendering.answer = defective
sys.argv = sys.argv[:1]
main()
'''


def test_a_leak_that_is_planted_is_found_and_a_defect_that_quotes_is_none(tmp_path: Path) -> None:
    """Else all the silence above would prove nothing. No log level shows what an exception says."""
    (tmp_path / "leaky.py").write_text(LEAKY)
    with house(tmp_path, {"LLM_MODE": "mock"}, "leaky") as h:
        assert h.ask("zqdefectqz?", mrn="P000123").status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):  # the status line was out: the line is cut
            h.stream(query="zqdefectqz?", mrn="P000123")
        assert h.ask("zqplantedqz?", mrn="P000123").status_code == 200
        (tmp_path / "tmp" / "zqfilenameqz").write_text("zqcontentqz")
        found = {leak.split(" ", 1)[1] for leak in h.leaks()}
        assert found == {"log: zqplantedqz", f"name in {tmp_path.name}: zqfilenameqz", "zqfilenameqz: zqcontentqz"}
        assert any(each["error_type"] == "ValueError" for each in h.service.events("unexpected_error"))


@pytest.mark.parametrize(
    "disguise",
    ["ZQPLAINQZ", r"zq\u0070\u006cainqz", "%7A%71plain%71%7A", "eHh6cXBsYWlucXp4", "x" + "enFwbGFpbnF6"],
)
def test_a_canary_is_known_in_disguise(disguise: str) -> None:
    assert canaries_in(f"before {disguise} after") == {"zqplainqz"}
    assert canaries_in("nothing zq here qz") == set()
