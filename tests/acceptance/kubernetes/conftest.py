"""One cluster for all tests of this room, with all that 30-apps creates applied to it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.kubernetes.cluster import LLM_ZONE, Cluster, Manifest, cluster
from tests.acceptance.kubernetes.manifests import of_kind, rendered

#: Of the images of the first deploy; the played kubelet looks at the beginning of a tag alone.
TAG = "0123abc"
#: 20-addons makes it with its Prometheus; 30-apps puts rules and dashboards there.
ADDONS_NAMESPACE = "monitoring"
#: Two of what may be drained, and a Kafka that survives it. KEDA is in a hurry; in earnest a pause takes no pods away.
VARIABLES = {
    "image_tag": TAG,
    "llm_zone": LLM_ZONE,
    "inference": {"replicas": 2, "min_replicas": 2},
    "kafka_nodes": 3,
    "keda_polling_seconds": 2,
    "keda_cooldown_seconds": 10,
    "keda_stabilization_seconds": 5,
}


@dataclass(frozen=True, slots=True)
class Street:
    """What stands in the cluster before a test begins."""

    cluster: Cluster
    manifests: list[Manifest]
    applied: str  #: what `kubectl apply` said to them

    @property
    def deployments(self) -> list[str]:
        return [each["metadata"]["name"] for each in of_kind(self.manifests, "Deployment")]

    def until_ready(self, *kinds: str) -> None:
        """All workloads, or those of these kinds."""
        for kind in kinds or ("Deployment", "StatefulSet"):
            for each in of_kind(self.manifests, kind):
                self.cluster.until_rolled_out(f"{kind.lower()}/{each['metadata']['name']}")


@pytest.fixture(scope="session")
def kube_tool() -> str:
    tool = os.environ.get("KUBE", "")
    if not tool:
        pytest.skip("KUBE names no program that starts a control plane: `make k8s-accept KUBE=…` sets it")
    found = shutil.which(tool)
    assert found, f"KUBE: there is no program {tool}"
    return str(Path(found).resolve())


@pytest.fixture(scope="session")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return rendered(tmp_path_factory.mktemp("rendered") / "manifests.yaml", **VARIABLES)


@pytest.fixture(scope="session")
def street(kube_tool: str, manifests: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with cluster(kube_tool, tmp_path_factory.mktemp("kube")) as started:
        started.kubectl("create", "namespace", ADDONS_NAMESPACE)
        stands = Street(started, manifests, started.apply(manifests))
        stands.until_ready()
        yield stands
