"""Why the pods of a rollout do not start, read from what the API says of them. Pure: objects in, troubles out.

Only pods of a Deployment's newest ReplicaSet count: old ones may be ill, and are on their way out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

_REVISION = "deployment.kubernetes.io/revision"

#: What a pod is that says nothing of itself: it starts, or waits for a disk or for its readiness. Its events may tell.
NOT_READY = "NotReady"
#: Waiting reasons that no waiting mends.
_HOPELESS = ("InvalidImageName", "ErrImageNeverPull")
#: Those that mend themselves now and then: a registry that was busy, a broker that starts later.
_STUCK = (
    *("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"),
    *("CrashLoopBackOff", "RunContainerError", "CreateContainerError", "CreateContainerConfigError"),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stands in a rollout's way."""

    who: str  #: the pod, or the Deployment where no pod came to be
    container: str
    reason: str
    message: str
    hopeless: bool = False

    def __str__(self) -> str:
        where = f"{self.who}, container {self.container}" if self.container else self.who
        return f"{where}: {self.reason}{': ' + self.message if self.message else ''}"


def troubles(objects: Sequence[Object], deployment: str) -> list[Trouble]:
    """Of one Deployment, given Deployments, ReplicaSets and Pods of its namespace."""
    found = [each for each in _of(objects, "Deployment") if each["metadata"]["name"] == deployment]
    if not found:
        return []
    return [*_refused(found[0]), *(each for pod in newest_pods(objects, found[0]) for each in _of_pod(pod))]


def of_all(objects: Sequence[Object]) -> list[Trouble]:
    """Of every pod that has not ended, whoever owns it."""
    pods = (pod for pod in _of(objects, "Pod") if pod.get("status", {}).get("phase") != "Succeeded")
    return [each for pod in pods for each in _of_pod(pod)]


def newest_pods(objects: Sequence[Object], deployment: Object) -> list[Object]:
    """Pods of the Deployment's present revision."""
    revision = deployment["metadata"].get("annotations", {}).get(_REVISION)
    newest = {
        each["metadata"]["uid"]
        for each in _of(objects, "ReplicaSet")
        if _owner(each) == deployment["metadata"]["uid"]
        and each["metadata"].get("annotations", {}).get(_REVISION) == revision
    }
    return [pod for pod in _of(objects, "Pod") if _owner(pod) in newest and "deletionTimestamp" not in pod["metadata"]]


def is_ready(pod: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in _conditions(pod))


def _of(objects: Sequence[Object], kind: str) -> Iterator[Object]:
    return (each for each in objects if each["kind"] == kind)


def _owner(each: Object) -> str:
    return next((str(owner["uid"]) for owner in each["metadata"].get("ownerReferences", ())), "")


def _conditions(each: Object) -> Sequence[Object]:
    conditions: Sequence[Object] = each.get("status", {}).get("conditions") or ()
    return conditions


def _refused(deployment: Object) -> Iterator[Trouble]:
    """A quota, Pod Security or a webhook may refuse pods, which then never exist."""
    name = f"deployment {deployment['metadata']['name']}"
    for each in _conditions(deployment):
        if each["type"] == "ReplicaFailure" and each["status"] == "True":
            yield Trouble(name, "", each.get("reason", "ReplicaFailure"), each.get("message", ""))


def _of_pod(pod: Object) -> Iterator[Trouble]:
    found = list(_told_by(pod))
    if not found and not is_ready(pod):
        phase = pod.get("status", {}).get("phase", "unknown")
        found = [Trouble(f"pod {pod['metadata']['name']}", "", NOT_READY, f"phase {phase}")]
    yield from found


def _told_by(pod: Object) -> Iterator[Trouble]:
    name, status = f"pod {pod['metadata']['name']}", pod.get("status", {})
    for each in _conditions(pod):
        if each["type"] == "PodScheduled" and each["status"] == "False":
            yield Trouble(name, "", each.get("reason", "Unschedulable"), each.get("message", ""))
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in (*_STUCK, *_HOPELESS):
            message = "; ".join(filter(None, (waiting.get("message", ""), _last_end(container))))
            yield Trouble(name, container["name"], waiting["reason"], message, waiting["reason"] in _HOPELESS)


def _last_end(container: Object) -> str:
    ended = container.get("lastState", {}).get("terminated") or {}
    return f"last ended as {ended.get('reason', 'Error')}, status {ended.get('exitCode', '?')}" if ended else ""
