"""What `terraform apply` of 30-apps would ask Kubernetes for, as manifests of a plan: `make tf-render`.

The root is copied first and given a local backend, so that neither its own backend nor a state is touched. Variables
come from its `terraform.tfvars.example`; `TF_VAR_…` of the environment and `--var` win over those. `plan2k8s` makes
manifests of the provider's schema and a plan in JSON. It may lie outside this checkout; without it nothing is rendered.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "infra/terraform"
APPS = Path("envs/demo/30-apps")
LOCAL_BACKEND = 'terraform {\n  backend "local" {}\n}\n'


def render(terraform: str, plan2k8s: str, schema: Path, variables: Sequence[str], out: Path) -> None:
    """Writes `out`.

    Raises:
        subprocess.CalledProcessError: Terraform or the converter refused; what they said stands on stderr.
    """
    with tempfile.TemporaryDirectory(prefix="tf-render-") as folder:
        tree = Path(folder) / "terraform"
        shutil.copytree(TREE, tree, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfvars", "tfplan"))
        observability = ROOT / "infra/observability"
        shutil.copytree(observability, Path(folder) / "observability")
        root = tree / APPS
        (root / "backend_override.tf").write_text(LOCAL_BACKEND)
        call = [*shlex.split(terraform), f"-chdir={root}"]
        _run([*call, "init", "-input=false", "-no-color"])
        # Terraform lets a file of variables win over the environment; here it is the other way round.
        told = [
            f"{name.removeprefix('TF_VAR_')}={value}" for name, value in os.environ.items() if name[:7] == "TF_VAR_"
        ]
        chosen = [f"-var={variable}" for variable in (f"image_tag={_revision()}", *told, *variables)]
        example = "-var-file=terraform.tfvars.example"
        _run([*call, "plan", "-input=false", "-no-color", "-refresh=false", "-out=plan", example, *chosen])
        shown = _run([*call, "show", "-json", "plan"])
        plan = Path(folder) / "plan.json"
        plan.write_text(json.dumps(json.loads(shown)))
        manifests = _run([*shlex.split(plan2k8s), str(schema), str(plan)])
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(yaml.safe_dump_all(map(tidied, yaml.safe_load_all(manifests)), sort_keys=False))


#: Blocks that the provider's schema takes as lists, of which Kubernetes knows one.
_ONE = (
    "preStop",
    "postStart",
    "labelSelector",
    "volumeClaimTemplate",
    "tcpSocket",
    "persistentVolumeClaimRetentionPolicy",
)
#: Blocks of which Kubernetes takes a list, by the kind whose `spec` has them.
_MANY = {"StatefulSet": ("volumeClaimTemplate", "volumeClaimTemplates"), "LimitRange": ("limit", "limits")}
#: What the provider alone is told.
_PROVIDERS = ("dataWo", "dataWoRevision", "waitForLoadBalancer", "waitForCompletion", "timeouts")


def tidied(manifest: Any) -> Any:
    """As Kubernetes reads it: what a converter by schema can not know."""
    if isinstance(manifest, list):
        return [tidied(each) for each in manifest]
    if not isinstance(manifest, dict):
        return manifest
    if (names := _MANY.get(manifest.get("kind", ""))) and names[0] in manifest["spec"]:
        spec = {names[1] if key == names[0] else key: value for key, value in manifest["spec"].items()}
        manifest = {**manifest, "spec": spec}
    found = {key: tidied(value) for key, value in manifest.items() if key not in _PROVIDERS}
    for key in _ONE:
        if isinstance(found.get(key), list) and len(found[key]) == 1:
            (found[key],) = found[key]
    if isinstance(found.get("path"), list):  # an Ingress has many, everybody else's path is a word
        found["paths"] = found.pop("path")
    if isinstance(mode := found.get("defaultMode"), str):
        found["defaultMode"] = int(mode, 8)
    return found


def _revision() -> str:
    """The commit of this checkout, where it is one."""
    git = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return git.stdout.strip() or "unknown"


def _run(call: Sequence[str]) -> str:
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise subprocess.CalledProcessError(done.returncode, call)
    return done.stdout


def schema_of_stand_ins() -> Path:
    """Where the stand-ins keep the provider's schema, once they were called."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TF_OFFLINE_CACHE") or cache / "terraform-offline") / "schemas/kubernetes.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--terraform", default="terraform", help="the program, with stand-ins for the providers or not")
    parser.add_argument("--plan2k8s", required=True, help="the program that makes manifests of a plan")
    parser.add_argument("--schema", type=Path, help="schema of the kubernetes provider; default: the stand-ins'")
    parser.add_argument("--var", action="append", default=[], help="NAME=VALUE for Terraform, as often as you like")
    parser.add_argument("--out", type=Path, default=ROOT / "build/manifests.yaml")
    given = parser.parse_args(arguments)
    try:
        render(given.terraform, given.plan2k8s, given.schema or schema_of_stand_ins(), given.var, given.out)
    except subprocess.CalledProcessError as error:
        print(f"tf-render: {' '.join(map(str, error.cmd[:3]))} … ended with {error.returncode}", file=sys.stderr)
        return 1
    print(f"wrote {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
