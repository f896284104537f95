"""Mistakes in a copy of the Terraform tree: which of its own tests says so?

    said = tree.tested("modules/app", Mistake("modules/app/deployment.tf", right="…", wrong="…"))

A copy of the whole tree is made once; each mistake is put into it and taken out again. `TERRAFORM` names the program,
with stand-ins for the providers where no registry can be reached (`make tf-planted` sets it).
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
#: What a checkout may hold that is nobody's source.
_NOT_SOURCE = (".terraform", "*.tfstate*", "*.tfplan", "tfplan", "*.tfvars")
_TERRAFORM_TIMEOUT_S = 280


@dataclass(frozen=True, slots=True)
class Mistake:
    file: str  #: below infra/terraform
    right: str  #: stands there, once or more often; every one is replaced
    wrong: str


@dataclass(frozen=True, slots=True)
class Tested:
    passed: bool
    said: str  #: all that Terraform wrote


class Tree:
    """A copy of infra/, beside which nothing else is needed."""

    def __init__(self, folder: Path, terraform: Sequence[str]) -> None:
        self._call = terraform
        shutil.copytree(INFRA, folder / "infra", ignore=shutil.ignore_patterns(*_NOT_SOURCE))
        self.root = folder / "infra/terraform"
        self._initialised: set[str] = set()

    def tested(self, place: str, *mistakes: Mistake, only: str = "") -> Tested:
        """`terraform test` with these mistakes; `place` is a module's or root's folder below infra/terraform.

        `only` is one of the files of its tests: `app` for tests/app.tftest.hcl.
        """
        chosen = (f"-filter=tests/{only}.tftest.hcl",) if only else ()
        self._initialise(place)
        with ExitStack() as planted:
            for mistake in mistakes:
                planted.enter_context(self._planted(mistake))
            return self._terraform(place, "test", *chosen)

    def _initialise(self, place: str) -> None:
        if place not in self._initialised:
            done = self._terraform(place, "init", "-backend=false", "-input=false")
            assert done.passed, done.said
            self._initialised.add(place)

    def planned(self, place: str, **variables: str) -> Iterator[dict[str, Any]]:
        """The resources that a plan with these variables would make, as `terraform show -json` tells them."""
        self._initialise(place)
        chosen = [f"-var={name}={value}" for name, value in variables.items()]
        for step in (["plan", "-input=false", "-refresh=false", "-out=plan", *chosen], ["show", "-json", "plan"]):
            done = self._terraform(place, *step)
            assert done.passed, done.said
        shown = done.said[done.said.index("{") : done.said.rindex("}") + 1]
        yield from json.loads(shown)["planned_values"]["root_module"]["resources"]

    @contextmanager
    def _planted(self, mistake: Mistake) -> Iterator[None]:
        file = self.root / mistake.file
        before = file.read_text()
        assert mistake.right in before, f"{mistake.file} does not say {mistake.right!r}: nothing is planted"
        file.write_text(before.replace(mistake.right, mistake.wrong))
        try:
            yield
        finally:
            file.write_text(before)

    def _terraform(self, place: str, *arguments: str) -> Tested:
        done = subprocess.run(
            [*self._call, f"-chdir={self.root / place}", *arguments, "-no-color"],
            capture_output=True, text=True, timeout=_TERRAFORM_TIMEOUT_S, check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("TF_VAR_")},
        )  # fmt: skip
        return Tested(done.returncode == 0, done.stdout + done.stderr)
