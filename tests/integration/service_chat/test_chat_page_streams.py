"""Answers that take their time, on the page: waiting, streaming, taking back, broken lines, a service that restarts."""

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Route, expect

from tests.integration.processes import ServiceProcess, eventually, running
from tests.integration.service_chat.cut_line import Line, line_to
from tests.integration.service_chat.page_talk import Talk, visit, window

ASKED = {"patient_mrn": "P000018", "query": "What is my blood pressure?"}
LENGTHY = {"GGUF_N_CTX": "8192", "GGUF_MAX_TOKENS": "4000", "GGUF_SLOTS": "1"}


@pytest.fixture(scope="module")
def slow(slow_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One question after the other."""
    folder = tmp_path_factory.mktemp("slow")
    with running(("service_chat",), "CHAT_API_PORT", folder, {"GGUF_PATH": str(slow_gguf), **LENGTHY}) as process:
        process.until_ready()
        yield process


@pytest.fixture(scope="module")
def line(slow: ServiceProcess) -> Iterator[Line]:
    with line_to(slow.port) as found:
        yield found


@pytest.fixture(scope="module")
def place(browser: Browser, line: Line) -> Iterator[Talk]:
    with window(browser, line.url) as found:
        yield found


def ask(talk: Talk) -> None:
    talk.ask(ASKED["query"], ASKED["patient_mrn"])


def until_written(talk: Talk) -> str:
    expect(talk.part("draft p")).not_to_be_empty()
    return talk.part("draft").inner_text()


def idle(service: ServiceProcess) -> bool:
    health = service.get("/health/model").json()
    return int(health["running"]) == int(health["queue_depth"]) == 0


def test_who_waits_sees_the_place_in_the_queue_and_the_time_and_a_cancel_there_is_heard(
    talk: Talk, slow: ServiceProcess
) -> None:
    page = talk.page
    with slow.client() as client:
        asked = [client.post("/triage", json=ASKED, headers={"Prefer": "respond-async"}) for _ in range(2)]
    ahead = [answer.headers["location"] for answer in asked]
    with page.expect_response("**/triage"):
        ask(talk)
    expect(talk.part("progress p")).to_contain_text("before yours")
    expect(talk.status).to_contain_text("Your question waits in line:")
    expect(page.locator("#log")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#timer")).to_contain_text("Elapsed time: ")
    expect(page.locator("#query")).to_have_attribute("readonly", "")
    assert talk.focus() == "send"  # it waits, and it is still there
    assert talk.watched.barriers() == []
    page.click("#cancel")
    expect(talk.part("ended")).to_contain_text("The question was taken back.")
    expect(talk.status).to_have_text("The question was taken back.")
    assert talk.focus() == "query"  # the button that had it is gone
    with slow.client() as client:
        for location in ahead:
            client.delete(location)
    eventually(lambda: idle(slow), 5)
    assert slow.events("request_abandoned") == []


def test_an_answer_is_read_while_it_is_written_and_escape_ends_it_in_the_engine(
    talk: Talk, slow: ServiceProcess
) -> None:
    page = talk.page
    page.emulate_media(color_scheme="dark")
    page.fill("#mrn", ASKED["patient_mrn"])
    page.fill("#query", ASKED["query"])
    page.keyboard.press("Control+Enter")
    first = until_written(talk)
    # How urgent it is stands above the first word of the model.
    expect(talk.badge).to_be_visible()
    expect(talk.part("progress p")).to_contain_text("Writing the answer:")
    expect(talk.status).to_have_text("The answer is being written.")
    assert talk.watched.barriers() == []
    page.wait_for_function("first => document.querySelector('.draft').innerText.length > first.length", arg=first)
    assert talk.part("draft").inner_text().startswith(first)
    assert talk.focus() == "query"
    page.keyboard.press("Escape")
    expect(talk.part("ended")).to_be_visible()
    eventually(lambda: idle(slow), 5)
    assert page.input_value("#query") == ASKED["query"]


def test_a_line_that_breaks_is_found_again_where_it_was(talk: Talk, slow: ServiceProcess, line: Line) -> None:
    ask(talk)
    before = until_written(talk)
    with talk.page.expect_request("**/events") as found:
        line.cut()
    number = int(found.value.headers["last-event-id"])
    assert number > 3
    job = found.value.url.rsplit("/", 2)[1]
    expect(talk.status).to_have_text("The answer is being written.")
    grown = "before => document.querySelector('.draft').innerText.length > before.length"
    talk.page.wait_for_function(grown, arg=before)
    seen = talk.part("draft p").inner_text()
    assert slow.get(f"/triage/{job}").json()["text"].startswith(seen)  # nothing twice, nothing lost
    talk.page.keyboard.press("Escape")
    expect(talk.part("ended")).to_be_visible()


def test_a_question_that_breaks_off_before_it_has_a_number_is_asked_once(talk: Talk, slow: ServiceProcess) -> None:
    keys: list[str] = []

    def first_is_lost(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.abort()
        else:
            route.continue_()

    talk.page.route("**/triage", first_is_lost)
    ask(talk)
    until_written(talk)
    assert len(keys) == 2
    assert keys[0] == keys[1]
    talk.page.keyboard.press("Escape")
    expect(talk.part("ended")).to_be_visible()


def test_a_service_that_was_started_again_has_forgotten_and_is_asked_anew(
    browser: Browser, slow: ServiceProcess, tmp_path: Path
) -> None:
    """The last of this file: it ends the service that the others share."""
    with window(browser, slow.url) as place, visit(place) as talk:
        ask(talk)
        until_written(talk)
        os.kill(slow.process.pid, signal.SIGKILL)
        expect(talk.part("progress")).to_contain_text("The connection is lost.")
        expect(talk.status).to_have_text("The connection is lost. It is being tried again.")
        expect(talk.page.get_by_role("button", name="Try now")).to_be_visible()
        slow.process.wait()
        again = {"LLM_MODE": "mock", "CHAT_API_PORT": str(slow.port)}
        with running(("service_chat",), "CHAT_API_PORT", tmp_path, again) as service:
            service.port = slow.port
            service.until_answering()
            # By the page's own button, if it has not tried by itself in this moment.
            talk.page.evaluate("document.querySelector('.progress button')?.click()")
            words = "does not know this question any more"
            expect(talk.part("trouble")).to_contain_text(words, timeout=15_000)
            assert talk.page.input_value("#query") == ASKED["query"]
            talk.page.get_by_role("button", name="Ask again").click()
            talk.until_over()
            expect(talk.part("prose")).to_be_visible()


# --- the parser ----------------------------------------------------------------------------------------------------

PARSE = """async (pieces) => {
  const { EventParser } = await import("/page/sse.js");
  const parser = new EventParser(), events = [];
  for (const piece of pieces) events.push(...parser.push(piece));
  return { events: events.map(({ id, name, data }) => [id, name, data]), lastId: parser.lastId, retry: parser.retry };
}"""


@pytest.fixture(scope="module")
def blank(browser: Browser, service: ServiceProcess) -> Iterator[Talk]:
    with window(browser, service.url) as found, visit(found):
        yield found


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("id: 1\nevent: a\ndata: {}\n\n", [["1", "a", "{}"]]),
        ("data:x\r\rdata: y\r\n\r\n", [["", "message", "x"], ["", "message", "y"]]),
        ("data: one\ndata:  two\n\n", [["", "message", "one\n two"]]),
        ("\ufeffdata: x\n\n", [["", "message", "x"]]),
        (": a sign of life\n\nid: 7\n\ndata: x\n\n", [["7", "message", "x"]]),
        ("id: 4\ndata: x\n\nid: 5\0\ndata: y\n\n", [["4", "message", "x"], ["4", "message", "y"]]),
        ("event: a\n\ndata: x\n\n", [["", "message", "x"]]),
        ("data\nmore: x\n\n", [["", "message", ""]]),
        ("data: cut off\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(blank: Talk, text: str, events: list[list[str]]) -> None:
    assert blank.page.evaluate(PARSE, [text])["events"] == events
    assert blank.page.evaluate(PARSE, [*text])["events"] == events


def test_what_a_reader_needs_who_comes_back_is_kept(blank: Talk) -> None:
    told = blank.page.evaluate(PARSE, ["retry: 2000\nid: 9\ndata: x\n\nretry: soon\nid: 12\n"])
    assert (told["retry"], told["lastId"]) == (2000, "12")


LINE = st.sampled_from(["data: ", "data:é😀", "id: 3", "event: a", ": c", "retry: 5", "", "", "data"])
END = st.sampled_from(["\n", "\r", "\r\n"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LINE, END), max_size=12), st.lists(st.integers(0, 60), max_size=6))
def test_where_a_stream_is_cut_never_changes_what_it_says(
    blank: Talk, lines: list[tuple[str, str]], cuts: list[int]
) -> None:
    text = "".join(line + end for line, end in lines)
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[here:there] for here, there in pairwise(edges)]
    assert blank.page.evaluate(PARSE, pieces) == blank.page.evaluate(PARSE, [text])


def test_characters_of_several_bytes_survive_a_cut_between_them(blank: Talk) -> None:
    told = blank.page.evaluate(
        """async () => {
          const { eventsOf } = await import("/page/sse.js");
          const bytes = new TextEncoder().encode("data: é😀\\n\\n");
          const start = (to) => { for (const byte of bytes) to.enqueue(new Uint8Array([byte])); to.close(); };
          const body = new ReadableStream({ start });
          const found = [];
          for await (const { data } of eventsOf(new Response(body))) found.push(data);
          return found;
        }"""
    )
    assert told == ["é😀"]
