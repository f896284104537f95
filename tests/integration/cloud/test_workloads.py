"""The targets for what runs, and the balancer's address."""

from typing import Any

import pytest

from tests.integration.cloud.place import Place
from tests.integration.cloud.test_rollout import replica_set
from tests.integration.cloud.world import deployment, listed, service

_KUBECTL = "kubectl --context sluice-demo --namespace sluice"


def ingress(*entries: dict[str, str], host: str = "", certified: bool = False) -> dict[str, Any]:
    annotations = {"alb.ingress.kubernetes.io/certificate-arn": "arn"} if certified else {}
    return {
        "kind": "Ingress",
        "metadata": {"name": "chat-api-service", "annotations": annotations},
        "spec": {"rules": [{"host": host}] if host else [{}]},
        "status": {"loadBalancer": {"ingress": list(entries)}},
    }


@pytest.mark.parametrize(
    ("objects", "url"),
    [
        ([service({"hostname": "a.elb.amazonaws.com"})], "http://a.elb.amazonaws.com"),
        ([service({"ip": "203.0.113.7"})], "http://203.0.113.7"),
        ([service(kind="ClusterIP"), ingress({"hostname": "k8s.elb.amazonaws.com"})], "http://k8s.elb.amazonaws.com"),
        (
            [service(kind="ClusterIP"), ingress({"hostname": "k8s"}, certified=True, host="chat.example.org")],
            "https://chat.example.org",
        ),
    ],
)
def test_the_address_is_a_hostname_or_an_ip_of_a_service_or_an_ingress(
    place: Place, objects: list[dict[str, Any]], url: str
) -> None:
    place.answer("get services,ingresses", out=listed(*objects))
    done = place.make("k8s-get-urls")
    assert done.status == 0, done.err
    assert f"chat       {url}\n" in done.out
    assert f"curl {url}/triage" in done.out


def test_an_address_that_comes_later_is_waited_for(place: Place) -> None:
    place.answer("get services,ingresses", status=1, err="the server is not ready\n", once=True)
    place.answer("get services,ingresses", out=listed(service()), once=True)
    done = place.make("k8s-get-urls", POLL="0.1s")
    assert done.status == 0, done.err
    assert len([line for line in place.lines if "get services" in line]) == 3


def test_without_a_balancer_nothing_is_waited_for(place: Place) -> None:
    place.answer("get services,ingresses", out=listed(service(kind="ClusterIP")))
    done = place.make("k8s-get-urls", DEADLINE="600s")
    assert done.status != 0
    assert "lb_mode" in done.err


def test_no_context_means_the_one_that_the_kubeconfig_has(place: Place) -> None:
    assert place.make("k8s-history", KUBE_CONTEXT="").status == 0
    assert place.lines[0] == "kubectl --namespace sluice rollout history deployment/chat-api"


def test_a_number_of_pods_is_said_to_keda_where_it_scales_and_else_to_the_deployment(place: Place) -> None:
    place.answer("get scaledobject chat-api", out="")
    assert place.make("k8s-scale", APP="claims", REPLICAS="3").status == 0
    paused = "annotate --overwrite scaledobject/inference-claims autoscaling.keda.sh/paused-replicas"
    assert place.lines[-1] == f"{_KUBECTL} {paused}=3"
    assert place.make("k8s-scale", APP="claims", REPLICAS="auto").status == 0
    assert place.lines[-1] == f"{_KUBECTL} {paused}-"
    assert place.make("k8s-scale", APP="chat", REPLICAS="0").status == 0
    assert f"{_KUBECTL} scale deployment/chat-api --replicas=0" in place.lines
    assert place.make("k8s-scale", APP="chat", REPLICAS="auto").status != 0


