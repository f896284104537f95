"""What an operator does to what runs: look, read logs, scale, restart, roll back."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.cloud import cluster, rollout
from scripts.cloud.running import Stop, say
from scripts.cloud.session import Session
from scripts.cloud.wishes import DEPLOYMENTS

_ALL_OF_US = "app.kubernetes.io/part-of=sluice"
_PAUSED = "autoscaling.keda.sh/paused-replicas"
#: A line of ours at level error or critical, as JSON or plain; or a traceback, or the end of one.
_ERROR = re.compile(
    r'"level": ?"(?:error|critical)"|\b(?:ERROR|CRITICAL|FATAL)\b|Traceback|^(?:\[[^]]*\] )?[\w.]*(?:Error|Exception)\b'
)


def chosen(session: Session) -> tuple[str, ...]:
    return (session.wishes.app,) if session.wishes.app else DEPLOYMENTS


def status(session: Session) -> None:
    """`make k8s-status`."""
    cluster.is_configured(session)
    say("Nodes")
    cluster.run(session, "get", "nodes", "--label-columns", "sluice/role,topology.kubernetes.io/zone")
    say(f"\nNamespace {session.wishes.namespace}")
    kinds = "deployments,statefulsets,pods,services,ingresses,persistentvolumeclaims,poddisruptionbudgets,hpa"
    cluster.run(session, "get", kinds, "--output", "wide")
    say("\nScaling by KEDA")
    told = cluster.ask(session, "get", "scaledobjects")
    say((told.out if told.status == 0 else told.reason).rstrip())
    say("\nWarnings, the latest last")
    told = cluster.ask(session, "get", "events", "--field-selector", "type=Warning", "--sort-by", ".lastTimestamp")
    say("\n".join(told.out.rstrip().splitlines()[-11:]) or told.err.strip())


def logs(session: Session) -> None:
    """`make k8s-logs`."""
    cluster.is_configured(session)
    following = ("--follow",) if session.wishes.follow else ()
    cluster.run(session, "logs", *_whose(session), f"--tail={session.wishes.tail}", *following)


def errors(session: Session) -> None:
    """`make k8s-logs-errors`: lines at level error and tracebacks, and how each restarted container ended before."""
    cluster.is_configured(session)
    told = cluster.ask(session, "logs", *_whose(session), "--tail=-1")
    if told.status != 0:
        raise Stop(f"The logs can not be read: {told.reason}")
    found = [line for line in told.out.splitlines() if _ERROR.search(line)]
    for line in found[-session.wishes.tail :]:
        say(line)
    say(
        f"{len(found)} lines of errors"
        + (f", the last {session.wishes.tail} shown" if len(found) > session.wishes.tail else "")
    )
    for pod, container, count in _restarted(cluster.objects(session, "pods", "--selector", _selector(session))):
        say(f"\n{pod}, container {container} has restarted {count} times. Its last words before:")
        said = cluster.ask(session, "logs", pod, "--container", container, "--previous", "--tail=20")
        say(said.out.rstrip() if said.status == 0 else said.reason)


def scale(session: Session) -> None:
    """`make k8s-scale APP=… REPLICAS=n`, or REPLICAS=auto to give the number back to KEDA. Raises Stop."""
    app, replicas = _one(session), session.wishes.replicas
    if replicas != "auto" and not replicas.isdecimal():
        raise Stop(f"REPLICAS={replicas or ' is missing, and'} is no number.", f"make k8s-scale APP={app} REPLICAS=2")
    cluster.is_configured(session)
    scaled = cluster.ask(session, "get", "scaledobject", app, "--output", "name", "--ignore-not-found")
    if scaled.status == 0 and (scaled.out.strip() or session.wishes.dry_run):
        # KEDA would take a number that we set back within seconds; this is its own word for it.
        mark = f"{_PAUSED}-" if replicas == "auto" else f"{_PAUSED}={replicas}"
        cluster.run(session, "annotate", "--overwrite", f"scaledobject/{app}", mark)
        if not session.wishes.dry_run:
            say(
                f"{app}: KEDA decides again."
                if replicas == "auto"
                else f"{app}: kept at {replicas} until REPLICAS=auto."
            )
        return
    if replicas == "auto":
        raise Stop(f"{app} has no ScaledObject: nobody scales it but you.")
    if int(replicas) > 1:
        _may_have_several(session, app)
    cluster.run(session, "scale", f"deployment/{app}", f"--replicas={replicas}")
    rollout.wait(session, [app])


def restart(session: Session) -> None:
    """`make k8s-restart`."""
    cluster.is_configured(session)
    for app in chosen(session):
        cluster.run(session, "rollout", "restart", f"deployment/{app}")
    rollout.wait(session, chosen(session))


def rollback(session: Session) -> None:
    """`make k8s-rollback APP=… [REVISION=n]`."""
    app, revision = _one(session), session.wishes.revision
    cluster.is_configured(session)
    cluster.run(session, "rollout", "undo", f"deployment/{app}", *((f"--to-revision={revision}",) if revision else ()))
    rollout.wait(session, [app])
    tags = running_images(session)
    for tag, _ in tags.values() if not session.wishes.dry_run else ():
        say(f"{app} runs {tag} again, but Terraform's state has the other one: the next apply brings that back.")
        say(f"To keep this: make deploy-{'chat' if app == 'chat-api' else 'inference'} IMAGE_TAG={tag}")
        break


def history(session: Session) -> None:
    """`make k8s-history`: revisions, and the image of each."""
    cluster.is_configured(session)
    for app in chosen(session):
        cluster.run(session, "rollout", "history", f"deployment/{app}")
    sets = cluster.objects(session, "replicasets", "--selector", _selector(session))
    for line in sorted(_revision_line(each) for each in sets):
        say(f"  {line[0]:<18} revision {line[1]:<4} {line[2]}")


def running_images(session: Session) -> dict[str, tuple[str, str]]:
    """Tag and digest by image (chat-api, inference), as the Deployments say; empty where none is there.

    The cluster and not Terraform's state: after a rollback they differ, and nobody wants the broken one back.
    """
    found: dict[str, tuple[str, str]] = {}
    for each in cluster.objects(session, "deployments"):
        for container in each["spec"]["template"]["spec"]["containers"]:
            image = re.fullmatch(r".*/([^/:@]+):([^@]+)(?:@(.+))?", container["image"])
            if image and each["metadata"]["name"] in DEPLOYMENTS:
                found.setdefault(image[1], (image[2], image[3] or ""))
    return found


def _one(session: Session) -> str:
    if not session.wishes.app:
        raise Stop("APP is missing.", f"APP is one of {', '.join(DEPLOYMENTS)}.")
    return session.wishes.app


def _selector(session: Session) -> str:
    return f"app.kubernetes.io/name={session.wishes.app}" if session.wishes.app else _ALL_OF_US


def _whose(session: Session) -> tuple[str, ...]:
    return ("--selector", _selector(session), "--all-containers", "--prefix", "--max-log-requests=20")


def _restarted(pods: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    return [
        (pod["metadata"]["name"], container["name"], container["restartCount"])
        for pod in pods
        for container in pod.get("status", {}).get("containerStatuses", ())
        if container.get("restartCount", 0) > 0
    ]


def _may_have_several(session: Session, app: str) -> None:
    """Raises Stop where pods share a disk that only one node can have: the second would wait for ever."""
    told = session.runner.read(*cluster.kubectl(session, "get", f"deployment/{app}", "--output", "json"), instead="{}")
    volumes = json.loads(told).get("spec", {}).get("template", {}).get("spec", {}).get("volumes", ())
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
    if claims:
        raise Stop(
            f"{app} keeps its model on the claim {claims[0]}, a disk that one node can have: it can have one replica.",
            'For more: model_cache_mode = "ephemeral" in 30-apps, then make tf-apply ROOT=30-apps.',
        )


def _revision_line(each: Mapping[str, Any]) -> tuple[str, int, str]:
    owner = next((owner["name"] for owner in each["metadata"].get("ownerReferences", ())), "?")
    revision = each["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", "0")
    images = ", ".join(container["image"] for container in each["spec"]["template"]["spec"]["containers"])
    replicas = each.get("status", {}).get("replicas", 0)
    return owner, int(revision), images + (f"   ({replicas} pods now)" if replicas else "")
