"""A deploy that fails in its middle stops there, says what to do next, and a second run goes on."""

import pytest

from tests.integration.cloud.place import Place
from tests.integration.cloud.test_deploy import steps
from tests.integration.cloud.world import ACCOUNT, PLATFORM, listed, node_group, outputs, service

_BUILT = ["build", "build"]
_PUSHED = [*_BUILT, "10", "login", "push", "push"]
_REST = ["kubeconfig", "20", "30", "rollout", "rollout", "rollout", "address"]


@pytest.mark.parametrize(
    ("words", "reached", "second"),
    [
        ("docker build --platform linux/amd64 --file docker/inference", _BUILT, [*_PUSHED, *_REST]),
        ("10-platform init", _BUILT, [*_PUSHED, *_REST]),
        ("10-platform apply", [*_BUILT, "10"], [*_PUSHED, *_REST]),
        ("docker login", [*_BUILT, "10", "login"], [*_PUSHED, *_REST]),
        ("docker push 123456789012.dkr.ecr.us-east-2.amazonaws.com/sluice-demo/inference", _PUSHED, None),
        ("update-kubeconfig", [*_PUSHED, "kubeconfig"], ["10", *_REST]),
        ("get --raw /readyz", [*_PUSHED, "kubeconfig"], ["10", *_REST]),
        ("20-addons init", [*_PUSHED, "kubeconfig"], ["10", *_REST]),
        ("20-addons apply", [*_PUSHED, "kubeconfig", "20"], ["10", *_REST]),
        ("30-apps apply", [*_PUSHED, "kubeconfig", "20", "30"], ["10", *_REST]),
        ("rollout status deployment/inference ", [*_PUSHED, *_REST[:5]], ["10", *_REST]),
    ],
)
def test_a_failure_in_the_middle_stops_and_a_second_run_goes_on(
    place: Place, words: str, reached: list[str], second: list[str] | None
) -> None:
    place.answer(words, status=1, err="it broke\n", once=True)
    done = place.make("deploy")
    assert done.status != 0
    assert steps(place) == reached
    assert "Stopped: " in done.err
    assert "Next: " in done.err
    assert "again" in done.err.partition("Next: ")[2]
    place.forget()
    again = place.make("deploy")
    assert again.status == 0, again.err
    one_left = ["build", "10", "login", "push", *_REST]
    assert steps(place) == (second or one_left)


@pytest.mark.parametrize("program", ["aws", "docker", "terraform", "kubectl"])
def test_a_missing_program_is_named_with_where_it_comes_from_before_anything_is_done(
    place: Place, program: str
) -> None:
    (place.stubs / program).unlink()
    done = place.make("deploy")
    assert done.status != 0
    assert f"Not found on PATH: {program}" in done.err
    assert "https://" in done.err
    assert place.calls == []


def test_a_program_may_be_another_one_and_is_looked_for_under_that_name(place: Place) -> None:
    (place.stubs / "docker").rename(place.stubs / "engine")
    assert place.make("docker-build-chat", DOCKER="engine --quiet").status == 0
    assert place.calls[-1][:3] == ["engine", "--quiet", "build"]
    done = place.make("docker-build-chat", DOCKER="other")
    assert "docker (other)" in done.err


@pytest.mark.parametrize("target", ["deploy", "ecr-login", "shutdown-nodes", "tf-destroy"])
def test_without_credentials_nothing_is_begun(place: Place, target: str) -> None:
    place.answer(
        "sts get-caller-identity", status=255, err="\nError when retrieving token from sso: Token has expired\n"
    )
    done = place.make(target, CONFIRM="sluice-demo")
    assert done.status != 0
    assert "Token has expired" in done.err
    assert "aws sso login" in done.err
    assert len(place.calls) == 1


def test_a_registry_that_may_not_be_asked_is_not_taken_for_an_empty_one(place: Place) -> None:
    place.answer("describe-images", status=254, err="An error occurred (AccessDeniedException): no\n")
    done = place.make("deploy")
    assert done.status != 0
    assert "AccessDeniedException" in done.err
    assert steps(place) == []


def test_a_platform_in_another_region_is_not_applied_over(place: Place) -> None:
    place.answer("10-platform output -json", out=outputs({**PLATFORM, "region": "eu-west-1"}))
    done = place.make("deploy")
    assert done.status != 0
    assert "eu-west-1" in done.err
    assert "make region-set" in done.err
    assert "10" not in steps(place)


