"""Strings that occur nowhere else, a patient made of them, servers that quote them, and who looks for them everywhere.

A canary is `zq` + where it stands + `qz`, so a find says where it got out of.
"""

import base64
import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.fakes.written_patient import allergy, coded, condition, drug, observation, request

_CANARY = re.compile(r"zq[a-z]+qz", re.IGNORECASE)
MRN = "zqmrnqz"
#: What the servers do when they are asked for this patient.
MISSING, BROKEN, GARBAGE, STRANGER, HANGING = "zqmissingqz", "zqbrokenqz", "zqgarbageqz", "zqstrangerqz", "zqhangingqz"
QUERY = "zqquestionqz: can I take ibuprofen for my knee?"
ALARM = "zqalarmqz: crushing chest pain, sweating, it spreads to my left arm"
#: In a question: the model, or the chat log, fails and quotes it.
MODEL_FAILS, STORE_FAILS = "zqmodelfailsqz", "zqstorefailsqz"
ANSWER = {
    "record_refs": ["C1"],
    "rationale": "Rest the zqrationaleqz knee.",
    "acuity": "routine",
    "next_steps": ["Ask about zqnextstepqz."],
    "questions": ["Since when zqaskedqz?"],
}


def patient() -> dict[str, Any]:
    """A FHIR bundle with a canary in every field that holds words."""
    me = {"reference": "urn:uuid:p-1"}
    mark = coded("http://zqsystemqz.example", "zqcodeqz", "zqdisplayqz")
    note = base64.b64encode(b"zqdocumentqz: seen by Dr zqdoctorqz, lives in zqtownqz.").decode()
    resources: list[dict[str, Any]] = [
        {
            "resourceType": "Patient",
            "id": "p-1",
            "identifier": [{"system": "http://zqidsystemqz.example", "value": MRN, "type": coded(_V2, "MR", "")}],
            "name": [{"family": "zqfamilyqz", "given": ["zqgivenqz"], "prefix": ["zqprefixqz"]}],
            "gender": "female",
            "birthDate": "1980-02-03",
            "telecom": [{"system": "phone", "value": "zqphoneqz"}],
            "address": [{"line": ["zqstreetqz 7"], "city": "zqtownqz", "postalCode": "zqzipqz", "state": "zqstateqz"}],
        },
        condition({**mark, "text": "Knee zqconditionqz"}, "active", onsetDateTime="2020-01-01"),
        condition({"text": "Old zqresolvedqz"}, "resolved", onsetDateTime="2001-01-01", abatementDateTime="2002-01-01"),
        request("active", **drug("zqdrugcodeqz", "zqdrugqz 5 MG"), dosageInstruction=[{"text": "zqdosageqz daily"}]),
        allergy(
            {"text": "zqallergyqz"}, reaction=[{"manifestation": [{"text": "zqreactionqz"}], "severity": "severe"}]
        ),
        observation(
            *("2160-0", "zqlabqz", "2026-01-02", "laboratory"), valueQuantity={"value": 77.25, "unit": "zqunitqz"}
        ),
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "type": [{"text": "zqvisitqz"}],
            "reasonCode": [{"text": "zqreasonqz"}],
            "subject": me,
            "period": {"start": "2026-02-01T10:00:00Z"},
        },
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "type": {"text": "zqtitleqz"},
            "subject": me,
            "date": "2026-02-01T10:00:00Z",
            "content": [{"attachment": {"contentType": "text/plain", "data": note, "title": "zqattachmentqz"}}],
        },
        {"resourceType": "Coverage", "status": "active", "beneficiary": me, "payor": [{"display": "zqinsurerqz"}]},
    ]
    entries = [
        {"fullUrl": f"urn:uuid:{each.get('id', f'r-{n}')}", "resource": each} for n, each in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


_V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def summary(mrn: str = MRN) -> dict[str, Any]:
    """The same as the predecessor's record API tells it."""
    return {
        "patient": {
            "_id": "zqidqz",
            "mrn": mrn,
            "name": {"first": "zqgivenqz", "last": "zqfamilyqz"},
            "dob": "1980-02-03",
            "sex": "F",
            "address": {"line1": "zqstreetqz 7", "city": "zqtownqz", "state": "zqstateqz", "zip": "zqzipqz"},
            "conditions": [{"code": "zqcodeqz", "system": "x", "display": "zqconditionqz", "onset_date": "2020-01-01"}],
            "medications": [{"drug_code": "1", "name": "zqdrugqz", "start_date": "2020-01-01", "sig": "zqdosageqz"}],
            "allergies": [{"substance": "zqallergyqz", "reaction": "zqreactionqz", "severity": "severe"}],
        },
        "recent_encounters": [
            {
                "encounter_id": "zqencounteridqz",
                "patient_mrn": mrn,
                "type": "zqvisitqz",
                "start": "2026-02-01T10:00:00Z",
                "diagnoses": [{"code": "x", "system": "x", "display": "zqdiagnosisqz"}],
                "vitals": {"heart_rate": 71},
                "labs": [{"name": "zqlabqz", "value": 7, "unit": "zqunitqz", "collected_at": "2026-02-01T10:00:00Z"}],
                "notes": "zqnoteqz",
            }
        ],
        "recent_claims": [{"claim_id": "zqclaimqz", "payer": "zqinsurerqz", "patient_mrn": mrn}],
        "documents": [{"doc_id": "d", "patient_mrn": mrn, "title": "zqtitleqz", "text": "zqdocumentqz", "tags": []}],
    }


@dataclass
class Places:
    """Everything that a service let out, by where it was found."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, content: str | bytes) -> None:
        """`place` itself is looked at too when it is a file's name; see `folder`."""
        text = content if isinstance(content, str) else content.decode("utf-8", "ignore")
        self.found[f"{len(self.found)} {place}"] = text

    def folder(self, root: Path, but: frozenset[str]) -> None:
        """Every file below `root`, its name and its bytes; of `but` the names only."""
        for path in sorted(root.rglob("*")):
            self.add(f"name in {root.name}", path.name)
            if path.is_file() and path.name not in but:
                self.add(path.name, path.read_bytes())

    def leaks(self) -> list[str]:
        """`where: canary` for each that got out, in any case of letters, also as base64 or with characters escaped."""
        return sorted({f"{place}: {word}" for place, text in self.found.items() for word in canaries_in(text)})


def canaries_in(text: str) -> set[str]:
    plain = set(_CANARY.findall(text))
    spread = set(_CANARY.findall(re.sub(r"\\u00([0-7][0-9a-f])|%([0-7][0-9a-f])", _unescaped, text, flags=re.I)))
    packed = {
        word
        for chunk in re.findall(r"[A-Za-z0-9+/_-]{8,}={0,2}", text)
        for shift in range(4)
        for word in _CANARY.findall(_decoded(chunk[shift:]))
    }
    return {word.lower() for word in plain | spread | packed}


def _unescaped(match: "re.Match[str]") -> str:
    return chr(int(match[1] or match[2], 16))


def _decoded(chunk: str) -> str:
    whole = chunk.rstrip("=")
    whole = whole[: len(whole) // 4 * 4].replace("-", "+").replace("_", "/")
    return base64.b64decode(whole).decode("latin-1")


@contextmanager
def upstream() -> Iterator[str]:
    """One address that is a record API, a FHIR server and a model server, each failing as it is asked to."""
    done = threading.Event()

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            mrn = self.path.split("/")[2] if self.path.startswith("/patients/") else ""
            if mrn == HANGING:
                done.wait(30)
            status = {MISSING: 404, BROKEN: 500, HANGING: 500}.get(mrn, 200)
            if status != 200 or mrn == GARBAGE:
                self._say(status, f"<h1>no JSON for {mrn}</h1>".encode(), "text/html")
            else:
                self._say(200, json.dumps(summary("zqotherqz" if mrn == STRANGER else mrn)).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            if self.path == "/chat-logs":
                broken = STORE_FAILS in body
                self._say(500 if broken else 201, f'{{"conversation_id": "CONV-{MRN}", "said": {body}}}'.encode())
            elif self.path.endswith("/chat/completions"):
                self._model(body)
            else:  # FHIR
                outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": f"no {body}"}]}
                stranger = {"resourceType": "Bundle", "entry": [{"resource": patient()["entry"][0]["resource"]}]}
                found = STRANGER in body
                self._say(200 if found else 500, json.dumps(stranger if found else outcome).encode(), _FHIR)

        def _model(self, body: str) -> None:
            if MODEL_FAILS in body:
                self._say(500, json.dumps({"error": {"message": body}}).encode())
                return
            chunks = [json.dumps(ANSWER), ""]
            lines = [
                json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": None if text else "stop"}]})
                for text in chunks
            ]
            self._say(200, "".join(f"data: {line}\n\n" for line in (*lines, "[DONE]")).encode(), "text/event-stream")

        def _say(self, status: int, body: bytes, media_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # who asked did not wait for the answer
                super().handle()

        @override
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        done.set()
        server.shutdown()
        server.server_close()


_FHIR = "application/fhir+json"


def operations(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
