"""The operator's targets on a real API: what stops a deploy, what brings back what ran, what the others do."""

from collections.abc import Iterator

import pytest

from tests.acceptance.kubernetes.conftest import TAG, Street
from tests.acceptance.kubernetes.manifests import of_kind, one, planted
from tests.acceptance.kubernetes.operator import Operator, checkout
from tests.acceptance.kubernetes.test_manifests import as_root
from tests.integration.cloud.place import Place

pytestmark = pytest.mark.timeout(1800)

BALANCER = "a1b2.us-east-2.elb.amazonaws.com"
SERVICE = "chat-api-service"


@pytest.fixture(scope="module")
def place(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return checkout(street, tmp_path_factory.mktemp("operator") / "checkout")


@pytest.fixture
def operator(street: Street, place: Place) -> Iterator[Operator]:
    """The Deployments are as they were when the test is done."""
    street.cluster.give_address(SERVICE, BALANCER)
    yield Operator(place, street)
    street.cluster.apply(of_kind(street.manifests, "Deployment"), "--force-conflicts")
    street.until_ready("Deployment")


def test_a_deploy_brings_a_commit_to_an_address(operator: Operator, street: Street) -> None:
    done = operator.make("deploy", IMAGE_TAG="fed3210")
    assert done.status == 0, done.out + done.err
    assert {operator.tag(name) for name in street.deployments} == {"fed3210"}
    assert all(operator.available(name) for name in street.deployments)
    assert f"curl http://{BALANCER}/ready" in done.out


@pytest.mark.parametrize(
    ("target", "tag", "reason", "ill"),
    [
        ("deploy", "no-such-image", "ImagePullBackOff: Back-off pulling image", ["chat-api", "inference"]),
        ("deploy-chat", "crash-loop", "CrashLoopBackOff: back-off 40s", ["chat-api"]),
    ],
)
def test_an_image_that_can_not_start_stops_the_deploy_and_a_rollback_restores(
    operator: Operator, target: str, tag: str, reason: str, ill: list[str]
) -> None:
    done = operator.make(target, IMAGE_TAG=tag)
    assert done.status != 0
    assert "Pods can not start." in done.err, "it was the deadline that stopped it"
    assert reason in done.err
    assert f"make k8s-rollback APP={ill[0]}" in done.err
    assert operator.available("inference") == 2, "who served goes on until the new one is ready"
    for name in ill:
        assert operator.tag(name) == tag
        back = operator.make("k8s-rollback", APP=name)
        assert back.status == 0, back.out + back.err
        assert operator.tag(name) == TAG
        assert operator.available(name)


def test_a_rollout_that_is_not_ready_in_time_stops_the_deploy(operator: Operator) -> None:
    done = operator.make("deploy-inference", IMAGE_TAG="unready-for-ever", DEADLINE="4s")
    assert done.status != 0
    assert "make k8s-rollback APP=inference" in done.err
    assert "Pods can not start." not in done.err
    assert operator.available("inference") == 2


def test_pods_that_the_namespace_refuses_stop_a_rollout(operator: Operator, street: Street) -> None:
    """There is no pod then that could say why; the Deployment does."""
    workload = planted(one(street.manifests, "Deployment", "inference-claims"), as_root)
    street.cluster.apply([workload], "--force-conflicts")
    done = operator.make("k8s-restart", APP="inference-claims")
    assert done.status != 0
    assert "violates PodSecurity" in done.err


def test_a_restart_replaces_every_pod_and_keeps_the_image(operator: Operator) -> None:
    before = operator.pods("inference")
    done = operator.make("k8s-restart", APP="inference")
    assert done.status == 0, done.err
    assert not before & operator.pods("inference")
    assert operator.tag("inference") == TAG


def test_a_number_of_replicas_is_kept_until_keda_has_it_back(operator: Operator) -> None:
    """KEDA would undo a number that it does not know of."""
    assert operator.make("k8s-scale", APP="inference", REPLICAS="3").status == 0
    operator.cluster.until(lambda: operator.available("inference") == 3, "three replicas", 30)
    assert operator.make("k8s-scale", APP="inference", REPLICAS="auto").status == 0
    paused = operator.cluster.get("scaledobject", "inference")["metadata"].get("annotations", {})
    assert not any("paused" in name for name in paused)


def test_a_second_replica_on_one_disk_is_refused(operator: Operator) -> None:
    done = operator.make("k8s-scale", APP="chat-api", REPLICAS="2")
    assert done.status != 0
    assert "chat-api-model-cache" in done.err
    assert operator.cluster.get("deployment", "chat-api")["spec"]["replicas"] == 1


def test_an_address_is_waited_for_and_its_absence_is_a_failure(operator: Operator) -> None:
    assert f"http://{BALANCER}" in operator.make("k8s-get-urls").out
    nothing = '--patch={"status": {"loadBalancer": null}}'
    operator.cluster.kubectl("patch", "service", SERVICE, "--subresource=status", "--type=merge", nothing)
    done = operator.make("k8s-get-urls", DEADLINE="2s")
    assert done.status != 0
    assert "no address after 2 s" in done.err


def test_status_and_history_show_what_runs(operator: Operator) -> None:
    status = operator.make("k8s-status")
    assert status.status == 0, status.err
    for word in ("chat-api", "inference-claims", SERVICE, "chat-api-model-cache", "keda-hpa-inference", "us-east-2a"):
        assert word in status.out
    history = operator.make("k8s-history")
    assert history.status == 0, history.err
    assert f"/chat-api:{TAG}" in history.out
