"""A rollout that can not end is given up with the reason, long before anybody's patience ends."""

from typing import Any

import pytest

from tests.integration.cloud.place import Done, Place
from tests.integration.cloud.world import deployment, listed

#: Longer than anybody waits for a `make` here.
LONG = 120
WAITING = "rollout status deployment/inference "
Waiting = dict[str, str]


def replica_set(revision: str, name: str = "inference") -> dict[str, Any]:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-r{revision}",
            "uid": f"uid-{name}-r{revision}",
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"uid": f"uid-{name}", "name": name}],
        },
        "spec": {"template": {"spec": {"containers": [{"name": name, "image": f"there/inference:of-{revision}"}]}}},
    }


def pod(
    revision: str, waiting: Waiting | None, *, init: bool = False, last: Any = None, **status: Any
) -> dict[str, Any]:
    state = {"waiting": waiting} if waiting else {"running": {}}
    container = {"name": "inference", "state": state, "lastState": {"terminated": last} if last else {}}
    return {
        "kind": "Pod",
        "metadata": {"name": f"inference-r{revision}-x", "ownerReferences": [{"uid": f"uid-inference-r{revision}"}]},
        "status": {("initContainerStatuses" if init else "containerStatuses"): [container], **status},
    }


def rolled_out(place: Place, *pods: dict[str, Any], conditions: Any = (), **variables: str) -> Done:
    """A restart of `inference` whose rollout never ends."""
    place.answer(WAITING, pause=LONG)
    ours = {**deployment("inference", "there/inference:of-2"), "status": {"conditions": list(conditions)}}
    sets = (replica_set("1"), replica_set("2"))
    place.answer("get deployments,replicasets,pods", out=listed(ours, *sets, *pods))
    said = {"PATIENCE": "0.2s", "POLL": "0.1s", "DEADLINE": "20s", **variables}
    return place.make("k8s-restart", said, APP="inference")


@pytest.mark.parametrize("init", [False, True])
@pytest.mark.parametrize(
    "reason", ["ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff", "CreateContainerConfigError"]
)
def test_a_pod_that_can_not_start_ends_the_wait_with_its_reason(place: Place, reason: str, init: bool) -> None:
    place.answer("get events", out=listed({"reason": "Failed", "message": "manifest for of-2 not found"}))
    place.answer("logs inference-r2-x", "--previous", out="Traceback\nValueError: no such bundle\n")
    done = rolled_out(place, pod("2", {"reason": reason, "message": "back-off 10s"}, init=init))
    assert done.status != 0
    assert "Pods can not start." in done.err
    assert f"pod inference-r2-x, container inference: {reason}: back-off 10s" in done.err
    assert "manifest for of-2 not found" in done.err
    assert "ValueError: no such bundle" in done.err
    assert "make k8s-rollback APP=inference" in done.err


def test_how_a_container_ended_is_told(place: Place) -> None:
    crash = {"reason": "CrashLoopBackOff", "message": "back-off"}
    done = rolled_out(place, pod("2", crash, last={"reason": "OOMKilled", "exitCode": 137}))
    assert "last ended as OOMKilled, status 137" in done.err


def test_a_name_that_no_waiting_mends_is_not_waited_for(place: Place) -> None:
    done = rolled_out(place, pod("2", {"reason": "InvalidImageName", "message": "no"}), PATIENCE="600s")
    assert "Pods can not start.\n  pod inference-r2-x, container inference: InvalidImageName" in done.err


def test_pods_that_are_refused_are_told_though_none_exists(place: Place) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: cpu"}
    done = rolled_out(place, conditions=[refused])
    assert "deployment inference: FailedCreate: exceeded quota: cpu" in done.err


def test_a_pod_that_waits_for_a_node_is_waited_for_until_the_deadline(place: Place) -> None:
    pending = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/2 nodes are available",
    }
    done = rolled_out(place, pod("2", None, conditions=[pending]), DEADLINE="1.2s")
    assert done.status != 0
    assert "inference is not there after 1 s" in done.err
    assert "Unschedulable: 0/2 nodes are available" in done.err


def test_a_pod_that_says_nothing_of_itself_is_told_by_its_events(place: Place) -> None:
    place.answer(
        "get events", out=listed({"reason": "FailedMount", "message": "references non-existent key: api-keys"})
    )
    done = rolled_out(place, pod("2", {"reason": "ContainerCreating"}, phase="Pending"), DEADLINE="1.2s")
    assert "pod inference-r2-x: NotReady: phase Pending" in done.err
    assert "event FailedMount: references non-existent key: api-keys" in done.err


def test_an_old_pod_that_is_ill_is_no_reason(place: Place) -> None:
    done = rolled_out(place, pod("1", {"reason": "CrashLoopBackOff", "message": "old"}), pod("2", None), DEADLINE="1s")
    assert "CrashLoopBackOff" not in done.err
    assert "is not there after 1 s" in done.err


def test_the_program_that_waits_is_ended_with_the_wait(place: Place) -> None:
    done = rolled_out(place, pod("2", {"reason": "InvalidImageName", "message": "no"}))
    assert done.status != 0  # and it ended at all: whoever waits for make waits for all that hold its output


def test_a_deploy_ends_with_the_pods_reason(place: Place) -> None:
    place.answer(WAITING, pause=LONG)
    ours = deployment("inference", "there/inference:of-2")
    ill = pod("2", {"reason": "ImagePullBackOff", "message": "Back-off pulling image"})
    place.answer("get deployments,replicasets,pods", out=listed(ours, replica_set("2"), ill))
    done = place.make("deploy-inference", PATIENCE="0.2s", POLL="0.1s")
    assert done.status != 0
    assert "ImagePullBackOff: Back-off pulling image" in done.err
    assert "get services,ingresses" not in "\n".join(place.lines)


def test_what_terraform_waited_for_in_vain_is_told_with_the_pods_reason(place: Place) -> None:
    place.answer("30-apps apply", status=1, err="Waiting for rollout to finish\n")
    kafka = pod("2", {"reason": "ImagePullBackOff", "message": "toomanyrequests"})
    ended = pod("1", None, phase="Succeeded")
    place.answer("get deployments,replicasets,pods", out=listed(kafka, ended))
    done = place.make("deploy")
    assert done.status != 0
    assert "ImagePullBackOff: toomanyrequests" in done.err
    assert "inference-r1" not in done.err
