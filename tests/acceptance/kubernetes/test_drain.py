"""Nodes that are emptied, as an upgrade of their group does it: the budgets say who has to stay."""

from collections.abc import Iterator

import pytest

from tests.acceptance.kubernetes.cluster import Cluster, Refused
from tests.acceptance.kubernetes.conftest import Street

pytestmark = pytest.mark.timeout(1800)

GENERAL = "--selector=sluice/role=general"
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data")


@pytest.fixture
def nodes(street: Street) -> Iterator[list[str]]:
    """The general ones; all of them take pods again afterwards, and every replica is back."""
    cluster = street.cluster
    try:
        yield [node["metadata"]["name"] for node in cluster.all("nodes", GENERAL)]
    finally:
        cluster.kubectl("uncordon", GENERAL)
        street.until_ready()


def healthy(cluster: Cluster) -> dict[str, tuple[int, int]]:
    """How many pods of each budget there are, and how many it wants."""
    found = cluster.all("poddisruptionbudgets")
    return {
        each["metadata"]["name"]: (each["status"]["currentHealthy"], each["status"]["desiredHealthy"]) for each in found
    }


def test_a_drain_takes_nobody_that_a_budget_keeps(street: Street, nodes: list[str]) -> None:
    before = healthy(street.cluster)
    assert "inference" in before
    assert all(there > wanted >= 1 for there, wanted in before.values()), (
        "a budget that lets nobody go stops every upgrade"
    )
    street.cluster.kubectl("cordon", GENERAL)
    with pytest.raises(Refused, match="would violate the pod's disruption budget"):
        street.cluster.kubectl("drain", *nodes, *DRAIN, "--timeout=2s")
    assert {name: wanted for name, (_, wanted) in before.items()} == {
        name: there for name, (there, _) in healthy(street.cluster).items()
    }


def test_a_drain_with_room_elsewhere_goes_through(street: Street, nodes: list[str]) -> None:
    (emptied, *_) = nodes
    street.cluster.kubectl("drain", emptied, *DRAIN, "--timeout=45s", within_s=50)
    left = street.cluster.all("pods", f"--field-selector=spec.nodeName={emptied}")
    assert not left
    street.until_ready("Deployment")  # a broker waits for a node in its disk's zone, which here is this one
