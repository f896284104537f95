"""`tests.aside`: what a second pytest finds is told as if the first had found it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NICE = os.nice(0)
QUIET = """
import os, pytest

def test_it_runs_in_a_process_of_lower_priority(): assert os.nice(0) == {nice}

@pytest.mark.skip(reason="the moon is full")
def test_it_is_skipped(): pass

@pytest.mark.other
def test_it_is_left_out(): assert False
""".replace("{nice}", str(min(NICE + 5, 19)))
FIRST = f"import os\n\ndef test_it_runs_in_the_first(): assert os.nice(0) == {NICE}\n"


def project(folder: Path, aside: str) -> Path:
    """Two folders of tests; one of them is to be worked aside."""
    for name, content in (("here", FIRST), ("there", aside)):
        (folder / "suites" / name).mkdir(parents=True)
        (folder / "suites" / name / f"test_{name}.py").write_text(content)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -q -ra\nmarkers = other: not now\n")
    return folder


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "tests.aside", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50)


def test_one_summary_counts_both_and_names_the_skips_of_both(tmp_path: Path) -> None:
    ended = run(project(tmp_path, QUIET), "-m", "not other", "--aside", "suites/there", "suites")
    assert (ended.returncode, ended.stderr) == (0, "")
    summary = ended.stdout.splitlines()
    assert summary[-1].startswith("2 passed, 1 skipped in ")
    assert any("the moon is full" in line for line in summary[-3:])


def test_a_failure_of_the_second_is_shown_and_counted(tmp_path: Path) -> None:
    ended = run(project(tmp_path, "def test_sum(): assert 1 + 1 == 3"), "--aside", "suites/there", "suites")
    assert ended.returncode == 1
    assert "def test_sum(): assert 1 + 1 == 3" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("1 failed, 1 passed in ")


@pytest.mark.parametrize(
    ("broken", "word", "counted"),
    [
        (
            "import os\n\ndef test_it_runs(): pass\n\ndef test_crash(): os.kill(os.getpid(), 9)",
            "ended with status -9",
            "1 failed, 2 passed in ",
        ),
        ("import no_such_module", "no_such_module", "1 failed, 1 passed, 1 error in "),
        ("", "ended with status 5", "1 failed, 1 passed in "),
    ],
    ids=["killed", "not to be collected", "nothing in it"],
)
def test_a_second_that_does_not_come_to_its_end_is_a_failure(
    tmp_path: Path, broken: str, word: str, counted: str
) -> None:
    ended = run(project(tmp_path, broken), "--aside", "suites/there", "suites")
    assert ended.returncode == 1
    assert word in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith(counted)


def test_what_is_asked_for_twice_is_refused(tmp_path: Path) -> None:
    ended = run(project(tmp_path, QUIET), "--aside", "suites/there", "suites/there/test_there.py")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "asked for twice" in ended.stderr
