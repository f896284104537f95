import json
from collections.abc import Callable
from types import ModuleType

import pytest

ASKED = {"patient_mrn": "P000001", "query": "Why?"}
GOOD = {**ASKED, "response": "Rest.", "degraded": []}


@pytest.fixture
def questions(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("questions")


def stream(*events: tuple[str, object]) -> bytes:
    return "".join(f"id: 1\nevent: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events).encode()


def test_a_right_answer_is_right_at_once_and_as_a_stream(questions: ModuleType) -> None:
    assert questions.answered(ASKED, 200, json.dumps(GOOD).encode()).fault is None
    whole = stream(("accepted", {}), ("delta", {"text": "Rest."}), ("result", GOOD), ("done", {}))
    assert questions.streamed(ASKED, 200, b"retry: 2000\n" + whole).fault is None


@pytest.mark.parametrize(
    "wrong",
    [{**GOOD, "query": "Another?"}, {**GOOD, "response": " "}, {**GOOD, "degraded": ["model_silent"]}, {}, [], "ok"],
)
def test_a_200_with_a_wrong_body_is_a_failure(wrong: object, questions: ModuleType) -> None:
    assert questions.answered(ASKED, 200, json.dumps(wrong).encode()).fault
    assert questions.streamed(ASKED, 200, stream(("result", wrong), ("done", {}))).fault


@pytest.mark.parametrize(
    "events",
    [
        (),
        (("accepted", {}),),
        (("accepted", {}), ("error", {"code": "worker_died"})),
        (("result", GOOD),),
        (("result", GOOD), ("result", GOOD), ("done", {})),
        (("done", {}),),
    ],
)
def test_a_stream_without_its_result_and_end_is_a_failure(
    events: tuple[tuple[str, object], ...], questions: ModuleType
) -> None:
    assert questions.streamed(ASKED, 200, stream(*events)).fault


@pytest.mark.parametrize("body", [b"", b"\xff", b"{"])
def test_what_is_no_json_is_a_failure(body: bytes, questions: ModuleType) -> None:
    assert questions.answered(ASKED, 200, body).fault
    assert questions.streamed(ASKED, 200, body).fault


def test_another_status_is_a_failure_with_its_body_told(questions: ModuleType) -> None:
    assert questions.answered(ASKED, 404, b"nobody").fault == "404: nobody"
    assert questions.streamed(ASKED, 404, b"nobody").fault == "404: nobody"
