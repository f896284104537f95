"""A real Kubernetes control plane on loopback, by the tool that KUBE names, with nodes like those of 10-platform.

The API, its admission, the scheduler and the controllers are Kubernetes' own; nodes and what runs in pods are played
(the tool's README says what that leaves out). `kubectl` is of the same version.
"""

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

#: One object, as Kubernetes writes it in JSON.
Manifest = dict[str, Any]

NAMESPACE = "sluice"
REGION = "us-east-2"
#: The zone that `kube` gives to the first node: nodes are spread over a, b and c in the order that they are named.
LLM_ZONE = f"{REGION}a"
#: A tool that has to build first takes some minutes, once.
_BUILD_TIMEOUT_S = 1500
#: The tool takes the port that it is given and the eleven after it.
_PORTS = 12


def _group(name: str, count: int, *more: str) -> str:
    pairs = (f"group={name}", f"count={count}", "type=c6i.xlarge", "cpu=4", "memory=8Gi", f"region={REGION}")
    return ",".join((*pairs, f"label=sluice/role={name}", *more))


#: The model has a node of its own, which nothing else may use; the rest has three, in three zones.
NODES = (_group("llm", 1, "taint=sluice/role=llm:NoSchedule"), _group("general", 3))


class Refused(Exception):
    """kubectl ended with a failure; what it wrote to its standard error."""


class Cluster:
    """Talks to a cluster that runs. Sentences of its failures are kubectl's."""

    def __init__(self, tool: str, data: Path, programs: Path) -> None:
        self._tool, self._data, self.programs = tool, data, programs
        self.kubeconfig = data / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """For programs that call `kubectl` from the PATH."""
        path = f"{self.programs}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *arguments: str, within_s: float = 60) -> str:
        """What it printed. Without a namespace among the arguments it works in ours.

        Raises:
            Refused: it ended with a failure.
        """
        return self._ended(f"--namespace={NAMESPACE}", *arguments, within_s=within_s)

    def get(self, kind: str, name: str, *arguments: str) -> Manifest:
        found: Manifest = json.loads(self.kubectl("get", kind, name, "--output=json", *arguments))
        return found

    def all(self, kind: str, *arguments: str) -> list[Manifest]:
        found = json.loads(self.kubectl("get", kind, "--output=json", *arguments))
        items: list[Manifest] = found["items"]
        return items

    def apply(self, manifests: Iterable[Manifest], *arguments: str) -> str:
        """All in one pass, by the rules that the API server itself checks."""
        # Documents, not one List: kubectl would check a List itself and leave the API out.
        everything = "\n---\n".join(map(json.dumps, manifests))
        return self._ended("apply", "--server-side", "--validate=strict", *arguments, "--filename=-", given=everything)

    def until(self, check: Callable[[], object], what: str, within_s: float = 30) -> float:
        """Returns once `check` says yes: how many seconds that took. It may be refused meanwhile."""
        began = time.monotonic()
        while not _holds(check):
            assert time.monotonic() < began + within_s, f"{what}: not within {within_s} s\n{self.told()}"
            time.sleep(0.2)
        return time.monotonic() - began

    def until_rolled_out(self, name: str, within_s: float = 60) -> None:
        try:
            self.kubectl("rollout", "status", name, f"--timeout={within_s}s", within_s=within_s + 30)
        except Refused as refused:
            raise AssertionError(f"{name}: {refused}\n{self.told()}") from refused

    def told(self) -> str:
        """What stands in the namespace, and what happened there last: shown beside a failure."""
        here = self.kubectl("get", "deployments,pods,scaledobjects.keda.sh,horizontalpodautoscalers", "--output=wide")
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()
        return "\n".join([here, *events[-15:]])

    def give_address(self, name: str, address: str) -> None:
        """What the cloud does for a LoadBalancer service."""
        self._kube("lb", f"{NAMESPACE}/{name}", address, f"--data={self._data}")

    def _ended(self, *arguments: str, given: str | None = None, within_s: float = 60) -> str:
        done = subprocess.run(
            [str(self.programs / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=given, capture_output=True, text=True, timeout=within_s, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Refused(done.stderr or done.stdout)
        return done.stdout

    def _kube(self, *arguments: str, within_s: float = 60) -> None:
        subprocess.run([self._tool, *arguments], check=True, timeout=within_s, stdout=subprocess.DEVNULL)


@contextmanager
def cluster(tool: str, data: Path) -> Iterator[Cluster]:
    """Started with KEDA, and ended with the block."""
    built = subprocess.run([tool, "build"], check=True, timeout=_BUILD_TIMEOUT_S, stdout=subprocess.PIPE, text=True)
    port = str(_ports_in_a_row(_PORTS))
    nodes = [f"--node={spec}" for spec in NODES]
    try:
        _run([tool, "start", f"--data={data}", "--port", port, "--bind-pvcs", *nodes], 90)
        _run([tool, "keda", f"--data={data}"], _BUILD_TIMEOUT_S)
        yield Cluster(tool, data, Path(built.stdout.split()[-1]))
    finally:
        subprocess.run([tool, "stop", f"--data={data}"], check=False, timeout=60)


def _run(command: Sequence[str], within_s: float) -> None:
    subprocess.run(command, check=True, timeout=within_s, stdout=subprocess.DEVNULL)


def _holds(check: Callable[[], object]) -> bool:
    try:
        return bool(check())
    except Refused:
        return False


def _ports_in_a_row(count: int) -> int:
    """The first of so many free ones, below those that the system hands out by itself."""
    for _ in range(50):
        first = random.randrange(12_000, 32_000)
        try:
            with ExitStack() as held:
                for port in range(first, first + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise OSError(f"no {count} free ports in a row")
