import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.load.conftest import FOLDER

_WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from lines import Lines
lines = Lines(Path(sys.argv[2]), "run")
for number in range(600):
    lines.write("request", who=sys.argv[3], number=number, response=sys.argv[3] * (number * 7 % 1900))
"""


def test_many_processes_never_break_each_others_lines(tmp_path: Path) -> None:
    # The predecessor's workers left 250 lines that were two halves.
    path = tmp_path / "requests.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, FOLDER, path, who]) for who in "abcd"]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted((line["who"], line["number"]) for line in found) == [(w, n) for w in "abcd" for n in range(600)]
    assert all(line["response"] == line["who"] * (line["number"] * 7 % 1900) for line in found)


@pytest.fixture
def lines(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("lines")


def test_a_line_says_when_who_and_what(tmp_path: Path, lines: ModuleType) -> None:
    written = lines.Lines(tmp_path / "a" / "b.jsonl", "run-1", clock=lambda: 12.34567)
    written.write("request", name="/predict", error=None)
    written.close()
    line = json.loads((tmp_path / "a" / "b.jsonl").read_text())
    del line["pid"]
    assert line == {"ts": 12.346, "run_id": "run-1", "event": "request", "name": "/predict", "error": None}


def test_what_was_there_is_kept_unless_it_is_to_be_emptied(tmp_path: Path, lines: ModuleType) -> None:
    path = tmp_path / "b.jsonl"
    for truncate, left in ((False, 1), (False, 2), (True, 1)):
        written = lines.Lines(path, "run", truncate=truncate)
        written.write("x", text="line\nbreak")
        written.close()
        assert len(path.read_text().splitlines()) == left


def test_a_long_value_is_cut_so_that_a_line_stays_one_write(tmp_path: Path, lines: ModuleType) -> None:
    written = lines.Lines(tmp_path / "b.jsonl", "run")
    written.write("x", response="y" * 100_000)
    written.close()
    assert len((tmp_path / "b.jsonl").read_bytes()) < 4_096
