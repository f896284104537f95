"""Every Terraform module and root: written in Terraform's form, whole, valid, and its tests pass. `make tf-check`.

    python -m scripts.terraform_check --terraform terraform

Two at a time, because each check waits for its providers more than it works. The tree is copied first: `terraform init`
leaves folders behind, and a lock file made with stand-ins for the providers would be a lie.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INFRA = ROOT / "infra"
_TOGETHER = 2
_TIMEOUT_S = 300
_NOT_SOURCE = (".terraform", "*.tfstate*", "*.tfplan", "tfplan", "*.tfvars")


@dataclass(frozen=True, slots=True)
class Checked:
    place: str  #: folder below infra/terraform
    seconds: float
    tests: int  #: runs of `terraform test` that passed
    problem: str  #: empty, or what was wrong and what Terraform said


def places(terraform: Path) -> list[str]:
    """Folders that hold a module or a root, by name."""
    found = {file.parent.relative_to(terraform).as_posix() for file in terraform.rglob("terraform.tf")}
    return sorted(place for place in found if ".terraform" not in place)


def check(call: Sequence[str], tree: Path, place: str) -> Checked:
    began = time.monotonic()

    def done(problem: str, tests: int = 0) -> Checked:
        return Checked(place, time.monotonic() - began, tests, problem)

    said = ""
    for step in (("init", "-backend=false", "-input=false"), ("validate",), ("test",)):
        try:
            ended = subprocess.run(
                [*call, f"-chdir={tree / place}", *step, "-no-color"],
                capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return done(f"terraform {step[0]}: {error}")
        said = ended.stdout + ended.stderr
        if ended.returncode:
            return done(f"terraform {step[0]} ended with {ended.returncode}\n{said.strip()}")
    counted = re.search(r"^Success! (\d+) passed, 0 failed", said, re.MULTILINE)
    if counted is None or counted[1] == "0":  # with no tests at all, terraform is content
        return done("terraform test ran no test")
    return done("", int(counted[1]))


def badly_formed(call: Sequence[str], terraform: Path) -> list[str]:
    """Files that `terraform fmt` would change, or cannot read."""
    ended = subprocess.run(
        [*call, "fmt", "-check", "-recursive", str(terraform)], capture_output=True, text=True, check=False
    )
    return ended.stdout.split() or [ended.stderr] if ended.returncode else []


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--terraform", default="terraform", help="the program, with stand-ins for the providers or not")
    parser.add_argument("only", nargs="*", help="folders below infra/terraform; default: all")
    given = parser.parse_args(arguments)
    name, *rest = shlex.split(given.terraform)
    program = shutil.which(name)
    if program is None:
        print(f"tf-check: there is no program {name}; TERRAFORM names one", file=sys.stderr)
        return 2
    call = [str(Path(program).resolve()), *rest]
    with tempfile.TemporaryDirectory(prefix="tf-check-") as folder:
        shutil.copytree(INFRA, Path(folder) / "infra", ignore=shutil.ignore_patterns(*_NOT_SOURCE))
        tree = Path(folder) / "infra/terraform"
        bad = badly_formed(call, tree)
        print(f"{'fmt':<24} {'FAILED ' + ' '.join(bad) if bad else 'ok'}", flush=True)
        with ThreadPoolExecutor(_TOGETHER) as crew:
            checked = []
            for each in crew.map(lambda place: check(call, tree, place), given.only or places(tree)):
                words = f"FAILED {each.problem}" if each.problem else f"ok, {each.tests} tests"
                print(f"{each.place:<24} {words}  ({each.seconds:.0f} s)", flush=True)
                checked.append(each)
    failed = [each.place for each in checked if each.problem] + (["fmt"] if bad else [])
    tests = sum(each.tests for each in checked)
    print(
        f"{len(checked)} modules and roots, {tests} tests: {'FAILED: ' + ', '.join(failed) if failed else 'all good'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
