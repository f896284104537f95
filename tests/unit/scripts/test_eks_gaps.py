import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest

from scripts.tf_aws.eks_gaps import EksGaps, Environ, StartResponse

OPERATORS = "arn:aws:iam::123456789012:role/operators"


class Api:
    """EKS as a client sees it, with nothing behind the gaps but a server that says it was asked."""

    def __init__(self) -> None:
        self._app = EksGaps(self._moto)
        self.refused = ""  #: kind of the last refusal

    def _moto(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b'{"moto": true}']

    def __call__(self, method: str, path: str, **body: object) -> tuple[int, dict[str, Any]]:
        sent = json.dumps(body).encode()
        told: list[tuple[int, dict[str, str]]] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": "not read",
            "RAW_URI": f"/clusters/demo/{path}",
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": BytesIO(sent),
        }
        answer = self._app(environ, lambda status, headers: told.append((int(status.split()[0]), dict(headers))))
        ((status, headers),) = told
        self.refused = headers.get("x-amzn-ErrorType", "")
        return status, json.loads(b"".join(answer))

    def add(self, name: str, **more: object) -> int:
        return self("POST", "addons", addonName=name, **more)[0]


@pytest.fixture
def api() -> Api:
    return Api()


def test_what_moto_knows_is_left_to_it(api: Api) -> None:
    assert api("GET", "node-groups/general") == (200, {"moto": True})
    assert api("GET", "updates/1") == (200, {"moto": True})


def test_nodes_before_the_network_add_on_are_refused(api: Api) -> None:
    assert api("POST", "node-groups")[0] == 400
    assert api.add("vpc-cni") == 200
    assert api("POST", "node-groups") == (200, {"moto": True})


@pytest.mark.parametrize("name", ["coredns", "metrics-server", "aws-ebs-csi-driver"])
def test_an_add_on_that_runs_on_nodes_is_refused_before_them(api: Api, name: str) -> None:
    assert api.add(name) == 400
    api.add("vpc-cni")
    api("POST", "node-groups")
    assert api.add(name) == 200


def test_an_add_on_with_a_role_is_refused_before_the_agent(api: Api) -> None:
    api.add("vpc-cni")
    api("POST", "node-groups")
    role = [{"roleArn": "arn:aws:iam::123456789012:role/ebs", "serviceAccount": "ebs-csi-controller-sa"}]
    assert api.add("aws-ebs-csi-driver", podIdentityAssociations=role) == 400
    api.add("eks-pod-identity-agent")
    assert api.add("aws-ebs-csi-driver", podIdentityAssociations=role) == 200


def test_an_add_ons_association_comes_and_goes_with_it(api: Api) -> None:
    api.add("eks-pod-identity-agent")
    role = [{"roleArn": "arn:aws:iam::123456789012:role/x", "serviceAccount": "x"}]
    api.add("x", podIdentityAssociations=role)
    (arn,) = api("GET", "addons/x")[1]["addon"]["podIdentityAssociations"]
    path = f"pod-identity-associations/{arn.rsplit('/', 1)[1]}"
    assert api("GET", path)[1]["association"]["serviceAccount"] == "x"
    api("DELETE", "addons/x")
    assert api("GET", path)[0] == 404


def test_one_service_account_has_one_association(api: Api) -> None:
    whose = {"namespace": "sluice", "serviceAccount": "inference", "roleArn": OPERATORS}
    assert api("POST", "pod-identity-associations", **whose)[0] == 200
    assert api("POST", "pod-identity-associations", **whose)[0] == 409


def test_an_entry_is_found_by_an_arn_with_a_slash_and_keeps_its_policies_apart(api: Api) -> None:
    entry = f"access-entries/{OPERATORS.replace('/', '%2F')}"
    policy = {
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        "accessScope": {"type": "cluster"},
    }
    assert api("GET", entry)[0] == 404
    assert api.refused == "ResourceNotFoundException"
    api("POST", "access-entries", principalArn=OPERATORS)
    api("POST", f"{entry}/access-policies", **policy)
    assert api("GET", entry)[1]["accessEntry"]["principalArn"] == OPERATORS
    (found,) = api("GET", f"{entry}/access-policies")[1]["associatedAccessPolicies"]
    assert found["policyArn"] == policy["policyArn"]
    api("DELETE", f"{entry}/access-policies/{str(policy['policyArn']).replace('/', '%2F')}")
    assert api("GET", f"{entry}/access-policies")[1]["associatedAccessPolicies"] == []
