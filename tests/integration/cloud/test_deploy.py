"""`make deploy` from end to end, on stub programs: its order, and a second run."""

import json
from itertools import pairwise

from tests.integration.cloud.place import Place
from tests.integration.cloud.world import ACCOUNT, BALANCER, DIGESTS, HOST, REGISTRY, all_goes_well

ENVS = "infra/terraform/envs/demo"


def steps(place: Place) -> list[str]:
    """What a deploy changes, in its order."""
    short = {
        "docker build": "build",
        "docker login": "login",
        "docker push": "push",
        "10-platform apply": "10",
        "20-addons apply": "20",
        "30-apps apply": "30",
        "update-kubeconfig": "kubeconfig",
        "rollout status": "rollout",
        "get services,ingresses": "address",
    }
    return [name for line in place.lines for words, name in short.items() if words in line]


def said_to(place: Place, root: str) -> dict[str, str]:
    """Variables of the one apply of a root."""
    (call,) = [call for call in place.calls if f"-chdir={ENVS}/{root}" in call and "apply" in call]
    return dict(word.split("=", 1) for before, word in pairwise(call) if before == "-var")


def test_a_first_deploy_goes_from_a_commit_to_an_address(place: Place) -> None:
    place.rules.clear()
    all_goes_well(place, stands=False)
    done = place.make("deploy")
    assert done.status == 0, done.err
    built = ["build", "build", "10", "login", "push", "push"]
    assert steps(place) == [*built, "kubeconfig", "20", "30", "rollout", "rollout", "rollout", "address"]
    assert f"chat       http://{BALANCER}" in done.out
    for path in ("/health", "/ready", "/triage"):
        assert f"curl http://{BALANCER}{path}" in done.out


def test_images_are_tagged_by_the_commit_built_for_the_nodes_and_pushed_by_name_and_tag(place: Place) -> None:
    assert place.make("deploy").status == 0
    tag = place.tag
    builds = [call for call in place.calls if call[:2] == ["docker", "build"]]
    assert [call[call.index("--tag") + 1] for call in builds] == [f"sluice-demo/{name}:{tag}" for name in DIGESTS]
    assert all(call[call.index("--platform") + 1] == "linux/amd64" for call in builds)
    assert all(f"REVISION={tag}" in call for call in builds)
    assert builds[1][builds[1].index("--target") + 1] == "serving"
    pushed = [call[2] for call in place.calls if call[:2] == ["docker", "push"]]
    assert pushed == [f"{REGISTRY}/{name}:{tag}" for name in DIGESTS]


def test_the_password_of_the_registry_passes_by_a_pipe_and_is_never_shown(place: Place) -> None:
    done = place.make("deploy")
    assert place.taken("docker", "login", "--username", "AWS", "--password-stdin", HOST) == "a-password"
    assert "a-password" not in done.out + done.err


def test_the_platform_tells_the_other_roots_what_it_knows_and_pods_are_held_to_digests(place: Place) -> None:
    assert place.make("deploy").status == 0
    assert said_to(place, "10-platform") == {}
    assert said_to(place, "20-addons")["vpc_id"] == "vpc-0a1b2c3d"
    told = said_to(place, "30-apps")
    assert {"registry": REGISTRY, "s3_bucket": "sluice-demo-bucket", "lb_mode": "classic"}.items() <= told.items()
    assert told["prometheus_address"] == "http://prometheus:9090"
    assert told["kubeconfig_context"] == "sluice-demo"
    assert told["image_tag"] == place.tag
    assert json.loads(told["image_digest"]) == DIGESTS
    assert "image_tags" not in told


def test_the_same_commit_deployed_again_is_neither_built_nor_pushed(place: Place) -> None:
    assert place.make("deploy").status == 0
    place.forget()
    done = place.make("deploy")
    assert done.status == 0, done.err
    assert steps(place) == ["10", "kubeconfig", "20", "30", "rollout", "rollout", "rollout", "address"]
    assert "neither built nor pushed" in done.out


def test_an_older_tag_that_was_pushed_is_deployed_without_being_built(place: Place) -> None:
    place.answer("describe-images", "imageTag=0123abc", "/chat-api", out=DIGESTS["chat-api"])
    place.answer("describe-images", "imageTag=0123abc", "/inference", out=DIGESTS["inference"])
    (place.folder / "uncommitted").touch()  # it is not this checkout that is deployed
    done = place.make("deploy", IMAGE_TAG="0123abc")
    assert done.status == 0, done.err
    assert "build" not in steps(place)
    assert said_to(place, "30-apps")["image_tag"] == "0123abc"


def test_a_tag_that_nobody_pushed_is_not_built_from_another_commit(place: Place) -> None:
    done = place.make("deploy", IMAGE_TAG="0123abc")
    assert done.status != 0
    assert "another commit" in done.err
    assert steps(place) == []


def test_the_chat_service_is_deployed_alone_and_the_other_keeps_its_image(place: Place) -> None:
    done = place.make("deploy-chat")
    assert done.status == 0, done.err
    assert steps(place) == ["kubeconfig", "build", "login", "push", "30", "rollout", "address"]
    told = said_to(place, "30-apps")
    assert told["image_tag"] == place.tag
    assert json.loads(told["image_tags"]) == {"inference": "0123abc"}
    assert json.loads(told["image_digest"]) == DIGESTS
    assert [line for line in place.lines if "rollout status" in line] == [
        "kubectl --context sluice-demo --namespace sluice rollout status deployment/chat-api --timeout=600s"
    ]


def test_the_forecast_service_is_both_of_its_deployments(place: Place) -> None:
    done = place.make("deploy-inference")
    assert done.status == 0, done.err
    assert json.loads(said_to(place, "30-apps")["image_tags"]) == {"chat-api": "0123abc"}
    waited = [line.split()[7] for line in place.lines if "rollout status" in line]
    assert waited == ["deployment/inference", "deployment/inference-claims"]


def test_one_service_alone_wants_the_other_to_be_there(place: Place) -> None:
    place.answer("get deployments --output json", out='{"items": []}')
    done = place.make("deploy-chat")
    assert done.status != 0
    assert "make deploy" in done.err
    assert steps(place) == ["kubeconfig"]


def test_a_dirty_checkout_is_refused_or_named_by_its_content(place: Place) -> None:
    (place.folder / "docker").mkdir()
    (place.folder / "docker/uncommitted").write_text("one")
    done = place.make("deploy")
    assert done.status != 0
    assert "docker/" in done.err
    assert steps(place) == []
    tags = []
    for content in ("one", "two", "one"):
        (place.folder / "docker/uncommitted").write_text(content)
        place.make("docker-build-chat", ALLOW_DIRTY="1")
        tags.append(place.calls[-1][place.calls[-1].index("--tag") + 1])
    assert tags[0] == tags[2] != tags[1]
    assert tags[0].startswith(f"sluice-demo/chat-api:{place.tag}-dirty-")


def test_an_image_that_is_there_is_not_pushed_again(place: Place) -> None:
    assert place.make("docker-push-chat").status == 0
    assert f"docker push {REGISTRY}/chat-api:{place.tag}" in place.lines
    place.forget()
    done = place.make("docker-push-chat")
    assert done.status == 0, done.err
    assert not [line for line in place.lines if line.startswith("docker")]
    assert ACCOUNT not in done.err
