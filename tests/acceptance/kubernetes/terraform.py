"""Takes `terraform -chdir=…/30-apps apply -var NAME=VALUE …` from an operator's PATH to a real API server.

The root and its variables are the checkout's and Terraform plans them; what the plan would create is applied by
kubectl, because the provider is not there. Further variables, as an operator has them in a file, are FILE_VARIABLES.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tests.acceptance.kubernetes.cluster import NAMESPACE
from tests.acceptance.kubernetes.manifests import NotRendered, rendered


def main(arguments: Sequence[str]) -> int:
    said = [value for name, value in pairwise(arguments) if name == "-var"]
    variables = {**json.loads(os.environ["FILE_VARIABLES"]), **dict(value.split("=", 1) for value in said)}
    try:
        with tempfile.TemporaryDirectory() as folder:
            manifests = rendered(Path(folder) / "manifests.yaml", **variables)
    except NotRendered as refused:
        print(refused, file=sys.stderr)  # noqa: T201  # as Terraform does
        return 1
    replicas = _replicas()
    for each in manifests:
        if (name := each["metadata"]["name"]) in replicas and each["kind"] == "Deployment":
            each["spec"]["replicas"] = replicas[name]
    documents = "\n---\n".join(map(json.dumps, manifests))
    apply = ["kubectl", "apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"]
    return subprocess.run(apply, input=documents, text=True, check=False).returncode


def _replicas() -> dict[str, int]:
    """Of each Deployment that is there: the root ignores changes of their number."""
    command = ["kubectl", "get", "deployments", f"--namespace={NAMESPACE}", "--output=json"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in found["items"]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
