"""The platform with the real AWS provider: tested, validated, planned, and made and unmade in an AWS of this machine.

    python -m scripts.tf_aws --mirror FOLDER --python .venv-moto/bin/python

No account is asked and none can be: keys are invented, and every service's address is a port of this machine.
It works in a copy, since `init` with a mirror leaves a lock file that knows one platform only.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.loopback import free_port
from scripts.tf_aws.drift import MOTO_FORGETS, beyond_moto, drift
from scripts.tf_aws.eks_gaps import PLAYED

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = "envs/demo/10-platform"
#: Whose tests run against the real provider's own checks of values, which stand-ins do not have.
TESTED = (
    "modules/ecr",
    "modules/eks",
    "modules/msk",
    "modules/network",
    "modules/object_store",
    "modules/pod_identity",
)
MIRRORED = "registry.terraform.io/hashicorp/aws"
#: What moto can not make: the kind of the first resource it fails at, and what is said of it.
PLANNED_ONLY = {
    "aws_msk_configuration": "Kafka as a service (moto knows no MSK configurations)",
    "aws_budgets_budget": "the budget (moto does not tell who gets its mail)",
}
_WITH_ALL = ("-var=kafka_mode=msk", '-var=budget={ monthly_usd = 500, emails = ["platform@example.org"] }')
_TIMEOUT_S = 600
_UP_WITHIN_S = 60.0
_NOT_SOURCE = (".terraform", "*.tfstate*", "*.tfplan", "tfplan", "*.tfvars")
_OVERRIDE = """\
terraform {
  backend "local" {}
}

provider "aws" {
  s3_use_path_style           = true # a bucket in a host's name would have to be resolved
  skip_metadata_api_check     = true
  skip_credentials_validation = true
}
"""


class Failed(Exception):
    """A step did not do what it is there for; the message is all that its program wrote."""


class Terraform:
    """The program, called in one folder at a time, with nothing of this user's in its environment."""

    def __init__(self, call: Sequence[str], tree: Path, mirror: Path, aws: str) -> None:
        self._call, self._tree, self._mirror = call, tree, mirror
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self._environment = kept | {
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            "AWS_ACCESS_KEY_ID": "invented",
            "AWS_SECRET_ACCESS_KEY": "invented",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ENDPOINT_URL": aws,
        }

    def __call__(self, place: str, *arguments: str, accepted: Sequence[int] = (0,)) -> str:
        """What it wrote.

        Raises:
            Failed: It ended with another status than the accepted ones.
        """
        done = subprocess.run(
            [*self._call, f"-chdir={self._tree / place}", *arguments, "-no-color"],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=self._environment,
        )  # fmt: skip
        said = done.stdout + done.stderr
        if done.returncode not in accepted:
            raise Failed(f"terraform {arguments[0]} in {place} ended with {done.returncode}\n{said.strip()}")
        return said

    def init(self, place: str) -> None:
        self(place, "init", "-input=false", f"-plugin-dir={self._mirror}")


@contextmanager
def told(words: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"  {words:<70} ", end="", flush=True)
    try:
        yield
    except BaseException:
        print("FAILED", flush=True)
        raise
    print(f"ok  ({time.monotonic() - began:.0f} s)", flush=True)


@contextmanager
def loopback_aws(python: Path, log: Path) -> Iterator[str]:
    """moto with the gaps filled, until the block ends; gives its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [str(python), str(Path(__file__).with_name("loopback.py")), str(port)],
            stdout=out, stderr=subprocess.STDOUT,
            env=dict(os.environ) | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
        )  # fmt: skip
    try:
        until = time.monotonic() + _UP_WITHIN_S
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > until:
                raise Failed(f"moto did not start\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/moto-api/", timeout=2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def trial(terraform: Terraform, place: Path, variables: Mapping[str, object]) -> None:
    """
    Raises:
        Failed: Some step did.
    """
    for module in TESTED:
        with told(f"{module}: its tests, with the real provider"):
            terraform.init(module)
            terraform(module, "test")
    (place / "loopback_override.tf").write_text(_OVERRIDE)
    (place / "trial.auto.tfvars.json").write_text(json.dumps(variables))
    with told("10-platform: init and validate"):
        terraform.init(PLATFORM)
        terraform(PLATFORM, "validate")
    with told("10-platform: plan with all there is, and without what moto can not make"):
        terraform(PLATFORM, "plan", "-input=false", "-out=trial.tfplan", *_WITH_ALL)
        if missing := PLANNED_ONLY.keys() - _planned(terraform):
            raise Failed(f"not planned: {', '.join(missing)}")
        terraform(PLATFORM, "plan", "-input=false", "-out=trial.tfplan")
    planned = _planned(terraform)
    with told(f"10-platform: apply, {len(planned)} resources of {len(set(planned))} kinds"):
        terraform(PLATFORM, "apply", "-input=false", "trial.tfplan")
    with told("10-platform: a second plan changes nothing but what moto forgot"):
        terraform(PLATFORM, "plan", "-input=false", "-out=second.tfplan")
        if others := beyond_moto(drift(json.loads(terraform(PLATFORM, "show", "-json", "second.tfplan")))):
            raise Failed(f"a second plan changes {', '.join(others)}")
    with told("10-platform: destroy, and nothing is left"):
        terraform(PLATFORM, "destroy", "-input=false", "-auto-approve")
        if left := terraform(PLATFORM, "state", "list"):
            raise Failed(f"left in the state: {left}")


def _planned(terraform: Terraform) -> list[str]:
    """Kinds of the resources that the plan makes, one for each."""
    changes = json.loads(terraform(PLATFORM, "show", "-json", "trial.tfplan"))["resource_changes"]
    return [change["type"] for change in changes if change["change"]["actions"] == ["create"]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--terraform", default="terraform", help="the program itself, without stand-ins for providers")
    parser.add_argument("--mirror", default="", help=f"folder of providers, with {MIRRORED} in it")
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-moto/bin/python", help="the Python that has moto")
    given = parser.parse_args(arguments)
    name, *rest = shlex.split(given.terraform)
    program = shutil.which(name)
    versions = sorted(path.name for path in (Path(given.mirror) / MIRRORED).glob("*")) if given.mirror else []
    if program is None or not versions:
        missing = f"there is no program {name}; TERRAFORM names one" if program is None else (
            f"TF_MIRROR names the folder of a provider mirror that holds {MIRRORED}"
        )  # fmt: skip
        print(f"tf-aws: {missing}", file=sys.stderr)
        return 2
    print(f"hashicorp/aws {', '.join(versions)} against moto on this machine", flush=True)
    with tempfile.TemporaryDirectory(prefix="tf-aws-") as folder:
        tree = Path(folder) / "terraform"
        shutil.copytree(ROOT / "infra/terraform", tree, ignore=shutil.ignore_patterns(*_NOT_SOURCE))
        variables = json.loads(Path(__file__).with_name("trial.tfvars.json").read_text())
        try:
            with loopback_aws(given.python, Path(folder) / "moto.log") as aws:
                call = [str(Path(program).resolve()), *rest]
                trial(Terraform(call, tree, Path(given.mirror).resolve(), aws), tree / PLATFORM, variables)
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            print(f"tf-aws: {error}", file=sys.stderr)
            return 1
    print("Not moto's, for it has none of it, but played in front of it: " + "; ".join(PLAYED) + ".")
    forgotten = "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in MOTO_FORGETS.items())
    print(f"Forgotten by moto between apply and plan: {forgotten}.")
    print("Planned and not made: " + "; ".join(PLANNED_ONLY.values()) + ".")
    return 0


if __name__ == "__main__":
    sys.exit(main())
