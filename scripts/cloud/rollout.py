"""Waits for rollouts, and stops early with the reason when pods can not start.

`kubectl rollout status` decides when a rollout is done. It says nothing of why one is not, so pods are looked at
beside it: whoever stands in the way for longer than the patience ends the wait. A node that is still to come is no
such reason; that is waited for until the deadline.
"""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.cloud import cluster
from scripts.cloud.pods import NOT_READY, Trouble, of_all, troubles
from scripts.cloud.running import Deadline, Stop
from scripts.cloud.session import Session

_PATIENT = (NOT_READY, "Unschedulable", "SchedulerError", "SchedulingGated")  #: ends a wait only by the deadline
_EVENTS = 3
_LINES = 15


def wait(session: Session, deployments: Iterable[str]) -> None:
    """Until all are rolled out. Raises Stop with the pods' reasons."""
    deadline, seen = Deadline(session.wishes.deadline), _Seen()
    names = list(deployments)
    for name in names:
        _wait_for(session, name, names, deadline, seen)


def reasons(session: Session) -> list[str]:
    """Why pods of the namespace do not run, whoever waits for them; nothing where the API does not say."""
    return _told(session, of_all(_objects(session)))


def _wait_for(session: Session, name: str, every: Sequence[str], deadline: Deadline, seen: "_Seen") -> None:
    # Its own limit is the whole one, whatever is left of it: the deadline of all is looked at here.
    limit = f"--timeout={max(1, deadline.seconds):.0f}s"
    status = cluster.kubectl(session, "rollout", "status", f"deployment/{name}", limit)
    if session.wishes.dry_run:
        session.runner.show(*status)
        return
    waiting = session.runner.start(*status)
    try:
        while True:
            try:
                ended = waiting.wait(timeout=min(session.wishes.poll, max(0.1, deadline.remaining())))
            except subprocess.TimeoutExpired:
                pass
            else:
                if ended == 0:
                    return
                raise _stopped(session, name, f"The rollout of {name} did not come to its end.", every)
            if seen.too_long(_look(session, every), session.wishes.patience):
                raise _stopped(session, name, "Pods can not start.", every)
            if deadline.over:
                raise _stopped(session, name, f"{name} is not there after {deadline.seconds:.0f} s.", every)
    finally:
        _end(waiting)


class _Seen:
    """Since when pods have been in the way. Reasons of one pod come in turns (it runs, it crashes, it waits)."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def too_long(self, found: Mapping[str, list[Trouble]], patience: float) -> bool:
        now = time.monotonic()
        stuck = [each for each in _flat(found) if each.reason not in _PATIENT]
        for each in stuck:
            self._since.setdefault(each.who, now)
        return any(each.hopeless or now - self._since[each.who] >= patience for each in stuck)


def _look(session: Session, names: Sequence[str]) -> dict[str, list[Trouble]]:
    items = _objects(session)
    return {name: troubles(items, name) for name in names}


def _objects(session: Session) -> list[Mapping[str, Any]]:
    """Quietly: this is asked every other second. An API that does not answer now is asked again."""
    command = cluster.kubectl(session, "get", "deployments,replicasets,pods", "--output", "json")
    told = session.runner.ask(*command, quietly=True)
    items: list[Mapping[str, Any]] = json.loads(told.out)["items"] if told.status == 0 else []
    return items


def _flat(found: Mapping[str, list[Trouble]]) -> list[Trouble]:
    return [each for listed in found.values() for each in listed]


def _stopped(session: Session, name: str, words: str, every: Sequence[str]) -> Stop:
    """What is known, for an operator who sees nothing but this."""
    found = _look(session, every)
    lines = _told(session, _flat(found)) or ["  no pod says why (make k8s-status)"]
    ill = next((ill for ill, listed in found.items() if listed), name)
    return Stop(
        "\n".join([words, *lines]),
        f"make k8s-rollback APP={ill} brings back what ran before; make k8s-history APP={ill} lists what older ones\n"
        f"REVISION=… can name; make k8s-logs APP={ill} shows more.\n"
        "When it is mended, run the same command again: it goes on, and does nothing twice.",
    )


def _told(session: Session, found: Sequence[Trouble]) -> list[str]:
    """Each trouble, then the events and last words of its pod."""
    lines = [f"  {each}" for each in found]
    for who, container in dict.fromkeys((each.who, each.container) for each in found if each.who.startswith("pod ")):
        pod = who.removeprefix("pod ")
        lines += _events(session, pod)
        lines += _last_words(session, pod, container) if container else []
    return lines


def _events(session: Session, pod: str) -> list[str]:
    selector = f"involvedObject.name={pod},type=Warning"
    command = cluster.kubectl(session, "get", "events", "--field-selector", selector, "--output", "json")
    told = session.runner.ask(*command, quietly=True)
    if told.status != 0:
        return []
    said = {f"    event {each['reason']}: {each['message']}": None for each in json.loads(told.out)["items"]}
    return list(said)[-_EVENTS:]


def _last_words(session: Session, pod: str, container: str) -> list[str]:
    """Of a container that has run; of one whose image never came there are none."""
    arguments = ("logs", pod, "--container", container, f"--tail={_LINES}")
    for which in (("--previous",), ()):
        told = session.runner.ask(*cluster.kubectl(session, *arguments, *which), quietly=True)
        if told.status == 0 and told.out.strip():
            return [f"    log {line}" for line in told.out.rstrip().splitlines()]
    return []


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
