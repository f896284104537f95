"""How the page reads files: its own modules, run in a real browser on texts that spreadsheets write."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from tests.integration.browser import chromium
from tests.integration.processes import ServiceProcess

#: A model that reads two columns; the rest of a card is not looked at here.
MODEL = {"columns": ["a", "b"], "targets": ["a"], "input_len": 2, "time_columns": ["when"], "freq_seconds": 60}
HELPERS = """async () => {
  const [csv, series, answer, words] = await Promise.all(
    ["csv", "series", "answer", "words"].map((name) => import(`/page/${name}.js`)));
  const told = (work) => { try { return work(); } catch (error) {
    if (error instanceof csv.FileError) return error.message; throw error; } };
  window.parse = (text) => told(() => csv.parseCsv(text));
  window.series = ([text, model]) => told(() => series.readSeries(csv.parseCsv(text), model));
  window.levels = ([model, steps]) => answer.levelsFor(model, steps);
  window.moment = words.moment;
  window.ticks = ([low, high]) => words.numberTicks(low, high, 5).map((tick) => tick.at);
  window.timeTicks = ([from, to]) => words.timeTicks(from, to, 6);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(browser: Browser, service: ServiceProcess) -> Page:
    page = browser.new_page()
    page.goto(service.url)
    page.evaluate(HELPERS)
    return page


def cells(page: Page, text: str) -> Any:
    parsed = page.evaluate("parse", text)
    return parsed if isinstance(parsed, str) else [parsed["names"], *(row["cells"] for row in parsed["rows"])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ts,a\n1,2\n", [["ts", "a"], ["1", "2"]]),
        ("\ufeffts,a\r\n1,2\r\n\r\n3,\r\n", [["ts", "a"], ["1", "2"], ["3", ""]]),
        ("ts,a\r1,2\r3,4", [["ts", "a"], ["1", "2"], ["3", "4"]]),
        ("ts;a\n1;2", [["ts", "a"], ["1", "2"]]),
        ("ts\ta\n1\t2", [["ts", "a"], ["1", "2"]]),
        (' ts , "a, ""b""" \n 1 ,2', [["ts", 'a, "b"'], ["1", "2"]]),
        ('ts,"a, ""b"""\n"1\r\n2",3\n', [["ts", 'a, "b"'], ["1\r\n2", "3"]]),
        ("", "The file is empty."),
        ("ts,a\n\n", "The file has a header and no rows below it."),
        ("ts,a,a\n1,2,3", "The header names the column “a” twice."),
        ("ts,a\n1,2\n\n3,4,5\n", "Line 4 has 3 cells, the header has 2."),
        ('ts,a\n1,"2\n3', "Line 2: a quoted cell begins here and is never closed."),
        ('ts,a\n"1\n2"3,4', "Line 3: there is text behind the closing quote of a cell."),
    ],
)
def test_a_text_becomes_cells_or_a_sentence_with_the_line(page: Page, text: str, expected: Any) -> None:
    assert cells(page, text) == expected


CELL = st.text(alphabet='ab",;\n\r1 .é', max_size=6).map(str.strip)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_is_quoted_always_comes_back_as_it_was(page: Page, rows: list[list[str]]) -> None:
    def quoted(row: list[str]) -> str:
        return ",".join('"' + cell.replace('"', '""') + '"' for cell in row)

    names = ["x", "y", "z"]
    text = "\r\n".join(map(quoted, [names, *rows]))
    assert cells(page, text) == [names, *rows]


def test_empty_cells_are_null_and_columns_that_nobody_reads_stay_behind(page: Page) -> None:
    series = page.evaluate("series", ["note,b,When,a\nx,1,2024-01-01,\ny,,2024-01-02,-2.5e1", MODEL])
    assert series["columns"] == {"a": [None, -25], "b": [1, None]}
    assert series["timeName"] == "When"
    assert series["times"] == ["2024-01-01", "2024-01-02"]


def test_the_latest_rows_are_taken_even_of_a_file_that_runs_backwards(page: Page) -> None:
    days = [
        f"2024-{month:02}-{day:02} 00:{minute:02}" for month in (1, 2) for day in range(1, 29) for minute in range(60)
    ]
    lines = [f"{day},{index},0" for index, day in enumerate(days)]
    series = page.evaluate("series", ["\n".join(["time,a,b", *reversed(lines)]), MODEL])
    assert series["times"] == days[-2000:]
    assert series["columns"]["a"][-1] == len(days) - 1
    assert series["left"] == len(days) - 2000
    longer = page.evaluate("series", ["\n".join(["time,a,b", *lines]), {**MODEL, "input_len": 2500}])
    assert longer["times"] == days[-2500:]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ts,a,b\n2024-01-01,1,2\n2024-01-02,one,2", "Line 3, column a: “one” is not a number. Leave the cell empty"),
        ("ts,a,b\n2024-01-01,1,1e999", "Line 2, column b: “1e999” is not a number."),
        ("ts,a,b\n2024-01-01,0x10,1", "Line 2, column a: “0x10” is not a number."),
        ("ts,a,b\n2024-01-01,1,2\n,1,2", "Line 3: the time is empty."),
        ("ts,b,c\n2024-01-01,1,2", "The model reads a and b, and the file has no column a. It has ts, b and c."),
        ("a,b\n1,2", "The file has no column of times"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line_or_column(page: Page, text: str, sentence: str) -> None:
    assert page.evaluate("series", [text, MODEL]).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-01T00:00:00Z", 1709251200000),
        ("2024-03-01", 1709251200000),
        ("2024-03-01 01:00", 1709254800000),
        ("2024-03-01T05:45:00.123456+05:45", 1709251200123),
        ("2024-03-01T00:00:00-0100", 1709254800000),
        ("01.03.2024", None),
        ("1709251200", None),
    ],
)
def test_times_without_an_offset_are_utc(page: Page, text: str, expected: int | None) -> None:
    assert page.evaluate("moment", text) == expected


@pytest.mark.parametrize(
    ("known", "steps", "asked"),
    [
        ([], 1, []),
        ([0.5], 1, []),
        ([0.025, 0.5, 0.975], 5, [0.025, 0.1, 0.9, 0.975]),
        ([0.05, 0.1, 0.9, 0.95], 5, [0.1, 0.9]),
        ([0.25, 0.5, 0.75], 5, [0.25, 0.75]),
        ([0.025, 0.975], 6, []),
    ],
)
def test_only_levels_that_the_model_knows_are_asked_for(
    page: Page, known: list[float], steps: int, asked: list[float]
) -> None:
    assert page.evaluate("levels", [{"quantile_levels": known, "horizon": 5}, steps]) == asked


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_the_ticks_of_an_axis_always_enclose_its_values(page: Page, low: float, span: float) -> None:
    if span < 1e-9 * max(1.0, abs(low)):
        return
    ticks = page.evaluate("ticks", [low, low + span])
    slack = 1e-6 * span
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert 2 <= len(ticks) <= 12


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-2_000_000_000, 4_000_000_000), st.integers(60, 20_000_000_000))
def test_a_time_axis_never_has_more_labels_than_fit(page: Page, begin: int, seconds: int) -> None:
    ticks = page.evaluate("timeTicks", [begin * 1000, (begin + seconds) * 1000])
    assert len(ticks) <= 8
    assert all(begin * 1000 <= tick["at"] <= (begin + seconds) * 1000 for tick in ticks)
