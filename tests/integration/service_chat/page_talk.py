"""The chat page in a browser, as its tests drive it; and answers that no service has to be brought to."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.integration.browser import Watched

#: Some of an answer as the service gives it; tests say what is different.
RESULT: Mapping[str, Any] = {
    **{"trace_id": "4c7d235b6d6c42619f4582e07377ed7a", "patient_mrn": "P000123", "query": "Is it bad?"},
    **{"llm_mode": "gguf", "inference_time_ms": 1893.24, "conversation_id": None, "job_id": "J" * 22},
    "response": "Book an appointment.\n\nWarfarin thins it.\n\n- Keep it clean.\n\n- Does it bleed?\n\nBy software.",
    **{"acuity": "routine", "acuity_source": "gate", "red_flags": [], "notices": [], "gate": ["vague", "new_code"]},
    **{"next_steps": ["Book an appointment.", "Keep it clean."], "questions": ["Does it bleed?"]},
    "citations": [
        {"id": "M1", "kind": "medication", "text": "Warfarin 5 mg", "date": "2026-05-01", "source": "record"}
    ],
    **{"emergency_notice": None, "emergency_numbers": [], "ungrounded_terms": ["aspirin"], "language": "en"},
    **{"disclaimer": "By software. Not a device.", "degraded": [], "context": {"items": 16, "truncated": ["labs"]}},
    "usage": {"prompt_tokens": 806, "cached_tokens": 805, "completion_tokens": 39, "finish_reason": "stop"},
    "timings": {"queue_ms": 169.0, "prefill_ms": 115.4, "decode_ms": 1719.5, "total_ms": 1893.2},
    "versions": {"service": "1", "prompt": "2", "rules": "r", "model": "m.gguf", "model_sha256": "a", "seed": 7},
}
#: A service that is asked only for what is not canned does not matter here.
ACCEPTED = ("accepted", {"job_id": RESULT["job_id"], "trace_id": RESULT["trace_id"]})
NOTHING: Mapping[str, Any] = {
    "acuity": "informational",
    "red_flags": [],
    "notices": [],
    "emergency_notice": None,
    "emergency_numbers": [],
}
#: What a rule that fired adds.
CALL: Mapping[str, Any] = {
    "emergency_notice": "Call 911 now.",
    "emergency_numbers": [{"label": "911", "number": "911"}],
}
ACUITY = ("acuity", {**NOTHING, "language": "en"})


def problem(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    trace = "90ec3d490a2442d29db92dab68cc0055"
    return {
        "type": "about:blank",
        "title": "No",
        "status": status,
        "code": code,
        "detail": detail,
        "trace_id": trace,
    } | more


def flag(code: str, acuity: str) -> dict[str, Any]:
    evidence = {"evidence": ["bad"], "record": ["Warfarin"], "source": "https://medlineplus.gov/"}
    return {"code": code, "label": "A danger", "acuity": acuity, "rule": "a.b@1", **evidence}


class Talk:
    """One page, open."""

    def __init__(self, watched: Watched, url: str) -> None:
        self.watched, self.page, self.url = watched, watched.page, url
        self.banner, self.badge = self.page.locator("#banner"), self.page.locator(".card .badge")
        self.status, self.card = self.page.locator("#status"), self.page.locator(".card")

    def ask(self, query: str, mrn: str = "P000123") -> None:
        self.page.fill("#mrn", mrn)
        self.page.fill("#query", query)
        self.page.click("#send")

    def asked(self, query: str, mrn: str = "P000123") -> None:
        """And waits for the end of it."""
        self.ask(query, mrn)
        self.until_over()

    def until_over(self) -> None:
        expect(self.page.locator("#log")).to_have_attribute("aria-busy", "false")
        expect(self.page.locator("#cancel")).to_be_hidden()

    def focus(self) -> str:
        return str(self.page.evaluate("document.activeElement.id"))

    def part(self, name: str) -> Locator:
        return self.page.locator(f".card .{name}")

    # --- answers from here -----------------------------------------------------------------------------------------

    def tells(self, *events: tuple[str, object], path: str = "**/triage") -> None:
        """The next questions are answered with these events, at once, and the stream ends after them."""
        body = "".join(
            f"id: {at}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for at, (name, data) in enumerate(events, 1)
        )
        self.fulfils(path, 200, "retry: 2000\n" + body, {"Content-Type": "text/event-stream"})

    def answers(self, **changes: Any) -> None:
        self.tells(ACCEPTED, ACUITY, ("result", {**RESULT, **changes}), ("done", {}))

    def refuses(self, told: Mapping[str, Any], path: str = "**/triage", **headers: str) -> None:
        shape = {"Content-Type": "application/problem+json", **headers}
        self.fulfils(path, int(told.get("status", 500)), json.dumps(told), shape)

    def fulfils(self, path: str, status: int, body: str, headers: Mapping[str, str]) -> None:
        self.page.unroute(path)
        self.page.route(path, lambda route: route.fulfill(status=status, headers=dict(headers), body=body))

    def holds(self, path: str = "**/triage") -> list[Route]:
        """The next questions are left without a word."""
        held: list[Route] = []
        self.page.unroute(path)
        self.page.route(path, lambda route: held.append(route))
        return held


@contextmanager
def window(browser: Browser, url: str, **context: Any) -> Iterator[Talk]:
    """A window for any number of visits."""
    place = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
    talk = Talk(Watched(place.new_page()), url)
    talk.page.set_default_timeout(10_000)
    yield talk
    place.close()


@contextmanager
def visit(talk: Talk) -> Iterator[Talk]:
    """The page, loaded. Afterwards: nothing was asked elsewhere or kept, and the browser had nothing to complain of."""
    watched = talk.watched
    talk.page.unroute_all()
    watched.requests.clear()
    talk.page.goto(talk.url)
    expect(talk.page.locator("#emergency-call")).to_be_visible()
    yield talk
    kept = talk.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, document.title]")
    assert watched.strangers(talk.url) == []
    assert watched.complaints == []
    assert kept == [0, 0, "", "Sluice chat: ask about a record"]


def overflows(page: Page) -> list[str]:
    """What sticks out of the window to the side."""
    found: Iterable[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
          .map((each) => each.outerHTML.slice(0, 80))"""
    )
    return list(found)
