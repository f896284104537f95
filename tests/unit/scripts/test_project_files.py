import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TARGETS = (
    *("setup", "demo", "run-chat", "run-inference", "check", "lint", "types", "test", "unit", "integration"),
    *("contract", "chaos", "load", "bench", "clean", "help"),
)


@cache
def help_lines() -> dict[str, str]:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in shown.splitlines() if line.startswith("  make ")]
    return {target: words for _, target, words in lines}


@pytest.mark.parametrize("target", TARGETS)
def test_make_help_says_what_each_target_is_for(target: str) -> None:
    assert len(help_lines()[target]) > 10


def test_every_target_of_the_makefile_stands_in_its_help() -> None:
    written = "".join((ROOT / file).read_text() for file in ("Makefile", "infra/cloud.mk"))
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", written, re.MULTILINE))
    assert targets == set(help_lines())


@pytest.mark.parametrize("status", [0, 1, 7])
def test_a_stage_ends_with_the_status_of_its_command(status: int) -> None:
    ended = subprocess.run([ROOT / "scripts/stage.sh", "name", "sh", "-c", f"exit {status}"], capture_output=True)
    assert ended.returncode == status


@pytest.mark.parametrize(("beside", "main", "status"), [("0", "0", 0), ("2", "0", 2), ("0", "5", 5), ("2", "5", 5)])
def test_what_runs_beside_the_tests_can_fail_them_and_is_heard_only_then(beside: str, main: str, status: int) -> None:
    aside, tests = (["sh", "-c", f"echo {word}; exit {code}"] for word, code in (("types", beside), ("tests", main)))
    ended = subprocess.run([ROOT / "scripts/beside.sh", "name", *aside, "--", *tests], capture_output=True, text=True)
    assert ended.returncode == status
    assert ended.stdout == "tests\n"
    assert ("types" in ended.stderr) == (beside != "0")


def test_ci_runs_the_test_command_of_the_readme_and_nothing_after_it() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1].startswith("exec make test")


def test_every_changelog_fragment_has_a_known_kind_and_a_sentence() -> None:
    folder = ROOT / "changelog.d"
    settings = tomllib.loads((folder / "towncrier.toml").read_text())["tool"]["towncrier"]
    kinds = {kind["directory"] for kind in settings["type"]}
    for fragment in folder.glob("*.md"):
        if fragment.name != "README.md":
            assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(kinds)})\.md", fragment.name)
            assert fragment.read_text().rstrip().endswith(".")


def test_the_changelog_has_the_line_that_new_releases_are_put_under() -> None:
    settings = tomllib.loads((ROOT / "changelog.d/towncrier.toml").read_text())["tool"]["towncrier"]
    assert settings["start_string"] in (ROOT / "CHANGELOG.md").read_text()
