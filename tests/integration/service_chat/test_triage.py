"""What a client of POST /triage sees: the old keys, the stream, the refusals. Real llama.cpp behind it."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.processes import ServiceProcess
from tests.integration.service_chat.conftest import Start
from tests.models.tiny_gguf import DEFAULT_RATIONALE

OLD_KEYS = ["trace_id", "patient_mrn", "query", "llm_mode", "response", "inference_time_ms", "conversation_id"]
QUESTION = {"patient_mrn": "P000123", "query": "Can I take ibuprofen?"}


def ask(service: ServiceProcess, **extra: Any) -> httpx.Response:
    with service.client() as client:
        return client.post("/triage", json={**QUESTION, **extra})


def stream(service: ServiceProcess, **extra: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    headers = {"Accept": "text/event-stream"}
    with (
        service.client() as client,
        client.stream("POST", "/triage", json={**QUESTION, **extra}, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


def test_an_answer_begins_with_the_seven_keys_that_clients_know(service: ServiceProcess) -> None:
    answer = ask(service)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body)[:7] == OLD_KEYS
    assert DEFAULT_RATIONALE in body["response"]
    assert body["response"].startswith(body["emergency_notice"])  # the rules' words come first
    assert (body["acuity"], body["acuity_source"]) == ("urgent", "record")
    assert {flag["code"] for flag in body["red_flags"]} >= {"allergy_conflict", "drug_interaction"}
    assert all(flag["record"] and flag["source"].startswith("https://") for flag in body["red_flags"])
    assert (body["language"], body["citations"], body["ungrounded_terms"]) == ("en", [], [])
    assert body["next_steps"][-1] == "Ask before you take it."
    assert "Since when does it hurt?" in body["questions"]
    assert body["versions"]["rules"]
    assert (body["patient_mrn"], body["query"], body["llm_mode"]) == ("P000123", QUESTION["query"], "gguf")
    assert uuid.UUID(body["trace_id"]).version == 4
    assert answer.headers["x-request-id"] == body["trace_id"]
    assert body["degraded"] == []
    assert body["usage"]["finish_reason"] == "stop"
    assert body["usage"]["prompt_tokens"] > 50
    assert body["timings"]["total_ms"] == body["inference_time_ms"] > 0


def test_a_trace_from_outside_is_continued(service: ServiceProcess) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with service.client() as client:
        headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01", "X-Request-ID": "from-the-frontend"}
        answer = client.post("/triage", json=QUESTION, headers=headers)
    assert answer.json()["trace_id"] == trace_id
    assert answer.headers["x-request-id"] == "from-the-frontend"
    assert answer.headers["traceparent"].split("-")[1] == trace_id


def test_a_stream_tells_what_happens_and_ends_with_the_same_answer(service: ServiceProcess) -> None:
    told = list(stream(service))
    names = [name for name, _ in told]
    assert names[:2] == ["accepted", "acuity"]
    assert names[-2:] == ["result", "done"]
    states = [data["state"] for name, data in told if name == "status"]
    assert states == sorted(states, key=["queued", "prefill", "generating"].index)
    assert {"queued", "prefill"} <= set(states)
    text = "".join(data["text"] for name, data in told if name == "delta")
    result = dict(told)["result"]
    assert text == DEFAULT_RATIONALE
    assert text in result["response"]
    assert set(result) == set(ask(service).json())


def test_the_rules_are_heard_before_all_else_and_again_when_the_record_raises_them(service: ServiceProcess) -> None:
    told = list(stream(service))
    names = [name for name, _ in told]
    heard = [data for name, data in told if name == "acuity"]
    last = len(names) - 1 - names[::-1].index("acuity")
    assert last < min(names.index(name) for name in ("status", "delta", "result"))
    # The question alone is mild; beside an allergy and a blood thinner it is not.
    assert [each["red_flags"] == [] for each in heard] == [True, False]
    assert heard[0]["acuity"] != heard[1]["acuity"] == "urgent"
    result = dict(told)["result"]
    assert {key: result[key] for key in heard[1]} == heard[1]


GRAVE = {
    "emergency": "I have crushing chest pain and my left arm is numb.",
    "self-harm": "I want to kill myself and I have the pills here.",
    "violence": "My husband is abusing me.",
}


@pytest.mark.parametrize("query", GRAVE.values(), ids=GRAVE)
def test_what_has_fixed_words_is_answered_without_a_model_or_a_record(service: ServiceProcess, query: str) -> None:
    told = list(stream(service, query=query, patient_mrn="P999999"))
    assert [name for name, _ in told] == ["accepted", "acuity", "result", "done"]
    result = dict(told)["result"]
    assert (result["usage"], result["degraded"], result["citations"]) == (None, [], [])
    assert result["response"].startswith(dict(told)["acuity"]["emergency_notice"])


def test_a_refusal_says_what_the_rules_found_and_a_plain_one_says_nothing_of_them(service: ServiceProcess) -> None:
    urgent = ask(service, patient_mrn="P999999", query="I have had a severe headache since yesterday.")
    assert urgent.status_code == 404
    problem = urgent.json()
    assert problem["acuity_floor"] == "urgent"
    assert problem["red_flags"]
    assert problem["emergency_notice"]
    assert "acuity_floor" not in ask(service, patient_mrn="P999999", query="What now?").json()


@pytest.mark.parametrize("model", ["slow", "endless"])
@pytest.mark.parametrize("most", [16, 90])
def test_a_model_that_would_go_on_ends_with_its_tokens_and_leaves_the_rules_answer(
    start: Start, model: str, most: int, request: pytest.FixtureRequest
) -> None:
    """No form is whole within so few tokens of one letter each, and what is not whole counts as nothing."""
    gguf = request.getfixturevalue(f"{model}_gguf")
    with start({"GGUF_PATH": str(gguf), "GGUF_MAX_TOKENS": str(most)}) as service:
        service.until_ready()
        body = ask(service).json()
        assert body["degraded"] == ["model_invalid"]
        assert 0 < body["usage"]["completion_tokens"] <= most
        assert body["usage"]["finish_reason"] in ("length", "repetition")
        with service.client() as client:  # who does not wait gets what the rules and the record say
            ruled = client.post("/triage", json=QUESTION, headers={"Prefer": "wait=0"}).json()
        assert ruled["degraded"] == ["deadline"]
        same = ("acuity", "acuity_source", "red_flags", "response", "next_steps", "questions", "citations")
        assert {key: body[key] for key in same} == {key: ruled[key] for key in same}
        assert body["acuity"] == "urgent"


def test_the_record_of_the_patient_asked_about_reaches_the_model(service: ServiceProcess) -> None:
    """The prompt's length differs with the record; its text can not be seen from outside, by design."""
    lengths = {mrn: ask(service, patient_mrn=mrn).json()["usage"]["prompt_tokens"] for mrn in ("P000001", "P000123")}
    assert lengths["P000001"] != lengths["P000123"]


