"""`tf-init`, `tf-plan`, `tf-apply` for an operator who takes the roots in hand: one (ROOT=…), or all in order."""

from collections.abc import Mapping

from scripts.cloud import cluster, terraform, workloads
from scripts.cloud.deploy import images_of
from scripts.cloud.running import Stop, say, step
from scripts.cloud.session import Session
from scripts.cloud.terraform import ADDONS, APPS, PLATFORM


def init(session: Session) -> None:
    for root in terraform.selected(session):
        with step(root):
            terraform.init(session, root)


def plan(session: Session) -> None:
    """A root that stands on what is not there yet can not be planned; that is said, and is no failure of the rest."""
    for root in terraform.selected(session):
        with step(root):
            try:
                values = values_of(session, root)
            except NotYet as early:
                if session.wishes.root:
                    raise
                say(f"{early.words} {early.then}")
                return
            terraform.plan(session, root, values)


def apply(session: Session) -> None:
    """Terraform asks before each, unless AUTO_APPROVE=1. Raises Stop."""
    for root in terraform.selected(session):
        with step(root, f"Mend it, then make tf-apply ROOT={root} and those after it."):
            terraform.apply(session, root, values_of(session, root), session.wishes.auto_approve)


class NotYet(Stop):
    """What a root stands on is not there."""


def values_of(session: Session, root: str) -> dict[str, str]:
    """Its variables, as far as the roots before it and the cluster answer them. Raises NotYet, Stop."""
    said = terraform.platform(session)
    if root == PLATFORM:
        return {}
    if not said:
        raise NotYet(f"{root} stands on {PLATFORM}, which was not applied yet.", f"make tf-apply ROOT={PLATFORM}")
    cluster.is_configured(session)
    if root == ADDONS:
        return terraform.handed(session, ADDONS, (PLATFORM, said))
    values = terraform.handed(session, APPS, (PLATFORM, said), (ADDONS, terraform.outputs(session, ADDONS)))
    return {**values, **_images(session)}


def _images(session: Session) -> Mapping[str, str]:
    """Those that run, so that a plan shows what else would change; or IMAGE_TAG's."""
    if session.wishes.image_tag:
        return {"image_tag": session.wishes.image_tag}
    running = workloads.running_images(session)
    if session.wishes.dry_run:
        return {"image_tag": "<tag that runs>"}
    if not running:
        raise NotYet("No image runs yet, and IMAGE_TAG names none.", "make deploy, or IMAGE_TAG=…")
    return images_of(running)
