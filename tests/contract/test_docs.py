"""The pages in docs/ against the code: what a machine can compare does not drift."""

import logging
import re
from pathlib import Path

import pytest

import inference_container.events
import service_chat.events
from inference_container.forecasting.messages import StageTimings
from inference_container.main import STATUS as FORECAST
from inference_container.main import create_app as forecast_app
from inference_container.metrics import STAGES
from inference_container.routers import request_head
from inference_container.settings import InferenceSettings
from service_chat.routers.schemas import (
    AcuityBody,
    CitationBody,
    ContextBody,
    RedFlagBody,
    TimingsMs,
    TriageAnswer,
    Usage,
    Versions,
)
from service_chat.routers.statuses import STATUS as CHAT
from serving.errors import SluiceError, every_error
from serving.events import DECLARED
from serving.http.problems import STATUS, status_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PINNED = Path(__file__).parent / "pinned"
PAGES = sorted(DOCS.rglob("*.md"))
EVENT_ROOMS = (service_chat.events, inference_container.events)
OURS = ("serving", "service_chat", "inference_container")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def rows(text: str) -> list[list[str]]:
    """The cells of every table row that begins with a name in backticks, backticks removed from the first."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:3] == "| `"]
    return [[first.strip("| `"), *rest] for first, *rest in cells]


def our_errors() -> list[type[SluiceError]]:
    return [cls for cls in every_error() if cls.__module__.split(".")[0] in OURS]


def error_rows() -> dict[str, tuple[str, str]]:
    """Class name to the code and status that docs/errors.md gives it."""
    names = {cls.__name__ for cls in our_errors()}
    return {cells[0]: (cells[1].strip("`"), cells[2]) for cells in rows(page("errors.md")) if cells[0] in names}


def test_operations_lists_every_event_with_its_level_sentence_and_fields() -> None:
    assert all(room.__doc__ for room in EVENT_ROOMS)  # imported: declared
    table = rows(page("operations.md").split("## Log events")[1])
    listed = {name: (level, sentence, fields) for name, level, sentence, fields in table}
    declared = {
        event.name: (
            logging.getLevelName(event.level).lower(),
            event.sentence,
            ", ".join(f"`{field}`" for field in sorted(event.fields)) or "-",
        )
        for event in DECLARED.values()
        if not event.name.startswith("test_")
    }
    assert listed == declared
    assert sorted(listed) == (PINNED / "events.txt").read_text().split()


@pytest.mark.parametrize("error", our_errors(), ids=lambda cls: cls.__name__)
def test_errors_gives_every_class_the_code_and_status_that_the_door_gives(error: type[SluiceError]) -> None:
    table = {**STATUS, **CHAT, **FORECAST}
    assert error_rows()[error.__name__] == (error.code, str(status_of(error(), table)))


def test_forecasts_gives_every_code_the_status_that_errors_gives() -> None:
    known = dict(error_rows().values())
    told = {cells[0]: cells[1] for cells in rows(page("forecasts.md")) if cells[0] in known}
    assert len(told) == 14
    assert told == {code: known[code] for code in told}


def test_the_http_page_gives_every_status_that_predict_can_answer() -> None:
    told = re.findall(r"^\| (\d{3}) \|", page("http-api.md"), re.MULTILINE)
    declared = forecast_app(InferenceSettings()).openapi()["paths"]["/predict"]["post"]["responses"]
    assert told == sorted(set(declared) - {"200"})


def test_every_route_of_the_forecast_service_stands_on_a_page() -> None:
    told = page("http-api.md") + page("protocols.md")
    assert [path for path in forecast_app(InferenceSettings()).openapi()["paths"] if not stands_in(told, path)] == []


def stands_in(text: str, path: str) -> bool:
    """Protocol routes are told with names of their own for what is in braces, and what comes below a route shortly."""
    below = re.sub(r"/versions/{version}/ready$", "/versions/{version}", path)
    return re.search(re.escape(below).replace(r"\{model\}", r"\{\w+\}") + "`", text) is not None


def test_the_http_page_names_every_parameter_header_and_media_type_that_a_request_may_bring() -> None:
    text = page("http-api.md") + page("protocols.md")
    headers = [name.decode() for name in request_head.DEADLINE_HEADERS]
    types = (request_head.ARROW_STREAM, request_head.ARROW_FILE, request_head.PARQUET, request_head.PARQUET_X)
    wanted = {*request_head.Asked.model_fields, *headers, *types}
    assert {name for name in wanted if f"`{name}`" not in text and f"`{name.title()}`" not in text} == set()


def test_the_stages_of_a_batch_are_told_by_their_names() -> None:
    assert {name for name in StageTimings._fields if f'"{name}"' not in page("http-api.md")} == set()
    assert {name for name in STAGES if f"`{name}`" not in page("metrics.md")} == set()


def test_the_triage_page_names_every_key_of_an_answer_and_every_event() -> None:
    text = page("triage-api.md")
    parts = (TriageAnswer, RedFlagBody, CitationBody, ContextBody, AcuityBody, Usage, TimingsMs, Versions)
    keys = {name for part in parts for name in part.model_fields}
    assert {name for name in keys if f"`{name}`" not in text} == set()
    events = ("accepted", "acuity", "status", "delta", "result", "done", "error")
    assert [cells[0] for cells in rows(text.split("## The stream")[1]) if cells[0] in events] == list(events)


def test_the_triage_page_says_of_every_key_of_an_answer_what_it_is() -> None:
    told = {cells[0] for cells in rows(page("triage-api.md").split("## The answer")[1])}
    older = {"trace_id", "patient_mrn", "query", "llm_mode", "inference_time_ms", "conversation_id"}
    assert set(TriageAnswer.model_fields) - older - told == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_that_a_page_names_exists(path: Path) -> None:
    named = set(
        re.findall(r"`((?:serving|service_chat|inference_container|scripts|tests|docs)/[^`\s*]*)`", path.read_text())
    )
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_to_another_page_leads_there(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert {target for target in targets if not (path.parent / target).exists()} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_heading_finds_it(path: Path) -> None:
    linked = set(re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text()))
    assert {(to, name) for to, name in linked if name not in headings(path.parent / to if to else path)} == set()


def headings(path: Path) -> set[str]:
    """As they are linked to: lower case, hyphens for spaces, no other signs."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_index_lists_every_page() -> None:
    index = page("README.md")
    names = [path.relative_to(DOCS).as_posix() for path in PAGES if path.name != "README.md"]
    assert [name for name in names if f"]({name})" not in index] == []


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("*.md")), ids=lambda path: path.name[:4])
def test_a_decision_has_its_four_parts_on_less_than_a_page(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert re.search(r"^Status: (accepted|superseded by \d+)$", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 60