def test_an_unknown_patient_is_a_404_problem(service: ServiceProcess) -> None:
    answer = ask(service, patient_mrn="P999999")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "patient_not_found"
    assert "P999999" not in answer.text
    assert problem["trace_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "bad",
    [
        {"patient_mrn": "../../etc"},
        {"patient_mrn": ""},
        {"patient_mrn": 7},
        {"query": ""},
        {"query": "   "},
        {"query": "x" * 8001},
        {"query": None},
    ],
)
def test_a_request_that_does_not_fit_is_refused_without_quoting_it(
    service: ServiceProcess, bad: dict[str, Any]
) -> None:
    answer = ask(service, **bad)
    assert answer.status_code == 422
    assert "../.." not in answer.text
    assert "x" * 100 not in answer.text


@pytest.mark.parametrize("mode", ["qwen", "Qwen3-4B-Thinking-2507", "hf-qwen2.5", "remote", "nonsense"])
def test_a_mode_that_is_not_offered_is_refused_with_those_that_are(service: ServiceProcess, mode: str) -> None:
    answer = ask(service, llm_mode=mode)
    assert answer.status_code == 422
    assert answer.json()["allowed"] == ["gguf", "mock"]


def test_a_mode_that_is_allowed_may_be_named(service: ServiceProcess) -> None:
    body = ask(service, llm_mode="mock").json()
    assert body["llm_mode"] == "mock"
    assert "mock" in body["response"].lower()


def test_a_refusal_of_a_stream_is_a_problem_and_no_stream(service: ServiceProcess) -> None:
    with service.client() as client:
        question = {**QUESTION, "patient_mrn": "P999999"}
        answer = client.post("/triage", json=question, headers={"Accept": "text/event-stream"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_other_old_routes_answer_as_before(service: ServiceProcess) -> None:
    root = service.get("/").json()
    assert root["service"] == "CarePath Chat API"
    assert (root["default_llm_mode"], root["vector_mode"]) == ("gguf", "mock")
    assert service.get("/health").json() == {"status": "ok", "service": "chat-api", "version": root["version"]}
    ready = service.get("/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["service"]) == (200, "ready", "chat-api")
    model = service.get("/health/model").json()
    assert (model["state"], model["model"]) == ("ready", "script.gguf")
    assert model["n_threads"] >= 1
    assert len(model["sha256"]) == 64


def test_only_named_origins_may_call_from_a_browser(service: ServiceProcess) -> None:
    with service.client() as client:
        allowed = client.get("/health", headers={"Origin": "http://localhost:5173"})
        other = client.get("/health", headers={"Origin": "http://elsewhere.example"})
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "access-control-allow-origin" not in other.headers


def test_a_body_over_the_limit_is_refused(service: ServiceProcess) -> None:
    assert ask(service, query="x" * 70_000).status_code == 413


def test_the_old_error_bodies_come_back_when_asked_for(start: Start) -> None:
    with start({"LLM_MODE": "mock", "COMPAT_ERRORS": "1"}) as service:
        service.until_ready()
        missing = ask(service, patient_mrn="P999999")
        detail = missing.json()["detail"]
        assert missing.status_code == 404
        assert detail == {
            "error": "Patient not found",
            "trace_id": missing.headers["x-request-id"],
            "patient_mrn": "P999999",
        }
        assert isinstance(ask(service, query="").json()["detail"], list)
        assert service.get("/nowhere").json()["detail"]["error"] == "Not Found"


def test_admin_routes_are_off_without_a_token_and_closed_without_the_right_one(
    service: ServiceProcess, start: Start
) -> None:
    assert service.get("/admin/settings").status_code == 404
    with start({"LLM_MODE": "mock", "ADMIN_TOKEN": "let-me-in", "HF_TOKEN": "hub-secret"}) as guarded:
        guarded.until_ready()
        assert guarded.get("/admin/settings").status_code == 401
        with guarded.client() as client:
            shown = client.get("/admin/settings", headers={"Authorization": "Bearer let-me-in"})
            wrong = client.get("/admin/settings", headers={"Authorization": "Bearer x"})
        assert wrong.status_code == 401
        assert shown.json()["llm_mode"] == "mock"
        assert shown.json()["hf_token"] == "***"
        assert "hub-secret" not in shown.text
        assert "let-me-in" not in shown.text
