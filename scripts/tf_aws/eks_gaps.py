"""The parts of EKS that moto lacks: add-ons, access entries and Pod Identity associations. In front of moto, as WSGI.

Nothing but a memory that answers as the API does, with one thing that a memory would not do: what on AWS would be
accepted and then never become healthy is refused here, so that an apply in the wrong order fails. `loopback` runs it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import unquote

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Answer = tuple[int, dict[str, Any]]

#: Said by whoever runs this: what was not moto's.
PLAYED = ("EKS add-ons", "EKS access entries and their policies", "EKS Pod Identity associations")
_PATH = re.compile(r"^/clusters/([^/]+)/(addons|access-entries|pod-identity-associations|node-groups)(?:/(.*))?$")
_MADE_AT = 1_700_000_000.0  #: s since 1970; EKS tells when, and nobody asks here
_NEEDS_NODES = ("coredns", "metrics-server", "aws-ebs-csi-driver")
_AGENT = "eks-pod-identity-agent"


class _Refused(Exception):
    """The status and the type that the API would answer with; the message says why."""

    def __init__(self, status: int, kind: str, why: str) -> None:
        super().__init__(why)
        self.status, self.kind = status, kind


@dataclass(slots=True)
class _Cluster:
    """What one cluster has beside what moto remembers of it."""

    addons: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  #: by principal and policy
    identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: int = 0  #: moto's own, counted as they pass
    numbers: Iterator[int] = field(default_factory=count)  #: for names that EKS makes up


class EksGaps:
    def __init__(self, moto: App) -> None:
        self._moto = moto
        self._clusters: dict[str, _Cluster] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        # As it was sent: an ARN in a path holds slashes, and only the raw form tells them from the path's own.
        path = str(environ.get("RAW_URI") or environ["PATH_INFO"]).split("?")[0]
        asked = _PATH.match(path)
        if asked is None:
            return self._moto(environ, start_response)
        cluster = self._clusters.setdefault(asked[1], _Cluster())
        parts = [unquote(part) for part in (asked[3] or "").split("/") if part]
        method = str(environ["REQUEST_METHOD"])
        try:
            if asked[2] == "node-groups":
                self._count_groups(cluster, method, parts)
                return self._moto(environ, start_response)
            body = _body(environ) if method == "POST" else {}
            room = {"addons": _addons, "access-entries": _entries, "pod-identity-associations": _identities}[asked[2]]
            status, answer = room(asked[1], cluster, method, parts, body)
        except _Refused as refusal:
            status, answer = refusal.status, {"message": str(refusal)}
            headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", refusal.kind)]
        else:
            headers = [("Content-Type", "application/json")]
        start_response(f"{status} {'OK' if status == 200 else 'No'}", headers)
        return [json.dumps(answer).encode()]

    @staticmethod
    def _count_groups(cluster: _Cluster, method: str, parts: list[str]) -> None:
        if method == "POST" and not parts:
            if "vpc-cni" not in cluster.addons:
                raise _Refused(400, "InvalidRequestException", "no vpc-cni: these nodes would never become ready")
            cluster.groups += 1
        elif method == "DELETE":
            cluster.groups -= 1


def _addons(name: str, cluster: _Cluster, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
    if method == "POST" and not parts:
        addon = str(body["addonName"])
        if addon in cluster.addons:
            raise _Refused(409, "ResourceInUseException", f"{addon} is there")
        if addon in _NEEDS_NODES and not cluster.groups:
            raise _Refused(400, "InvalidRequestException", f"no nodes: {addon} would never become healthy")
        wanted = body.get("podIdentityAssociations") or []
        if wanted and _AGENT not in cluster.addons:
            raise _Refused(400, "InvalidRequestException", f"no {_AGENT}: {addon} would have no rights")
        made = [
            _identity(name, cluster, {"namespace": "kube-system", **each})["associationArn"] for each in wanted
        ]  # as EKS does: an add-on's associations are made along with it
        cluster.addons[addon] = {
            "addonName": addon,
            "clusterName": name,
            "status": "ACTIVE",
            "addonVersion": body.get("addonVersion") or "v1.0.0-eksbuild.1",
            "addonArn": _arn(name, "addon", addon),
            "createdAt": _MADE_AT,
            "modifiedAt": _MADE_AT,
            "configurationValues": body.get("configurationValues"),
            "podIdentityAssociations": made,
            "health": {"issues": []},
            "tags": body.get("tags") or {},
        }
        return 200, {"addon": cluster.addons[addon]}
    found = _known(cluster.addons, parts[0])
    if method == "DELETE":
        del cluster.addons[parts[0]]
        for arn in found["podIdentityAssociations"]:
            cluster.identities.pop(arn.rsplit("/", 1)[1], None)
    return 200, {"addon": found}


def _entries(name: str, cluster: _Cluster, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
    if method == "POST" and not parts:
        principal = str(body["principalArn"])
        if principal in cluster.entries:
            raise _Refused(409, "ResourceInUseException", f"{principal} has an entry")
        cluster.entries[principal] = {
            "clusterName": name,
            "principalArn": principal,
            "kubernetesGroups": body.get("kubernetesGroups") or [],
            "accessEntryArn": _arn(name, "access-entry", str(next(cluster.numbers))),
            "createdAt": _MADE_AT,
            "modifiedAt": _MADE_AT,
            "tags": body.get("tags") or {},
            "username": body.get("username") or principal,
            "type": body.get("type") or "STANDARD",
        }
        return 200, {"accessEntry": cluster.entries[principal]}
    principal, *rest = parts
    found = _known(cluster.entries, principal)
    if rest:
        return _policies(name, cluster, method, principal, rest[1:], body)
    if method == "DELETE":
        del cluster.entries[principal]
        return 200, {}
    return 200, {"accessEntry": found}


def _policies(
    name: str, cluster: _Cluster, method: str, principal: str, parts: list[str], body: dict[str, Any]
) -> Answer:
    told = {"clusterName": name, "principalArn": principal}
    if method == "POST":
        made = {k: body[k] for k in ("policyArn", "accessScope")} | {"associatedAt": _MADE_AT, "modifiedAt": _MADE_AT}
        cluster.policies[principal, made["policyArn"]] = made
        return 200, told | {"associatedAccessPolicy": made}
    if method == "DELETE":
        cluster.policies.pop((principal, parts[0]), None)
        return 200, {}
    mine = [made for (whose, _), made in cluster.policies.items() if whose == principal]
    return 200, told | {"associatedAccessPolicies": mine}


def _identities(name: str, cluster: _Cluster, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
    if method == "POST" and not parts:
        return 200, {"association": _identity(name, cluster, body)}
    if not parts:
        return 200, {"associations": list(cluster.identities.values())}
    found = _known(cluster.identities, parts[0])
    if method == "DELETE":
        del cluster.identities[parts[0]]
    return 200, {"association": found}


def _identity(name: str, cluster: _Cluster, body: dict[str, Any]) -> dict[str, Any]:
    whose = (body["namespace"], body["serviceAccount"])
    if any((each["namespace"], each["serviceAccount"]) == whose for each in cluster.identities.values()):
        raise _Refused(409, "ResourceInUseException", f"{whose[0]}/{whose[1]} has an association")
    number = f"a-{next(cluster.numbers):017d}"
    cluster.identities[number] = {
        "clusterName": name,
        "namespace": body["namespace"],
        "serviceAccount": body["serviceAccount"],
        "roleArn": body["roleArn"],
        "associationArn": _arn(name, "podidentityassociation", number),
        "associationId": number,
        "tags": body.get("tags") or {},
        "createdAt": _MADE_AT,
        "modifiedAt": _MADE_AT,
    }
    return cluster.identities[number]


def _known(things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in things:
        raise _Refused(404, "ResourceNotFoundException", f"there is no {name}")
    return things[name]


def _arn(cluster: str, kind: str, name: str) -> str:
    return f"arn:aws:eks:us-east-2:123456789012:{kind}/{cluster}/{name}"


def _body(environ: Environ) -> dict[str, Any]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    told: dict[str, Any] = json.loads(environ["wsgi.input"].read(length) or b"{}")
    return told
