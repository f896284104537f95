"""What `30-apps` would create, as manifests: planned by Terraform, turned into YAML as `make tf-render` does it.

And what a test asks of them: one object by its name, a copy with a mistake in it, the variables that a container gets.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import yaml

from tests.acceptance.kubernetes.cluster import Manifest

ROOT = Path(__file__).parents[3]
_RENDER_TIMEOUT_S = 300


class NotRendered(Exception):
    """Terraform refused, with these words."""


def rendered(target: Path, **variables: object) -> list[Manifest]:
    """The plan of 30-apps with these variables in place of its own, in the order that it is applied.

    STAND_INS and PLAN2K8S name the programs, as for `make tf-render`.

    Raises:
        NotRendered: the plan was refused.
    """
    terraform, plan2k8s = os.environ["STAND_INS"], os.environ["PLAN2K8S"]
    command = [sys.executable, "-m", "scripts.terraform_render", "--out", str(target)]
    command += ["--terraform", terraform, "--plan2k8s", plan2k8s]
    for name, value in variables.items():
        command += ["--var", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_RENDER_TIMEOUT_S, check=False)
    if done.returncode:
        plan, error, why = done.stderr.rpartition("Error:")  # the plan as far as it went stands before it
        raise NotRendered(error + (why if error else plan))
    return [each for each in yaml.safe_load_all(target.read_text()) if each]


def one(manifests: Iterable[Manifest], kind: str, name: str) -> Manifest:
    found = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} {kind} of the name {name}"
    return found[0]


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def containers(workload: Manifest) -> list[Manifest]:
    found: list[Manifest] = workload["spec"]["template"]["spec"]["containers"]
    return found


def planted(manifest: Manifest, mistake: Callable[[Manifest], object]) -> Manifest:
    """A copy with the mistake in it."""
    made = copy.deepcopy(manifest)
    mistake(made)
    assert made != manifest, "the mistake changes nothing"
    return made


def pod_of(workload: Manifest, name: str) -> Manifest:
    """The pod that a Deployment's controller would create."""
    template = copy.deepcopy(workload["spec"]["template"])
    namespace = workload["metadata"]["namespace"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **template,
        "metadata": {**template["metadata"], "name": name, "namespace": namespace},
    }


def environment_of(manifests: Iterable[Manifest], deployment: str) -> dict[str, str]:
    """Variables of its first container as far as manifests have them: no secrets, no fields of the pod."""
    everything = list(manifests)
    container = containers(one(everything, "Deployment", deployment))[0]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= one(everything, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", []):
        if "value" in variable:
            found[variable["name"]] = variable["value"]
        elif reference := variable.get("valueFrom", {}).get("configMapKeyRef"):
            found[variable["name"]] = one(everything, "ConfigMap", reference["name"])["data"][reference["key"]]
    return found


def trigger_of(scaled: Manifest) -> Mapping[str, str]:
    """What its only trigger says."""
    (trigger,) = scaled["spec"]["triggers"]
    metadata: Mapping[str, str] = trigger["metadata"]
    return metadata
