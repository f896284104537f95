"""The page at `/` as people use it: in a real browser, against a real service with the default bundle."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.integration.browser import Watched, chromium
from tests.integration.processes import ServiceProcess

LEVELS = [0.025, 0.1, 0.5, 0.9, 0.975]
Patch = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser: Browser, service: ServiceProcess) -> Iterator[Watched]:
    """The page, loaded. Afterwards: nothing was asked elsewhere, and the browser had nothing to complain about."""
    context = browser.new_context(accept_downloads=True)
    watched = Watched(context.new_page())
    watched.page.set_default_timeout(10_000)
    watched.page.goto(service.url)
    expect(watched.page.locator("#served")).to_contain_text("forecasts temp")
    yield watched
    context.close()
    assert watched.strangers(service.url) == []
    assert watched.complaints == []


@pytest.fixture
def page(opened: Watched) -> Page:
    return opened.page


def sample(service: ServiceProcess) -> str:
    return service.get("/page/sample.csv").text


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_bytes(text.encode())
    return path


def forecast_from(page: Page, path: Path) -> None:
    page.set_input_files("#file", path)
    page.click("#forecast")


def patched(page: Page, pattern: str, change: Patch) -> None:
    """Answers of the service under `pattern`, changed on their way to the page."""

    def fulfil(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        change(body)
        route.fulfill(response=answer, body=json.dumps(body))

    page.route(pattern, fulfil)


def test_a_chosen_file_is_forecast_and_the_table_holds_what_the_service_answers(
    page: Page, service: ServiceProcess, tmp_path: Path
) -> None:
    text = sample(service)
    page.fill("#steps", "5")
    with page.expect_response("**/predict*") as asked:
        forecast_from(page, csv_file(tmp_path, text))
    expect(page.locator("#status")).to_contain_text("temp: from")
    answer = asked.value.json()["predictions"]
    assert len(answer) == 5
    sent = json.loads(asked.value.request.post_data or "")
    assert set(sent["data"]) == {"time", "temp", "dewp", "humid", "wind_speed"}
    assert sent["data"]["time"] == [line.split(",")[0] for line in text.splitlines()[1:]]
    page.click("summary")
    rows = page.locator("#table tbody tr")
    expect(rows).to_have_count(5)
    assert [float(row) for row in rows.locator("td:nth-child(2)").all_inner_texts()] == pytest.approx(
        [row["temp"] for row in answer], abs=1e-3
    )
    assert rows.locator("th").first.inner_text() == answer[0]["ts"].replace("T", " ")[:16]


def test_a_dropped_file_is_as_good_as_a_chosen_one(page: Page, service: ServiceProcess) -> None:
    held = page.evaluate_handle(
        "text => { const held = new DataTransfer(); held.items.add(new File([text], 'dropped.csv')); return held; }",
        sample(service),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": held})
    expect(page.locator("#file-chosen")).to_contain_text("dropped.csv: 336 rows")
    page.click("#forecast")
    expect(page.locator("#charts svg[role=img]")).to_have_count(1)


def test_a_file_and_the_sample_can_be_forecast_and_kept_with_the_keyboard_alone(
    page: Page, service: ServiceProcess, tmp_path: Path
) -> None:
    # Listened for from the start: asked only at the key press, the browser may still open its own dialog instead.
    page.on("filechooser", lambda _: None)

    def tab_to(name: str, key: str = "Tab") -> None:
        for _ in range(40):
            page.keyboard.press(key)
            if page.evaluate("document.activeElement.id") == name:
                return
        pytest.fail(f"{key} never reaches {name}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(csv_file(tmp_path, sample(service)))
    expect(page.locator("#file-chosen")).to_contain_text("mine.csv: 336 rows")
    tab_to("steps")
    page.keyboard.press("Enter")
    expect(page.locator("#results-title")).to_be_focused()
    tab_to("sample", "Shift+Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#results-title")).to_be_focused()
    tab_to("save")
    with page.expect_download() as kept:
        page.keyboard.press("Enter")
    lines = kept.value.path().read_text().splitlines()
    assert lines[0].startswith("Time (UTC),temp")
    assert len(lines) == 1 + 24


def test_bands_are_drawn_named_and_tabled_when_the_answer_has_quantiles(page: Page) -> None:
    def with_levels(card: dict[str, Any]) -> None:
        card["quantile_levels"] = LEVELS

    def without_levels(route: Route) -> None:
        asked = json.loads(route.request.post_data or "")
        assert asked.pop("quantiles") == [0.025, 0.1, 0.9, 0.975]
        answer = route.fetch(post_data=json.dumps(asked))
        body = answer.json()
        for row in body["predictions"]:
            row["quantiles"] = {"temp": {"0.1": row["temp"] - 3, "0.975": row["temp"] + 5, "0.025": 1.0, "0.9": 99.5}}
        route.fulfill(response=answer, body=json.dumps(body))

    patched(page, "**/model", with_levels)
    page.route("**/predict*", without_levels)
    page.reload()
    page.click("#sample")
    expect(page.locator("#charts .band")).to_have_count(2)
    assert page.locator(".legend li").all_inner_texts() == ["history", "forecast", "95 % band", "80 % band"]
    # Told apart without a colour: the outer edge is dotted, the inner band hatched, the forecast dashed.
    assert page.evaluate("getComputedStyle(document.querySelector('.edge.outer')).strokeDasharray") != "none"
    assert page.locator(".band [fill^='url(#']").count() == 1
    assert page.evaluate("getComputedStyle(document.querySelector('.ahead')).strokeDasharray") != "none"
    assert page.evaluate("getComputedStyle(document.querySelector('.past')).strokeDasharray") == "none"
    expect(page.locator("figcaption")).to_contain_text("The 95 % band ends at 1 to ")
    page.click("summary")
    heads = page.locator("#table thead th").all_inner_texts()
    assert heads == ["Time (UTC)", "temp", "temp q0.025", "temp q0.1", "temp q0.9", "temp q0.975"]


def test_without_quantiles_and_timings_there_is_still_a_forecast(page: Page) -> None:
    patched(page, "**/model", lambda card: card.update(quantile_levels=[]))
    patched(page, "**/predict*", lambda answer: answer.pop("timings_ms", None))
    page.reload()
    with page.expect_request("**/predict*") as asked:
        page.click("#sample")
    expect(page.locator("#charts .plot .ahead")).to_have_count(1)
    assert page.locator("#charts .plot .band").count() == 0
    assert "quantiles" not in json.loads(asked.value.post_data or "")
    expect(page.locator("#timings")).to_contain_text("as seen from this browser")


def test_timings_of_the_stages_are_listed_when_the_answer_has_them(page: Page) -> None:
    stages = {"precheck_ms": 0.125, "window_data_ms": 0.25, "model_predict_ms": 1.5, "inverse_scale_ms": 0.0625}
    timings = {**stages, "json_serialize_ms": 0.03125, "overall_ms": 2.0, "model_predict_calls": 1}
    patched(page, "**/predict*", lambda answer: answer.update(timings_ms=timings))
    page.click("#sample")
    rows = page.locator("#timings tbody tr")
    expect(rows).to_have_count(7)
    assert rows.locator("td").all_inner_texts()[:6] == ["0.125", "0.250", "1.500", "0.063", "0.031", "2.000"]
    assert page.evaluate("getComputedStyle(document.querySelectorAll('.share')[2]).width") != "0px"


def test_a_refusal_of_the_service_is_shown_in_its_own_words(
    page: Page, service: ServiceProcess, tmp_path: Path
) -> None:
    short = "\r\n".join(sample(service).splitlines()[:6])
    with page.expect_response("**/predict*") as asked:
        forecast_from(page, csv_file(tmp_path, short))
    problem = asked.value.json()
    assert problem["code"] == "too_few_rows"
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(problem["detail"])
    expect(alert).to_contain_text(problem["trace_id"])
    expect(page.locator("#again-line")).to_be_hidden()
    expect(page.locator("#results")).to_be_hidden()
    page.click("#sample")
    expect(alert).to_be_empty()
    expect(page.locator("#results")).to_be_visible()


def test_a_busy_service_is_asked_again_no_sooner_than_it_wants(page: Page) -> None:
    def busy(route: Route) -> None:
        problem = {
            "title": "Too many requests",
            "status": 429,
            "code": "queue_full",
            "detail": "Server busy, try again.",
        }
        headers = {"Content-Type": "application/problem+json", "Retry-After": "2"}
        route.fulfill(status=429, headers=headers, body=json.dumps(problem))

    page.route("**/predict*", busy)
    page.click("#sample")
    expect(page.get_by_role("alert")).to_contain_text("Server busy, try again.")
    again = page.locator("#again")
    expect(again).to_be_disabled()
    expect(again).to_have_text("Try again in 2 seconds")
    page.unroute("**/predict*")
    expect(again).to_be_enabled()
    expect(page.locator("#status")).to_have_text("You can try again now.")
    again.click()
    expect(page.locator("#results")).to_be_visible()
    expect(page.locator("#again-line")).to_be_hidden()


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [("0", "from 1 to 24"), ("25", "from 1 to 24"), ("", "from 1 to 24"), ("2.5", "whole number")],
)
def test_steps_out_of_reach_are_refused_before_anything_is_sent(opened: Watched, steps: str, sentence: str) -> None:
    page = opened.page
    page.click("#sample")
    expect(page.locator("#results")).to_be_visible()
    sent = len(opened.requests)
    page.fill("#steps", steps)
    page.click("#forecast")
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(page.locator("#steps")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#steps")).to_be_focused()
    assert len(opened.requests) == sent


def test_a_model_that_still_loads_is_waited_for(page: Page, service: ServiceProcess) -> None:
    early = {
        "title": "Service unavailable",
        "status": 503,
        "code": "not_ready",
        "detail": "The model is not ready yet.",
    }
    headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
    page.route("**/model", lambda route: route.fulfill(status=503, headers=headers, body=json.dumps(early)))
    page.reload()
    expect(page.locator("#served")).to_have_text("No model yet: The model is not ready yet.")
    expect(page.locator("#sample-line")).to_be_hidden()
    page.unroute("**/model")
    expect(page.locator("#served")).to_contain_text("forecasts temp")
    expect(page.locator("#card")).to_contain_text(httpx.get(f"{service.url}/model").json()["bundle_id"])


def test_the_sample_is_not_offered_for_a_model_that_it_does_not_fit(page: Page) -> None:
    patched(page, "**/model", lambda card: card.update(sample=None, columns=["flow"], targets=["flow"]))
    page.reload()
    expect(page.locator("#needs")).to_contain_text("flow")
    expect(page.locator("#sample-line")).to_be_hidden()


def test_names_in_a_file_stay_text(page: Page, service: ServiceProcess, tmp_path: Path) -> None:
    tag = "<img src=x onerror=alert(1)>"
    header, *rows = sample(service).splitlines()
    text = "\n".join([f'{header},"{tag}"', *(f"{row},1" for row in rows)])
    forecast_from(page, csv_file(tmp_path, text))
    expect(page.locator("#file-chosen")).to_contain_text(tag)
    assert page.locator("#file-chosen img").count() == 0
    expect(page.locator("#results")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_at_the_start_in_an_error_and_in_a_result(opened: Watched, scheme: str) -> None:
    page = opened.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert opened.barriers() == []
    page.click("#forecast")
    expect(page.get_by_role("alert")).to_contain_text("Choose a CSV file first")
    assert opened.barriers() == []
    page.click("#sample")
    expect(page.locator("#results")).to_be_visible()
    page.click("summary")
    assert opened.barriers() == []


def test_nothing_is_cut_off_at_320_pixels_and_the_drawing_follows_the_width(page: Page) -> None:
    page.set_viewport_size({"width": 1100, "height": 800})
    page.click("#sample")
    drawing = page.locator("#charts .plot svg")
    expect(drawing).to_be_visible()
    wide = drawing.get_attribute("viewBox")
    page.set_viewport_size({"width": 320, "height": 640})
    page.click("summary")
    page.wait_for_function("wide => document.querySelector('.plot svg').getAttribute('viewBox') !== wide", arg=wide)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    # Redrawn and not scaled down: letters keep their size.
    box = drawing.bounding_box()
    assert box is not None
    assert float((drawing.get_attribute("viewBox") or "").split()[2]) == pytest.approx(box["width"], abs=3)
