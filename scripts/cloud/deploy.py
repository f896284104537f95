"""`make deploy`, `make deploy-chat`, `make deploy-inference`: from a commit to an address.

Build, platform, push, addons, services, rollout, address. Images are built before anything is made that costs, and
pushed after the platform, whose registry takes them. Each step is skipped or without effect when it was done before,
so after a failure the same command goes on.
"""

import json
import os
from collections.abc import Mapping, Sequence

from scripts.cloud import cluster, nodes, programs, registry, rollout, terraform, urls, workloads
from scripts.cloud.registry import IMAGES, Image
from scripts.cloud.running import Stop, say, step
from scripts.cloud.session import Session
from scripts.cloud.terraform import ADDONS, APPS, PLATFORM
from scripts.cloud.wishes import DEPLOYMENTS, ROOTS

_AGAIN = "Mend it and run the same command again: what is done is skipped."
_PART = {"chat": ("chat-api",), "inference": ("inference", "inference-claims")}


def deploy(session: Session) -> None:
    """All of it. Raises Stop."""
    programs.need(session, "aws", "docker", "terraform", "kubectl")
    with step("Who, and what"):
        account, tag = programs.account(session), registry.wanted_tag(session)
        say(f"{session.wishes.cluster} in {session.wishes.region}, images {tag}")
        for root in ROOTS:
            terraform.has_backend(session, root)  # now, and not after a quarter of an hour
    with step("Build", _AGAIN):
        absent = _build(session, list(IMAGES.values()), tag)
    with step("Platform (10-platform)", _AGAIN):
        said = _platform(session)
    with step("Push", _AGAIN):
        digests = _push(session, list(IMAGES.values()), absent, tag, account)
    with step("Cluster", _AGAIN):
        cluster.configure(session)
        cluster.answers(session)
    with step("Addons (20-addons)", _AGAIN):
        terraform.init(session, ADDONS)
        terraform.apply(session, ADDONS, terraform.handed(session, ADDONS, (PLATFORM, said)), unasked=True)
        addons = terraform.outputs(session, ADDONS)
    with step("Services (30-apps)", _AGAIN):
        has_keys(session)
        terraform.init(session, APPS)
        _apply_services(session, said, addons, images_of({name: (tag, digest) for name, digest in digests.items()}))
        deployments = _deployments(session)
    _wait(session, deployments)


def deploy_one(session: Session, key: str) -> None:
    """One image, on a platform that stands; the other service keeps what it runs. Raises Stop."""
    image = IMAGES[key]
    programs.need(session, "aws", "docker", "terraform", "kubectl")
    with step("Who, and what"):
        account, tag = programs.account(session), registry.wanted_tag(session)
        say(f"{image.name} {tag}, to {session.wishes.cluster} in {session.wishes.region}")
    with step("Platform", "make deploy makes what is missing, from the ground."):
        terraform.init(session, PLATFORM)
        said = _complete(terraform.platform(session))
        terraform.init(session, ADDONS)
        addons = terraform.outputs(session, ADDONS)
        cluster.configure(session)
        cluster.answers(session)
        running = workloads.running_images(session)
        if not session.wishes.dry_run and len({*running, image.name}) < len(IMAGES):
            raise Stop(f"Beside {image.name} nothing runs yet in namespace {session.wishes.namespace}.")
    with step("Build and push", _AGAIN):
        absent = _build(session, [image], tag)
        digests = _push(session, [image], absent, tag, account)
    with step("Services (30-apps)", _AGAIN):
        terraform.init(session, APPS)
        if session.wishes.dry_run:
            running = {other.name: (f"<tag of {other.name}>", f"<digest of {other.name}>") for other in IMAGES.values()}
        wanted = {**running, image.name: (tag, digests[image.name])}
        _apply_services(session, said, addons, images_of(wanted, newest=tag))
    _wait(session, _PART[key])