def test_a_disk_that_one_node_can_have_is_not_scaled_over(place: Place) -> None:
    place.answer("get scaledobject chat-api", out="")
    volumes = [{"name": "model-cache", "persistentVolumeClaim": {"claimName": "chat-api-model-cache"}}]
    one = listed(deployment("chat-api", "there/chat-api:1", volumes=volumes))[len('{"items": [') : -len("]}")]
    place.answer("get deployment/chat-api", out=one)
    done = place.make("k8s-scale", APP="chat-api", REPLICAS="2")
    assert done.status != 0
    assert "chat-api-model-cache" in done.err
    assert not [line for line in place.lines if " scale " in line]
    assert place.make("k8s-scale", APP="chat-api", REPLICAS="1").status == 0


@pytest.mark.parametrize(("target", "said"), [("k8s-scale", {"APP": "chat"}), ("k8s-rollback", {}), ("k8s-scale", {})])
def test_what_would_change_something_wants_to_be_told_what(place: Place, target: str, said: dict[str, str]) -> None:
    done = place.make(target, said)
    assert done.status != 0
    assert ("REPLICAS" if said else "APP") in done.err
    assert place.calls == []


def test_a_rollback_waits_and_says_how_to_keep_it(place: Place) -> None:
    done = place.make("k8s-rollback", APP="inference", REVISION="3")
    assert done.status == 0, done.err
    changed = [line for line in place.lines if " rollout " in line]
    assert changed[0] == f"{_KUBECTL} rollout undo deployment/inference --to-revision=3"
    assert changed[1].startswith(f"{_KUBECTL} rollout status deployment/inference ")
    assert "make deploy-inference IMAGE_TAG=0123abc" in done.out


def test_history_tells_the_image_of_each_revision(place: Place) -> None:
    place.answer("get replicasets", out=listed(replica_set("11"), replica_set("2")))
    done = place.make("k8s-history", APP="inference")
    told = [line.split() for line in done.out.splitlines() if " revision " in line]
    assert [line[-2:] for line in told] == [["2", "there/inference:of-2"], ["11", "there/inference:of-11"]]


def test_errors_are_told_from_other_lines_and_a_restarted_container_by_its_last_words(place: Place) -> None:
    said = [
        '[pod/chat-api-1/chat-api] {"timestamp": "t", "level": "info", "event": "ready", "errors": 0}',
        '[pod/chat-api-1/chat-api] {"timestamp": "t", "level": "error", "event": "engine_lost"}',
        "[pod/chat-api-1/chat-api] Traceback (most recent call last):",
        "[pod/chat-api-1/chat-api] ValueError: no",
        "[pod/chat-api-1/chat-api] 2026 ERROR engine_lost",
        "[pod/chat-api-1/chat-api] no error at all",
    ]
    place.answer("logs --selector", out="\n".join(said))
    status = {"containerStatuses": [{"name": "chat-api", "restartCount": 2}]}
    place.answer("get pods", "--output json", out=listed({"metadata": {"name": "chat-api-1"}, "status": status}))
    place.answer("logs chat-api-1", "--previous", out="its last words\n")
    done = place.make("k8s-logs-errors")
    assert done.status == 0, done.err
    assert [line for line in done.out.splitlines() if line.startswith("[pod")] == said[1:5]
    assert "4 lines of errors" in done.out
    assert "its last words" in done.out


def test_logs_are_of_all_or_of_one_and_can_be_followed(place: Place) -> None:
    assert place.make("k8s-logs").status == 0
    assert "--selector app.kubernetes.io/part-of=sluice" in place.lines[-1]
    assert "--follow" not in place.lines[-1]
    assert place.make("k8s-logs", APP="chat", TAIL="7", FOLLOW="1").status == 0
    assert "--selector app.kubernetes.io/name=chat-api" in place.lines[-1]
    assert place.lines[-1].endswith("--tail=7 --follow")


def test_status_goes_on_where_keda_is_not(place: Place) -> None:
    place.answer("get scaledobjects", status=1, err='error: the server doesn\'t have a resource type "scaledobjects"\n')
    place.answer("get events", "type=Warning", out="LAST SEEN\n1s BackOff\n")
    done = place.make("k8s-status")
    assert done.status == 0, done.err
    assert "resource type" in done.out
    assert "1s BackOff" in done.out