def test_a_region_on_the_command_line_that_terraform_does_not_mean_is_refused(place: Place) -> None:
    done = place.make("deploy", REGION="eu-west-1")
    assert done.status != 0
    assert "make region-set REGION=eu-west-1" in done.err
    assert place.calls == []
    assert place.make("k8s-status", REGION="us-east-2").status == 0


def test_a_state_that_nobody_placed_stops_the_deploy_before_it_builds(place: Place) -> None:
    (place.folder / "infra/terraform/envs/demo/30-apps/backend.hcl").unlink()
    done = place.make("deploy")
    assert done.status != 0
    assert "backend.hcl.example" in done.err
    assert steps(place) == []


def test_a_chat_service_that_nobody_may_ask_is_not_deployed(place: Place) -> None:
    place.answer("get secret sluice-chat", out="")
    done = place.make("deploy")
    assert done.status != 0
    assert "TF_VAR_chat_secrets" in done.err
    assert "30" not in steps(place)
    assert place.make_with({"TF_VAR_chat_secrets": '{"api-keys": "one"}'}, "deploy").status == 0
    place.forget()
    (place.folder / "infra/terraform/envs/demo/30-apps/terraform.tfvars").write_text(
        'chat_secrets = { api-keys = "one" }\n'
    )
    assert place.make("deploy").status == 0


def test_nodes_that_are_shut_down_are_not_applied_over(place: Place) -> None:
    place.answer("describe-nodegroup", "llm-1", out=node_group("llm-1", (0, 2, 0), "1:2:1"))
    done = place.make("deploy")
    assert done.status != 0
    assert "make spinup-all" in done.err
    assert "10" not in steps(place)


def test_a_cluster_that_is_not_there_is_told_with_those_that_are(place: Place) -> None:
    place.answer(
        "update-kubeconfig", status=254, err="An error occurred (ResourceNotFoundException): No cluster found\n"
    )
    place.answer("list-clusters", out="other another\n")
    done = place.make("k8s-config")
    assert done.status != 0
    assert "There is no cluster sluice-demo in us-east-2; clusters there: other, another" in done.err


def test_a_cluster_that_does_not_answer_from_here_is_told_with_the_reason(place: Place) -> None:
    place.answer("/readyz", status=1, err="Unable to connect to the server: dial tcp 10.20.1.7:443: i/o timeout\n")
    done = place.make("k8s-config")
    assert done.status != 0
    assert "i/o timeout" in done.err
    assert "endpoint_public_cidrs" in done.err


@pytest.mark.parametrize("target", ["k8s-status", "k8s-get-urls", "k8s-logs", "k8s-logs-errors", "k8s-restart"])
def test_a_cluster_that_kubectl_does_not_know_or_knows_elsewhere_is_not_touched(place: Place, target: str) -> None:
    place.answer("config view", status=1, err="error: cannot locate context sluice-demo\n", once=True)
    done = place.make(target)
    assert done.status != 0
    assert "make k8s-config" in done.err
    place.answer("config view", out=f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/sluice-demo")
    done = place.make(target)
    assert done.status != 0
    assert "eu-west-1" in done.err
    assert all("config view" in line for line in place.lines)


def test_no_address_within_the_deadline_is_a_failure(place: Place) -> None:
    place.answer("get services,ingresses", out=listed(service()))
    place.answer("get events", out=listed({"reason": "SyncLoadBalancerFailed", "message": "no subnet has the tag"}))
    done = place.make("k8s-get-urls", DEADLINE="0.3s", POLL="0.1s")
    assert done.status != 0
    assert "no subnet has the tag" in done.err
    done = place.make("deploy", DEADLINE="0.3s", POLL="0.1s")
    assert done.status != 0
    assert "has no address" in done.err


@pytest.mark.parametrize("said", [{"DEADLINE": "soon"}, {"ROOT": "40-more"}, {"APP": "web"}, {"TAIL": "many"}])
def test_what_can_not_be_meant_is_refused_with_its_name(place: Place, said: dict[str, str]) -> None:
    done = place.make("k8s-logs", said)
    assert done.status != 0
    assert f"{next(iter(said))}={next(iter(said.values()))}" in done.err
    assert place.calls == []
