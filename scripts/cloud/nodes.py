"""Nodes away for the night, and back: `shutdown-nodes` and `spinup-all`.

A node group remembers its sizes in a tag of its own while it is away, so that anybody can bring it back, from any
machine. Volumes, balancer, control plane and NAT stay, and go on costing.
"""

import json
from dataclasses import dataclass

from scripts.cloud import cluster, rollout, urls
from scripts.cloud.running import Deadline, Stop, say, step
from scripts.cloud.session import Session
from scripts.cloud.wishes import DEPLOYMENTS

_TAG = "sluice/sizes"
_STAND_INS = "<general> <llm>"


@dataclass(frozen=True, slots=True)
class Group:
    """A managed node group: least, most and wanted number of nodes, and those it is to come back with."""

    name: str
    arn: str
    sizes: tuple[int, int, int]
    remembered: tuple[int, int, int] | None

    @property
    def is_away(self) -> bool:
        return self.sizes[2] == 0


def groups(session: Session) -> list[Group]:
    """Raises NoCluster, Stop."""
    wishes = session.wishes
    told = session.runner.ask(
        *("aws", "eks", "list-nodegroups", "--region", wishes.region, "--cluster-name", wishes.cluster),
        *("--query", "nodegroups", "--output", "text"),
        instead=_STAND_INS,
    )
    if told.status != 0 and "ResourceNotFound" in told.err:
        raise cluster.NoCluster(
            f"There is no cluster {wishes.cluster} in {wishes.region}.", "make deploy; make region-status."
        )
    if told.status != 0:
        raise Stop(f"EKS does not say which nodes {wishes.cluster} has: {told.reason}")
    return [_group(session, name) for name in told.out.split()]


def shutdown(session: Session) -> None:
    """`make shutdown-nodes`. Raises Stop."""
    for group in groups(session):
        if group.is_away:
            say(f"{group.name} has no nodes already.")
            continue
        words = ":".join(str(size) for size in group.sizes)
        session.runner.run(*_eks(session, "tag-resource", "--resource-arn", group.arn, "--tags", f"{_TAG}={words}"))
        _resize(session, group, (0, group.sizes[1], 0))
    say(
        "The nodes drain and end within some minutes; pods wait until make spinup-all. Control plane, NAT, balancer and"
    )
    say("volumes stay, and cost on: make shutdown-all ends those, too.")


def spin_up(session: Session) -> None:
    """Sizes as they were, then nodes, rollouts and addresses. Raises Stop."""
    found = groups(session)
    with step("Node groups", "make spinup-all again goes on"):
        for group in found:
            if group.is_away or session.wishes.dry_run:
                _resize(session, group, group.remembered or (1, max(1, group.sizes[1]), 1))
        for group in found:
            session.runner.run(*_eks(session, "wait", "nodegroup-active", *_named(session, group.name)))
    with step("Nodes", "make k8s-status; make spinup-all again goes on waiting"):
        cluster.configure(session)
        _until_ready(
            session, sum((group.remembered or (1, 1, 1))[2] if group.is_away else group.sizes[2] for group in found)
        )
    with step("Rollouts"):
        rollout.wait(session, DEPLOYMENTS)
    urls.urls(session)


def away(session: Session) -> list[str]:
    """Groups without nodes. An apply over those would fail in its middle: a least size above the wanted one."""
    return [group.name for group in groups(session) if group.is_away]


def _group(session: Session, name: str) -> Group:
    stand_in = {"nodegroupArn": f"<arn of {name}>", "scalingConfig": {"minSize": 1, "maxSize": 1, "desiredSize": 1}}
    told = session.runner.read(
        *_eks(session, "describe-nodegroup", *_named(session, name), "--output", "json"),
        instead=json.dumps({"nodegroup": stand_in}),
    )
    found = json.loads(told)["nodegroup"]
    sizes = found["scalingConfig"]
    words = str((found.get("tags") or {}).get(_TAG, "")).split(":")
    remembered = (int(words[0]), int(words[1]), int(words[2])) if len(words) == 3 else None
    return Group(name, found["nodegroupArn"], (sizes["minSize"], sizes["maxSize"], sizes["desiredSize"]), remembered)


def _eks(session: Session, verb: str, *arguments: str) -> tuple[str, ...]:
    words = ("aws", "eks", verb, *arguments)
    return (*words, "--region", session.wishes.region)


def _named(session: Session, group: str) -> tuple[str, ...]:
    return ("--cluster-name", session.wishes.cluster, "--nodegroup-name", group)


def _resize(session: Session, group: Group, sizes: tuple[int, int, int]) -> None:
    wanted = f"minSize={sizes[0]},maxSize={sizes[1]},desiredSize={sizes[2]}"
    command = _eks(session, "update-nodegroup-config", *_named(session, group.name), "--scaling-config", wanted)
    session.runner.read(*command)


def _until_ready(session: Session, wanted: int) -> None:
    deadline = Deadline(session.wishes.deadline)
    while True:
        nodes = cluster.objects(session, "nodes")
        ready = sum(_is_ready(node["status"]["conditions"]) for node in nodes)
        if ready >= wanted or session.wishes.dry_run:
            return
        if deadline.over:
            raise Stop(f"{ready} of {wanted} nodes are ready after {deadline.seconds:.0f} s.")
        say(f"{ready} of {wanted} nodes are ready")
        session.runner.pause(max(session.wishes.poll, 1))


def _is_ready(conditions: list[dict[str, str]]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
