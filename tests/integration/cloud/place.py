"""A checkout of its own with stub programs on PATH, and `make` in it. What AWS and the cluster answer is `world`."""

import compileall
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.compose_file import ROOT

STUBBED = ("aws", "docker", "terraform", "kubectl")
_REAL = ("make", "bash", "sh", "git", "env", "cat", "sleep")
#: What a rule may answer, beside its words and `after` and `once`, which say when it does.
_ANSWER = ("status", "out", "err", "pause", "reads")
Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """How a `make` ended."""

    status: int
    out: str
    err: str

    @property
    def shown(self) -> list[list[str]]:
        """The commands it printed, each by its words."""
        lines = [line.removeprefix("+ ") for line in self.out.splitlines() if line.startswith("+ ")]
        return [shlex.split(part) for line in lines for part in line.split(" | ")]


@dataclass(slots=True)
class Place:
    """The checkout, and what stands on its PATH."""

    folder: Path
    rules: list[Rule] = field(default_factory=list)
    patience_s: float = 50  #: for one make

    @property
    def stubs(self) -> Path:
        return self.folder / "var" / "stubs"

    @property
    def tools(self) -> Path:
        """Real programs, none of which asks anybody outside."""
        return self.folder / "var" / "tools"

    def answer(self, *words: str, **rule: Any) -> None:
        """What is said last is tried first."""
        self.rules.insert(0, {"words": list(words), **rule})

    def make(self, target: str, said: Mapping[str, str] | None = None, **variables: str) -> Done:
        """`said` and `variables` stand on its command line."""
        return self.make_with({}, target, **{**(said or {}), **variables})

    def make_with(self, env: Mapping[str, str], target: str, **variables: str) -> Done:
        (self.stubs / "answers.sh").write_text("\n".join(["if false; then :", *self._branches(), "fi\n"]))
        given = {
            "PATH": f"{self.stubs}{os.pathsep}{self.tools}",
            "STUBS": str(self.stubs),
            "HOME": str(self.folder),
            **(env or {}),
        }
        said = [f"{name}={value}" for name, value in variables.items()]
        # Without site-packages: whoever deploys has none of ours.
        command = ["make", target, f"PYTHON={sys.executable} -S", *said]
        done = subprocess.run(
            command, cwd=self.folder, env=given, capture_output=True, text=True, timeout=self.patience_s
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def _branches(self) -> Iterator[str]:
        """Of the one `if` that a stub answers by. A rule keeps its number when others come before it."""
        for number, rule in zip(range(len(self.rules) - 1, -1, -1), self.rules, strict=True):
            wanted = [f"$line == *{shlex.quote(word)}*" for word in rule["words"]]
            wanted += [f"$done == *{shlex.quote(word)}*" for word in rule.get("after", ())]
            wanted += [f"$used != *' {number} '*"] if rule.get("once") else []
            said = {"rule": number, **{name: rule[name] for name in _ANSWER if name in rule}}
            settings = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in said.items())
            yield f"elif [[ {' && '.join(wanted)} ]]; then {settings}"

    @property
    def calls(self) -> list[list[str]]:
        """Since the beginning, or since `forget`."""
        return [record[2:] for record in self._records]

    @property
    def lines(self) -> list[str]:
        return [" ".join(call) for call in self.calls]

    def taken(self, *call: str) -> str:
        """What the one call that begins so read from its standard input."""
        (found,) = [record[1] for record in self._records if record[2 : 2 + len(call)] == list(call)]
        return found

    def forget(self) -> None:
        """A second run is looked at by itself; what was done stays done."""
        (self.stubs / "calls").write_text("")

    @property
    def _records(self) -> list[list[str]]:
        return [line.split("\x1f")[:-1] for line in (self.stubs / "calls").read_text().split("\n")[:-1]]

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        return subprocess.run(["git", *who, *words], cwd=self.folder, capture_output=True, text=True, check=True).stdout

    @property
    def tag(self) -> str:
        return self.git("rev-parse", "--short=12", "HEAD").strip()


def make_place(folder: Path) -> Place:
    """What the operator's targets need of this checkout, committed in a repository of its own."""
    for name in ("Makefile", ".gitignore", "infra/cloud.mk", "infra/terraform/.gitignore", "scripts/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "scripts/cloud", folder / "scripts/cloud", ignore=shutil.ignore_patterns("__pycache__"))
    for root in ("10-platform", "20-addons", "30-apps"):
        there = folder / "infra/terraform/envs/demo" / root
        there.mkdir(parents=True)
        for name in ("variables.tf", "backend.hcl.example"):
            shutil.copy(ROOT / "infra/terraform/envs/demo" / root / name, there / name)
        shutil.copy(there / "backend.hcl.example", there / "backend.hcl")
    compileall.compile_dir(folder / "scripts", quiet=1)  # once, and not in every test
    place = Place(folder)
    place.git("init", "--quiet", "--template=")  # which would bring samples along, for every test to copy
    place.git("add", "--all")
    place.git("commit", "--quiet", "--message", "a checkout")
    place.stubs.mkdir(parents=True)
    place.tools.mkdir()
    for name in ("calls", "done", "used"):
        (place.stubs / name).touch()
    for program in STUBBED:
        shutil.copy(Path(__file__).parent / "stub.sh", place.stubs / program)
    for program in _REAL:
        found = shutil.which(program)
        assert found is not None, program
        (place.tools / program).symlink_to(os.path.realpath(found))
    return place
