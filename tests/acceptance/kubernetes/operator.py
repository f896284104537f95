"""Somebody who types `make …` against the cluster: a checkout, a kubeconfig, and programs on the PATH.

kubectl is the real one. Terraform plans 30-apps for real and has the plan applied (`terraform.py`); for the other roots
it is a stub, as are aws and docker, which know that the images are pushed. `tests/integration/cloud` tests those.
"""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

from tests.acceptance.kubernetes.conftest import VARIABLES, Street
from tests.acceptance.kubernetes.manifests import ROOT, containers
from tests.integration.cloud.place import Done, Place, make_place
from tests.integration.cloud.world import DIGESTS, all_goes_well

#: How long a rollout may take, and how long a pod may stand in its way.
DEADLINE_S, PATIENCE_S = 40, 2
_MAKE_TIMEOUT_S = 150
_TERRAFORM = """#!/bin/bash
case "$*" in
*30-apps\\ apply*) ;;
*) exec {stub} "$@" ;;
esac
cd {root} && HOME={home} PATH={path} exec {python} -m tests.acceptance.kubernetes.terraform "$@"
"""


def checkout(street: Street, folder: Path) -> Place:
    place = make_place(folder)
    all_goes_well(place)
    place.patience_s = _MAKE_TIMEOUT_S
    for image, digest in DIGESTS.items():
        place.answer("aws ecr describe-images", f"/{image} ", out=digest)
    (place.stubs / "kubectl").unlink()
    (place.stubs / "kubectl").symlink_to(street.cluster.programs / "kubectl")
    stub = folder / "var" / "aside" / "terraform"
    stub.parent.mkdir()
    shutil.move(place.stubs / "terraform", stub)
    here = {"stub": stub, "root": ROOT, "python": sys.executable, "home": Path.home()}
    here["path"] = street.cluster.environment["PATH"]
    script = _TERRAFORM.format(**{name: shlex.quote(str(it)) for name, it in here.items()})
    (place.stubs / "terraform").write_text(script)
    (place.stubs / "terraform").chmod(0o755)
    return place


class Operator:
    """Types, and looks what came of it."""

    def __init__(self, place: Place, street: Street) -> None:
        self._place, self.cluster = place, street.cluster

    def make(self, target: str, **variables: str) -> Done:
        file_variables = {name: value for name, value in VARIABLES.items() if name != "image_tag"}
        environment = {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "TF_VAR_chat_secrets": json.dumps({"api-keys": "a file of keys"}),
            "FILE_VARIABLES": json.dumps(file_variables),
            **{name: os.environ[name] for name in ("STAND_INS", "PLAN2K8S")},
        }
        usual = {"DEADLINE": f"{DEADLINE_S}s", "PATIENCE": f"{PATIENCE_S}s", "POLL": "0.5s", "KUBE_CONTEXT": "loopback"}
        return self._place.make_with(environment, target, **usual | variables)

    def tag(self, deployment: str) -> str:
        """Of the image that its Deployment is to run."""
        (container,) = containers(self.cluster.get("deployment", deployment))
        image: str = container["image"]
        return image.partition("@")[0].rpartition(":")[2]

    def available(self, deployment: str) -> int:
        found: int = self.cluster.get("deployment", deployment)["status"].get("availableReplicas", 0)
        return found

    def pods(self, deployment: str) -> set[str]:
        """Of those that are to stay."""
        found = self.cluster.all("pods", f"--selector=app.kubernetes.io/name={deployment}")
        return {each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]}
