from typing import Any

from scripts.tf_aws.drift import beyond_moto, drift


def plan(
    kind: str, before: dict[str, Any], after: dict[str, Any], unknown: dict[str, Any] | None = None
) -> dict[str, Any]:
    told = {"actions": ["update"], "before": before, "after": after, "after_unknown": unknown or {}}
    return {"resource_changes": [{"type": kind, "change": told}]}


def test_a_changed_argument_is_told() -> None:
    found = drift(plan("aws_vpc", {"cidr_block": "10.0.0.0/16", "id": "x"}, {"cidr_block": "10.1.0.0/16", "id": "x"}))
    assert found == {"aws_vpc": {"cidr_block"}}
    assert beyond_moto(found) == ["aws_vpc.cidr_block"]


def test_what_is_not_known_yet_and_what_is_empty_either_way_is_no_change() -> None:
    before = {"a": [{"b": "1", "c": []}], "d": "e", "tags": {}, "f": "1"}
    after = {"a": [{"b": None, "c": None}], "tags": None, "f": "2"}
    assert drift(plan("aws_vpc", before, after, {"a": [{"b": True}], "d": True})) == {"aws_vpc": {"f"}}


def test_a_change_deep_inside_is_told() -> None:
    found = drift(plan("aws_vpc", {"a": [{"b": [{"c": 1}]}]}, {"a": [{"b": [{"c": 2}]}]}))
    assert found == {"aws_vpc": {"a"}}


def test_an_element_more_is_told() -> None:
    assert drift(plan("aws_vpc", {"a": ["x"]}, {"a": ["x", "y"]})) == {"aws_vpc": {"a"}}


def test_what_moto_forgets_is_its_own_and_nothing_beside_it() -> None:
    found = drift(
        plan("aws_eks_cluster", {"upgrade_policy": [], "version": "1.35"}, {"upgrade_policy": [{}], "version": "1.36"})
    )
    assert beyond_moto(found) == ["aws_eks_cluster.version"]


def test_a_resource_that_goes_or_comes_is_told() -> None:
    gone = plan("aws_vpc", {}, {})
    gone["resource_changes"][0]["change"] |= {"actions": ["delete"], "after": None}
    assert beyond_moto(drift(gone)) == ["aws_vpc.the resource itself"]
