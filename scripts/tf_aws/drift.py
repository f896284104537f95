"""What a second plan would change, though nobody changed anything: nothing, or what moto does not tell.

Pure: reads `terraform show -json`; `__main__` judges by it.
"""

from collections.abc import Mapping
from typing import Any

#: By kind of resource, the arguments that moto forgets or invents between an apply and the next plan.
MOTO_FORGETS: Mapping[str, frozenset[str]] = {
    "aws_eks_cluster": frozenset({"access_config", "upgrade_policy"}),
    "aws_eks_node_group": frozenset({"remote_access", "update_config"}),
    "aws_launch_template": frozenset({"tag_specifications"}),
}


def drift(plan: Mapping[str, Any]) -> dict[str, set[str]]:
    """Arguments with another value than the one that was applied, by the resource's kind."""
    found: dict[str, set[str]] = {}
    for change in plan["resource_changes"]:
        told = change["change"]
        if told["actions"] in (["no-op"], ["read"]):
            continue
        before, after, unknown = told["before"] or {}, told["after"] or {}, told["after_unknown"] or {}
        changed = {
            name
            for name in before.keys() | after.keys()
            if unknown.get(name) is not True and _differ(before.get(name), after.get(name), unknown.get(name))
        }
        found.setdefault(change["type"], set()).update(changed or {"the resource itself"})
    return found


def beyond_moto(found: Mapping[str, set[str]]) -> list[str]:
    """What of a drift is not moto's, as `kind.argument`."""
    return sorted(
        f"{kind}.{name}" for kind, names in found.items() for name in names - MOTO_FORGETS.get(kind, frozenset())
    )


def _differ(before: Any, after: Any, unknown: Any) -> bool:
    """Whether two values differ in what is known; nothing, an empty list and an empty word are the same to AWS."""
    if unknown is True:
        return False
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        hidden: list[Any] = unknown if isinstance(unknown, list) and len(unknown) == len(after) else [None] * len(after)
        return any(_differ(*each) for each in zip(before, after, hidden, strict=True))
    if isinstance(before, dict) and isinstance(after, dict):
        parts: dict[str, Any] = unknown if isinstance(unknown, dict) else {}
        return any(_differ(before.get(k), after.get(k), parts.get(k)) for k in before.keys() | after.keys())
    return (before or None) != (after or None)
