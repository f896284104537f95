"""What 30-apps plans, on a real API: taken whole, made ready, and refused where somebody makes a known mistake."""

from collections.abc import Callable

import pytest

from tests.acceptance.kubernetes.cluster import LLM_ZONE, REGION, Manifest, Refused
from tests.acceptance.kubernetes.conftest import Street
from tests.acceptance.kubernetes.manifests import containers, of_kind, one, planted, pod_of

#: The first test waits for a cluster, which a tool that was never built takes a quarter of an hour to give.
pytestmark = pytest.mark.timeout(1800)

CACHE = "chat-api-model-cache"
OTHER_ZONE = f"{REGION}b"


def test_all_manifests_are_taken_in_one_pass(street: Street) -> None:
    said = street.applied.splitlines()
    assert len(said) == len(street.manifests)
    assert all(line.endswith("serverside-applied") for line in said)
    assert of_kind(street.manifests, "ScaledObject"), "nothing here was checked by KEDA"


def test_every_workload_becomes_ready(street: Street) -> None:
    assert {"chat-api", "inference", "inference-claims"} <= set(street.deployments)
    for each in street.cluster.all("deployments,statefulsets"):
        status, name = each["status"], each["metadata"]["name"]
        assert status["readyReplicas"] == status["replicas"] == each["spec"]["replicas"] > 0, name
        assert status["observedGeneration"] == each["metadata"]["generation"], name


def test_the_model_cache_is_bound_in_the_zone_of_its_node(street: Street) -> None:
    claim = street.cluster.get("persistentvolumeclaim", CACHE)
    assert claim["status"]["phase"] == "Bound"
    assert claim["status"]["capacity"]["storage"] == "15Gi"
    volume = street.cluster.get("persistentvolume", claim["spec"]["volumeName"])
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == [LLM_ZONE]
    (pod,) = street.cluster.all("pods", "--selector=app.kubernetes.io/name=chat-api")
    node = street.cluster.get("node", pod["spec"]["nodeName"])
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == LLM_ZONE
    assert node["metadata"]["labels"]["sluice/role"] == "llm"


def test_replicas_of_a_service_stand_in_different_zones(street: Street) -> None:
    pods = street.cluster.all("pods", "--selector=app.kubernetes.io/name=inference")
    nodes = [street.cluster.get("node", pod["spec"]["nodeName"]) for pod in pods]
    zones = {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}
    assert len(zones) == min(3, len(pods)) >= 2


def as_root(workload: Manifest) -> None:
    context = containers(workload)[0].setdefault("securityContext", {})
    context |= {"runAsUser": 0, "runAsNonRoot": False}


def without_limits(workload: Manifest) -> None:
    for container in containers(workload):
        container["resources"].pop("limits")


def greedily(workload: Manifest) -> None:
    containers(workload)[0]["resources"]["limits"]["cpu"] = "64"


def with_a_writable_host(workload: Manifest) -> None:
    workload["spec"]["template"]["spec"].setdefault("volumes", []).append({"name": "host", "hostPath": {"path": "/"}})


@pytest.mark.parametrize("name", ["chat-api", "inference", "inference-claims"])
@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (as_root, "runAsUser=0"),
        (without_limits, "must specify limits.cpu|No limit is specified"),
        (greedily, "maximum cpu usage per Pod is 4, but limit is 64"),
        (with_a_writable_host, r'volume "host" uses restricted volume type "hostPath"'),
    ],
)
def test_the_namespace_refuses_a_pod(
    street: Street, name: str, mistake: Callable[[Manifest], object], said: str
) -> None:
    workload = one(street.manifests, "Deployment", name)
    street.cluster.apply([pod_of(workload, "as-it-is")], "--dry-run=server")
    with pytest.raises(Refused, match=said):
        street.cluster.apply([pod_of(planted(workload, mistake), "planted")], "--dry-run=server")


def test_the_quota_alone_refuses_a_pod_without_limits(street: Street) -> None:
    (bounds,) = of_kind(street.manifests, "LimitRange")
    pod = pod_of(planted(one(street.manifests, "Deployment", "inference"), without_limits), "planted")
    street.cluster.kubectl("delete", "limitrange", bounds["metadata"]["name"])
    try:
        with pytest.raises(Refused, match=r"failed quota: .* must specify limits.cpu"):
            street.cluster.apply([pod], "--dry-run=server")
    finally:
        street.cluster.apply([bounds])


def in_another_zone(pod: Manifest) -> None:
    pod["spec"]["nodeSelector"] = {"topology.kubernetes.io/zone": OTHER_ZONE}
    pod["spec"].pop("affinity", None)
    for container in pod["spec"]["containers"] + pod["spec"]["initContainers"]:
        container["resources"] = {name: {"cpu": "100m", "memory": "64Mi"} for name in ("requests", "limits")}


def test_a_second_pod_on_the_one_disk_finds_no_node_in_another_zone(street: Street) -> None:
    """There is room for it, and nothing but the disk keeps it away."""
    chat = pod_of(one(street.manifests, "Deployment", "chat-api"), "elsewhere")
    pod = planted(chat, in_another_zone)
    pod["metadata"]["labels"] = {}
    street.cluster.apply([pod])
    try:
        street.cluster.until(lambda: "PersistentVolume" in why_nowhere(street, "elsewhere"), "the scheduler's no")
        assert not street.cluster.get("pod", "elsewhere")["spec"].get("nodeName")
    finally:
        street.cluster.kubectl("delete", "pod", "elsewhere")


def why_nowhere(street: Street, name: str) -> str:
    """What the scheduler says of a pod that it places nowhere."""
    conditions = street.cluster.get("pod", name)["status"].get("conditions", [])
    return "".join(each["message"] for each in conditions if each.get("reason") == "Unschedulable")


def misspelt(workload: Manifest) -> None:
    probe = containers(workload)[0]["livenessProbe"]
    probe["failureTreshold"] = probe.pop("failureThreshold")


def test_a_misspelt_field_of_a_probe_is_refused(street: Street) -> None:
    workload = planted(one(street.manifests, "Deployment", "chat-api"), misspelt)
    with pytest.raises(Refused, match=r"(?s)Error from server.*livenessProbe.failureTreshold: field not declared"):
        street.cluster.apply([workload], "--dry-run=server")
