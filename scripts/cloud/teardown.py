"""Destroying, in an order that leaves nothing behind that costs: `tf-destroy` and `shutdown-all`.

Balancers and volumes are made by controllers in the cluster, at the wish of objects; Terraform knows none of them. So
the objects go first, while those controllers still run, and it is waited until their balancers and volumes are gone.
Then the roots, last one first.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from scripts.cloud import cluster, terraform
from scripts.cloud.running import Deadline, Stop, say, step
from scripts.cloud.session import Session
from scripts.cloud.terraform import ADDONS, APPS, PLATFORM

_AGAIN = "Mend it and run the same command again: what is gone is skipped."
_BALANCED = "elbv2.k8s.aws/cluster"
_UNNAMED = {"image_tag": "none"}  #: a destroy wants a value for what has no default, and looks at none of them


def destroy(session: Session) -> None:
    """Raises Stop."""
    roots = tuple(reversed(terraform.selected(session)))
    confirm(session, roots)
    for root in dict.fromkeys((PLATFORM, *roots)):
        terraform.init(session, root)
    said = terraform.platform(session)
    _nothing_above(session, roots)
    stands = _stands(session, said)
    if APPS in roots and stands:
        with step("Balancers and volumes", _AGAIN):
            drain(session)
    for root in roots:
        if root == PLATFORM and stands:
            with step("Volumes of the addons", _AGAIN):
                cluster.run(session, "delete", "persistentvolumeclaims", "--all", "--all-namespaces", _timeout(session))
                _until_volumes_are_gone(session, everywhere=True)
        with step(f"Destroy {root}", _AGAIN):
            _destroy(session, root, said)
    if PLATFORM in roots:
        leftovers(session)


def _stands(session: Session, said: Mapping[str, object]) -> bool:
    """Is there a cluster to drain? A destroy that stopped in its middle may have taken it along. Raises Stop."""
    if not said:
        return False
    try:
        cluster.configure(session)
    except cluster.NoCluster as absent:
        say(f"{absent.words} Nothing to drain.")
        return False
    cluster.answers(session)
    return True


def _destroy(session: Session, root: str, said: Mapping[str, object]) -> None:
    if not terraform.resources(session, root):
        say(f"{root} holds nothing: skipped.")
        return
    values = {} if root == PLATFORM else terraform.handed(session, root, (PLATFORM, said))
    terraform.destroy(session, root, {**values, **(_UNNAMED if root == APPS else {})})


def confirm(session: Session, roots: tuple[str, ...]) -> None:
    """Raises Stop unless the operator has named what is to go."""
    wishes = session.wishes
    if wishes.dry_run or wishes.confirm == wishes.cluster:
        return
    words = f"This destroys {', '.join(roots)} of {wishes.cluster} in {wishes.region}, and what its volumes hold."
    if not wishes.confirm and sys.stdin.isatty():
        if input(f"{words}\nThe cluster's name, to go on: ").strip() == wishes.cluster:
            return
        raise Stop("Nothing was destroyed.")
    raise Stop(f"{words}\nNothing was destroyed.", f"CONFIRM={wishes.cluster} says that it is meant.")


def drain(session: Session) -> None:
    """Until no balancer and no volume of the namespace is left. Raises Stop."""
    gone = ("--ignore-not-found", _timeout(session))
    # KEDA first: it would bring pods back. Then pods, then what they stood on.
    if "scaledobjects" in _kinds(session):
        cluster.run(session, "delete", "scaledobjects", "--all", *gone)
    cluster.run(session, "delete", "ingresses", "--all", *gone)
    balanced = [each["metadata"]["name"] for each in cluster.objects(session, "services") if _is_balanced(each)]
    for name in balanced or (["<chat-api-service>"] if session.wishes.dry_run else []):
        cluster.run(session, "delete", f"service/{name}", *gone)
    cluster.run(session, "delete", "deployments,statefulsets,jobs", "--all", *gone)
    cluster.run(session, "delete", "persistentvolumeclaims", "--all", *gone)
    _until_volumes_are_gone(session)


def leftovers(session: Session) -> None:
    """Says what AWS still has of the cluster. Its list lags some minutes behind, so this is a word and no failure."""
    wishes = session.wishes
    left: list[str] = []
    # The cluster's own controllers mark what they make, and the load balancer controller does in a way of its own.
    for mark in (
        f"Key=kubernetes.io/cluster/{wishes.cluster},Values=owned",
        f"Key={_BALANCED},Values={wishes.cluster}",
    ):
        told = session.runner.ask(
            *("aws", "resourcegroupstaggingapi", "get-resources", "--region", wishes.region, "--tag-filters", mark),
            *("--query", "ResourceTagMappingList[].ResourceARN", "--output", "text"),
        )
        if told.status != 0:
            say(f"Not looked for what is left: {told.reason}")
            return
        left += told.out.split()
    if left:
        say("AWS still lists these as the cluster's (what went minutes ago may be among them); look before the bill:")
        say("\n".join(f"  {arn}" for arn in left))
    elif not wishes.dry_run:
        say("AWS lists nothing of the cluster any more.")


def _nothing_above(session: Session, roots: tuple[str, ...]) -> None:
    """Raises Stop where a root is to go that others still stand on."""
    for root in (APPS, ADDONS):
        stands_on = {PLATFORM} if root == ADDONS else {PLATFORM, ADDONS}
        if root not in roots and stands_on & set(roots) and terraform.resources(session, root):
            raise Stop(f"{root} still holds something, and it stands on what is to go.", f"make tf-destroy ROOT={root}")


def _kinds(session: Session) -> str:
    told = cluster.ask(session, "api-resources", "--api-group=keda.sh", "--output=name")
    return "scaledobjects" if session.wishes.dry_run else told.out


def _is_balanced(service: Mapping[str, Any]) -> bool:
    return bool(service["spec"].get("type") == "LoadBalancer")


def _timeout(session: Session) -> str:
    return f"--timeout={session.wishes.deadline:.0f}s"


def _until_volumes_are_gone(session: Session, everywhere: bool = False) -> None:
    """A claim goes at once; its disk is deleted by the driver, which needs the platform for it."""
    deadline = Deadline(session.wishes.deadline)
    while True:
        command = cluster.kubectl(session, "get", "persistentvolumes", "--output", "json")
        told = session.runner.read(*command, instead='{"items": []}')
        ours = [each for each in json.loads(told)["items"] if everywhere or _is_ours(session, each)]
        kept = [each for each in ours if each["spec"].get("persistentVolumeReclaimPolicy") == "Retain"]
        if len(kept) == len(ours):
            break
        if deadline.over:
            raise Stop(f"Volumes are still there after {deadline.seconds:.0f} s: {_named(ours)}.")
        session.runner.pause(session.wishes.poll)
    for each in kept:
        say(f"Kept, as its class says (Retain): {_named([each])}; the disk goes on costing.")


def _is_ours(session: Session, volume: Mapping[str, Any]) -> bool:
    return bool(volume["spec"].get("claimRef", {}).get("namespace") == session.wishes.namespace)


def _named(volumes: list[Mapping[str, Any]]) -> str:
    return ", ".join(
        f"{each['metadata']['name']} ({each['spec'].get('csi', {}).get('volumeHandle', 'no disk')})" for each in volumes
    )