def images_of(wanted: Mapping[str, tuple[str, str]], newest: str = "") -> dict[str, str]:
    """Variables of 30-apps that say which images run; `wanted` has tag and digest by image."""
    tag = newest or next(tag for tag, _ in wanted.values())
    digests = {name: digest for name, (_, digest) in sorted(wanted.items()) if digest}
    others = {name: other for name, (other, _) in sorted(wanted.items()) if other != tag}
    found = {"image_tag": tag, "image_digest": json.dumps(digests), "image_tags": json.dumps(others)}
    return {name: value for name, value in found.items() if value != "{}"}


def has_keys(session: Session) -> None:
    """Raises Stop where nobody has said who may ask the chat service: its pods would not start.

    Once they are in the cluster they stay there, and nobody who deploys need have them.
    """
    said = "TF_VAR_chat_secrets" in os.environ or terraform.is_said(session, APPS, "chat_secrets")
    found = cluster.ask(
        *(session, "get", "secret", "sluice-chat", "--ignore-not-found", "--output", "jsonpath={.data.api-keys}")
    )
    if not said and not found.out.strip() and not session.wishes.dry_run:
        raise Stop(
            "Nobody has said who may ask the chat service: TF_VAR_chat_secrets is not set, and the cluster has none.",
            "infra/terraform/README.md (Secrets) makes one in two lines; then the same command goes on.",
        )


def _build(session: Session, images: Sequence[Image], tag: str) -> list[Image]:
    """Those the registry lacks; they are built now. Raises Stop."""
    absent = [image for image in images if not registry.digest(session, image, tag, expected=False)]
    for image in images:
        if image not in absent:
            say(f"{image.name}:{tag} is in the registry already: neither built nor pushed.")
            continue
        registry.may_build(session, image, tag)
        registry.build(session, image, tag)
    return absent


def _push(session: Session, images: Sequence[Image], absent: Sequence[Image], tag: str, account: str) -> dict[str, str]:
    """Digests of all, after those that are absent were pushed. Raises Stop."""
    if absent:
        registry.login(session, account)
    for image in absent:
        registry.push(session, image, tag, account)
    digests = {image.name: registry.digest(session, image, tag, expected=True) for image in images}
    gone = [name for name, digest in digests.items() if not digest]
    if gone:
        raise Stop(f"The registry does not have {', '.join(gone)}:{tag}, though nothing failed before.")
    return digests


def _platform(session: Session) -> dict[str, object]:
    terraform.init(session, PLATFORM)
    stands = terraform.platform(session)
    if stands:
        asleep = nodes.away(session)
        if asleep:
            raise Stop(f"The nodes are shut down ({', '.join(asleep)}).", "make spinup-all, then make deploy.")
    terraform.apply(session, PLATFORM, {}, unasked=True)
    return _complete(terraform.platform(session))


def _complete(said: dict[str, object]) -> dict[str, object]:
    missing = terraform.missing_outputs(said, ("cluster_name", "registry", "region"))
    if missing:
        raise Stop(f"10-platform does not say {', '.join(missing)}: it does not stand yet.")
    return said


def _apply_services(
    session: Session, said: Mapping[str, object], addons: Mapping[str, object], images: Mapping[str, str]
) -> None:
    values = terraform.handed(session, APPS, (PLATFORM, said), (ADDONS, addons))
    try:
        terraform.apply(session, APPS, {**values, **images}, unasked=True)
    except Stop as stop:
        # Terraform waits for Kafka and its topics, and says no more than that it did so in vain.
        raise Stop("\n".join([stop.words, *rollout.reasons(session)]), stop.then) from stop


def _deployments(session: Session) -> list[str]:
    said = terraform.outputs(session, APPS).get("deployments")
    return [str(name) for name in said] if isinstance(said, list) else list(DEPLOYMENTS)


def _wait(session: Session, deployments: Sequence[str]) -> None:
    with step("Rollout"):
        rollout.wait(session, deployments)
    with step("Addresses"):
        urls.urls(session)
