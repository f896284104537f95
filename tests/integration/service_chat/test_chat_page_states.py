"""What the page makes of answers and refusals that take more than one service to get: each state, and axe on all."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.integration.service_chat.page_talk import (
    ACCEPTED,
    ACUITY,
    CALL,
    NOTHING,
    RESULT,
    Talk,
    flag,
    problem,
)

BUSY = problem(429, "queue_full", "Server busy, try again.", retry_after_s=2)
QUESTION = "Is it bad?"


def test_items_of_the_record_that_an_answer_rests_on_open_to_text_day_and_source(talk: Talk) -> None:
    talk.answers()
    talk.asked(QUESTION)
    chip = talk.part("chip")
    expect(chip.locator("summary")).to_have_text("Medication M1")
    expect(chip.locator("p").first).to_be_hidden()
    chip.locator("summary").click()
    assert chip.locator("p").all_inner_texts() == ["Warfarin 5 mg", "2026-05-01 · record"]
    talk.page.locator(".about summary").click()
    about = talk.part("about").inner_text()
    for told in ("the complaint is too vague; new code", "labs", "aspirin", "806 read (805 known already)", "m.gguf"):
        assert told in about, told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("model_unavailable", "There is no model to ask just now"),
        ("deadline", "The model was not done in time"),
        ("model_silent", "The model wrote nothing"),
        ("model_invalid", "could not be used"),
        ("of_tomorrow", "This answer is less than it could be: of tomorrow."),
    ],
)
def test_an_answer_that_is_less_than_it_could_be_says_why(talk: Talk, code: str, words: str) -> None:
    talk.answers(degraded=[code], notices=["privacy"], usage=None)
    talk.asked(QUESTION)
    expect(talk.part("remarks li")).to_have_count(2)
    expect(talk.part("remarks")).to_contain_text(words)
    expect(talk.part("remarks")).to_contain_text("Names, addresses and numbers of people are not needed")


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        (400, "invalid_input", False),
        (404, "no_such_route", False),
        (409, "ambiguous_patient", True),
        (413, "request_body_too_large", False),
        (500, "internal_error", True),
        (502, "dependency_failed", True),
        (503, "worker_died", True),
        (504, "deadline_exceeded", True),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_service_with_its_trace(
    talk: Talk, status: int, code: str, again: bool
) -> None:
    told = problem(status, code, "In words of its own.")
    talk.refuses(told)
    talk.asked(QUESTION)
    trouble = talk.part("trouble")
    expect(trouble.locator("p").first).to_have_text("In words of its own.")
    expect(trouble.locator("code")).to_have_text(told["trace_id"])
    expect(trouble.get_by_role("button", name="Copy trace id")).to_be_visible()
    assert trouble.locator(".again").count() == again
    expect(talk.status).to_have_text("There is no answer. In words of its own.")
    assert talk.page.input_value("#query") == QUESTION


def test_a_failure_in_the_middle_is_told_as_well_and_half_an_answer_is_taken_away(talk: Talk) -> None:
    died = problem(503, "worker_died", "The engine died.", job_id=RESULT["job_id"])
    writing = ("status", {"state": "generating", "tokens": 3, "elapsed_ms": 1.0})
    talk.tells(ACCEPTED, ACUITY, writing, ("delta", {"text": "It is nothing"}), ("error", died))
    talk.asked(QUESTION)
    expect(talk.part("trouble")).to_contain_text("The engine died.")
    assert talk.part("prose").count() == 0
    assert talk.badge.count() == 0  # what the rules held is no finding without an answer


def test_the_older_shape_of_an_error_is_read_too(talk: Talk) -> None:
    old = {"detail": {"error": "Error generating response", "trace_id": "a" * 32}, "acuity_floor": "urgent", **CALL}
    talk.refuses({**old, "status": 500, "red_flags": ["neuro"]})
    talk.asked(QUESTION)
    expect(talk.part("trouble")).to_contain_text("Error generating response")
    expect(talk.part("trouble code")).to_have_text("a" * 32)
    expect(talk.banner).to_contain_text("Call 911 now.")
    talk.refuses({"status": 422, "detail": [{"loc": ["body", "patient_mrn"], "msg": "too long", "type": "x"}]})
    talk.asked(QUESTION, mrn="x" * 65)
    expect(talk.page.locator("#mrn-wrong")).to_contain_text("at most 64 letters")


def test_what_the_rules_found_is_shown_above_a_refusal_of_the_same_question(talk: Talk) -> None:
    flags = {"acuity_floor": "emergency_now", "red_flags": ["cardiac"], **CALL}
    talk.refuses({**BUSY, **flags}, **{"Retry-After": "30"})
    talk.asked(QUESTION)
    expect(talk.banner.locator("a").first).to_have_attribute("href", "tel:911")
    expect(talk.badge).to_have_text("At least emergency: call now")
    expect(talk.part("trouble")).to_contain_text("Server busy, try again.")


@pytest.mark.parametrize("told", [BUSY, problem(503, "not_ready", "The model is loading.", retry_after_s=2)])
def test_a_busy_service_is_asked_again_no_sooner_than_it_wants(talk: Talk, told: Mapping[str, Any]) -> None:
    talk.page.clock.install()
    talk.refuses(told, **{"Retry-After": "2"})
    talk.asked(QUESTION)
    again = talk.part("again")
    expect(again).to_have_text("Ask again in 2 seconds")
    again.click(force=True)  # aria-disabled: it can be pressed, and does nothing
    expect(talk.page.locator("#history-list li")).to_have_count(1)
    talk.answers()
    talk.page.clock.run_for(2100)
    expect(again).to_have_text("Ask again")
    expect(talk.status).to_have_text("You can ask again now.")
    again.click()
    talk.until_over()
    expect(talk.badge).to_have_text("Routine")


def test_a_key_is_asked_for_kept_in_memory_and_sent_with_the_same_question(talk: Talk) -> None:
    page, sent = talk.page, list[str | None]()

    def door(route: Route) -> None:
        key = route.request.headers.get("authorization")
        sent.append(key)
        status, code = (401, "unauthorized") if key != "Bearer right" else (403, "forbidden")
        shape = {"Content-Type": "application/problem+json"}
        route.fulfill(status=status, headers=shape, body=json.dumps(problem(status, code, "Who asks?")))

    page.route("**/triage", door)
    talk.asked(QUESTION)
    expect(talk.part("trouble")).to_contain_text("Who asks?")
    expect(page.locator("#key")).to_be_focused()
    expect(page.locator("#key-help")).to_contain_text("stays in this page's memory")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-wrong")).to_have_text("The service does not take this key.")
    page.fill("#key", "right")
    page.keyboard.press("Enter")
    expect(page.locator("#key-wrong")).to_contain_text("does not allow this")
    assert sent == [None, "Bearer wrong", "Bearer right"]
    expect(page.locator("#history-list li")).to_have_count(1)  # three tries, one question
    page.click("#forget")
    talk.asked(QUESTION)
    assert sent[-1] is None


def test_an_opinion_is_sent_with_its_job_and_thanked_for(talk: Talk) -> None:
    talk.answers()
    talk.asked(QUESTION)
    talk.page.get_by_label("Too low").check()
    talk.page.get_by_label("Why?").fill(" It hurts a lot. ")
    talk.refuses(problem(404, "job_not_found", "No such job."), path="**/feedback")
    talk.page.get_by_role("button", name="Send").click()
    expect(talk.part("told")).to_have_text("It could not be kept. No such job.")
    talk.fulfils("**/feedback", 204, "", {})
    with talk.page.expect_request("**/feedback") as sent:
        talk.page.get_by_role("button", name="Send").click()
    opinion = {"job_id": RESULT["job_id"], "verdict": "too_low", "comment": "It hurts a lot."}
    assert json.loads(sent.value.post_data or "") == opinion
    expect(talk.part("told")).to_be_focused()
    expect(talk.part("told")).to_contain_text("Thank you.")


def test_while_the_model_comes_the_page_says_how_far_it_is_and_when_it_is_there(talk: Talk) -> None:
    loading = {"status": "loading", "phase": "downloading", "percent": 43.2, "eta_s": 90.0, "message": "Not yet."}
    talk.fulfils("**/ready", 503, json.dumps(loading), {"Content-Type": "application/json"})
    talk.page.reload()
    expect(talk.page.locator("#served")).to_have_text("The model is coming: downloading, 43 %, about 1m 30s")
    expect(talk.page.locator("#loading")).to_have_attribute("value", "43.2")
    expect(talk.page.locator("#early")).to_contain_text("An emergency is answered at once")
    talk.page.unroute("**/ready")
    expect(talk.page.locator("#served")).to_have_text("Ready")
    expect(talk.status).to_have_text("The model is ready.")
    expect(talk.page.locator("#early")).to_be_hidden()


def test_who_can_not_be_told_of_a_cancel_is_not_said_to_have_stopped(talk: Talk) -> None:
    talk.holds("**/events")
    talk.tells(ACCEPTED, ACUITY)
    talk.refuses(problem(502, "dependency_failed", "No."), path=f"**/triage/{RESULT['job_id']}")
    talk.ask(QUESTION)
    expect(talk.part("progress")).to_contain_text("The connection is lost.")
    talk.page.keyboard.press("Escape")
    expect(talk.part("ended")).to_contain_text("could not be told")


def test_an_answer_that_was_quicker_than_its_cancel_stands(talk: Talk) -> None:
    talk.holds("**/events")
    talk.tells(ACCEPTED, ACUITY)
    done = json.dumps({"state": "done", "result": dict(RESULT)})
    talk.fulfils(f"**/triage/{RESULT['job_id']}", 200, done, {"Content-Type": "application/json"})
    talk.ask(QUESTION)
    expect(talk.part("progress")).to_contain_text("The connection is lost.")
    talk.page.click("#cancel")
    expect(talk.badge).to_have_text("Routine")


def test_a_notice_that_is_told_again_with_more_reasons_keeps_who_is_on_its_link(talk: Talk) -> None:
    danger = {**NOTHING, **CALL, "acuity": "emergency_now", "red_flags": [flag("cardiac", "emergency_now")]}
    held = talk.holds("**/events")
    talk.tells(ACCEPTED, ("acuity", {**danger, "language": "en"}))
    with talk.page.expect_request("**/events"):
        talk.ask(QUESTION)
    talk.banner.locator("a.call").focus()
    result = {**RESULT, **danger, "red_flags": [flag("cardiac", "emergency_now"), flag("clot", "urgent")]}
    told = f"id: 9\nevent: result\ndata: {json.dumps(result)}\n\n"
    held[0].fulfill(status=200, headers={"Content-Type": "text/event-stream"}, body=told)
    talk.until_over()
    expect(talk.banner.locator("a.call")).to_be_focused()


def test_text_of_a_person_or_a_model_is_never_markup(talk: Talk) -> None:
    tag = "<img src=x onerror=alert(1)>"
    talk.answers(response=f"{tag}\n\n- {tag}", questions=[tag], citations=[{**RESULT["citations"][0], "text": tag}])
    talk.asked(tag)
    expect(talk.part("prose p")).to_have_text(tag)
    assert talk.page.locator("#talk img, #history img").count() == 0
