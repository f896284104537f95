"""The way to the cluster: the kubeconfig, and kubectl that always says which cluster and namespace it means.

No command here follows kubectl's current context by accident: a deploy to the wrong cluster looks like a success.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.cloud.running import Ended, Stop
from scripts.cloud.session import Session

_OUTSIDE = (
    "The same command again, from where it can be reached: inside the network, or by VPN. The API is private, unless\n"
    "endpoint_public_access and endpoint_public_cidrs of 10-platform let your address in."
)


class NoCluster(Stop):
    """There is none of that name in that region."""


def configure(session: Session) -> None:
    """Writes the cluster into the kubeconfig, under its own name. Raises NoCluster, Stop.

    With KUBE_CONTEXT set to nothing, the kubeconfig is somebody else's and stays as it is.
    """
    wishes = session.wishes
    if not wishes.context:
        return
    told = session.runner.ask(
        *("aws", "eks", "update-kubeconfig", "--region", wishes.region),
        *("--name", wishes.cluster, "--alias", wishes.context),
    )
    if told.status == 0:
        return
    if "ResourceNotFound" not in told.err:
        raise Stop(f"The cluster {wishes.cluster} can not be had: {told.reason}")
    listed = session.runner.ask(
        *("aws", "eks", "list-clusters", "--region", wishes.region, "--query", "clusters", "--output", "text")
    )
    there = ", ".join(listed.out.split()) or "none"
    raise NoCluster(
        f"There is no cluster {wishes.cluster} in {wishes.region}; clusters there: {there}.",
        "make deploy makes it; make region-set REGION=… looks elsewhere; `name` in 10-platform's terraform.tfvars.",
    )


def answers(session: Session) -> None:
    """Raises Stop where the cluster's API does not answer from here."""
    told = session.runner.ask(*_to_cluster(session), "get", "--raw", "/readyz", "--request-timeout=15s")
    if told.status != 0:
        raise Stop(f"The cluster's API does not answer from here: {told.reason}", _OUTSIDE)


def is_configured(session: Session) -> None:
    """Raises Stop where the kubeconfig does not know our cluster, or knows another region's by that name."""
    wishes = session.wishes
    if not wishes.context:
        return
    told = session.runner.ask(
        *("kubectl", "config", "view", "--minify", "--context", wishes.context),
        *("--output", "jsonpath={.contexts[0].context.cluster}"),
    )
    if told.status != 0:
        raise Stop(
            f"kubectl does not know the cluster {wishes.context}: {told.reason}", "make k8s-config, then this again."
        )
    arn = told.out.strip().split(":")
    if arn[0] == "arn" and arn[3] != wishes.region:
        raise Stop(
            f"kubectl's {wishes.context} is a cluster in {arn[3]}, and Terraform's files mean {wishes.region}.",
            f"make k8s-config for the one in {wishes.region}, or make region-set REGION={arn[3]}.",
        )


def _to_cluster(session: Session) -> tuple[str, ...]:
    return ("kubectl", *(("--context", session.wishes.context) if session.wishes.context else ()))


def kubectl(session: Session, *arguments: str) -> tuple[str, ...]:
    return (*_to_cluster(session), "--namespace", session.wishes.namespace, *arguments)


def run(session: Session, *arguments: str) -> None:
    session.runner.run(*kubectl(session, *arguments))


def ask(session: Session, *arguments: str) -> Ended:
    return session.runner.ask(*kubectl(session, *arguments))


def objects(session: Session, kinds: str, *arguments: str) -> list[Mapping[str, Any]]:
    """What the API has of some kinds; nothing in a dry run. Raises Stop."""
    told = session.runner.read(*kubectl(session, "get", kinds, *arguments, "--output", "json"), instead='{"items": []}')
    items: Sequence[Mapping[str, Any]] = json.loads(told)["items"]
    return list(items)
