"""What AWS, Terraform and the cluster answer where all goes well. Tests put their own rules before these."""

import json
from typing import Any

from tests.integration.cloud.place import Place

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.us-east-2.amazonaws.com"
REGISTRY = f"{HOST}/sluice-demo"
PLATFORM = {
    "cluster_name": "sluice-demo",
    "region": "us-east-2",
    "registry": REGISTRY,
    "bucket": "sluice-demo-bucket",
    "llm_zone": "us-east-2a",
    "vpc_id": "vpc-0a1b2c3d",
    "lb_mode": "classic",
    "kafka_mode": "incluster",
    "msk_bootstrap_servers": "",
}
ADDONS = {"prometheus_url": "http://prometheus:9090", "monitoring_namespace": "monitoring"}
APPS = {"deployments": ["chat-api", "inference", "inference-claims"]}
BALANCER = "a1b2.us-east-2.elb.amazonaws.com"
#: What a dry run prints where only an answer would tell.
STAND_INS = {
    "<account>": ACCOUNT,
    "<digest of chat-api>": f"sha256:{'c' * 64}",
    "<digest of inference>": f"sha256:{'f' * 64}",
    "<balancer>": BALANCER,
    "<general>": "general-1",
    "<llm>": "llm-1",
    "<chat-api-service>": "chat-api-service",
    **{f"<{name}>": str(value) for name, value in {**PLATFORM, **ADDONS}.items()},
}
DIGESTS = {"chat-api": STAND_INS["<digest of chat-api>"], "inference": STAND_INS["<digest of inference>"]}


def outputs(values: dict[str, Any]) -> str:
    return json.dumps({name: {"value": value} for name, value in values.items()})


def listed(*items: dict[str, Any]) -> str:
    return json.dumps({"items": items})


def service(*ingress: dict[str, str], kind: str = "LoadBalancer") -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": "chat-api-service"},
        "spec": {"type": kind, "ports": [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": list(ingress)} if ingress else {}},
    }


def deployment(name: str, image: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "uid": f"uid-{name}", "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"template": {"spec": {"containers": [{"name": name, "image": image}], **more}}},
        "status": {},
    }


def node_group(name: str, sizes: tuple[int, int, int], tag: str = "") -> str:
    config = dict(zip(("minSize", "maxSize", "desiredSize"), sizes, strict=True))
    tags = {"sluice/sizes": tag} if tag else {}
    return json.dumps({"nodegroup": {"nodegroupArn": f"arn:of:{name}", "scalingConfig": config, "tags": tags}})


def running(tag: str) -> str:
    """Three Deployments, as they are after a deploy of `tag`."""
    images = {"chat-api": "chat-api", "inference": "inference", "inference-claims": "inference"}
    return listed(*(deployment(name, f"{REGISTRY}/{image}:{tag}@{DIGESTS[image]}") for name, image in images.items()))


def all_goes_well(place: Place, stands: bool = True) -> None:
    """`stands`: the platform was made before; else its first apply makes it."""
    made = {} if stands else {"after": ["10-platform apply"]}
    place.answer("aws sts get-caller-identity", out=json.dumps({"Account": ACCOUNT}))
    place.answer("aws ecr get-login-password", out="a-password\n")
    place.answer("docker login", reads=1)
    for image, digest in DIGESTS.items():
        place.answer("aws ecr describe-images", f"/{image} ", status=254, err="(ImageNotFoundException) there is none")
        pushed = [f"docker push {REGISTRY}/{image}:"]
        place.answer("aws ecr describe-images", f"/{image} ", out=f"{digest}\n", after=pushed)
    place.answer("10-platform output -json", out="{}")
    place.answer("10-platform output -json", out=outputs(PLATFORM), **made)
    place.answer("20-addons output -json", out=outputs(ADDONS))
    place.answer("30-apps output -json", out=outputs(APPS))
    for root in ("10-platform", "20-addons", "30-apps"):
        place.answer(f"{root} state list", out=f"module.of.{root}\n")
    place.answer("aws eks list-nodegroups", out="general-1\tllm-1\n")
    place.answer("aws eks describe-nodegroup", "general-1", out=node_group("general-1", (1, 4, 2)))
    place.answer("aws eks describe-nodegroup", "llm-1", out=node_group("llm-1", (1, 2, 1)))
    place.answer("aws eks list-clusters", out="sluice-demo\n")
    place.answer("kubectl config view", out="arn:aws:eks:us-east-2:123456789012:cluster/sluice-demo")
    place.answer("get services,ingresses", out=listed(service({"hostname": BALANCER})))
    place.answer("get services --output json", out=listed(service({"hostname": BALANCER})))
    place.answer("get deployments --output json", out=running("0123abc"))
    for kinds in ("pods", "replicasets", "persistentvolumes", "nodes", "deployments,replicasets,pods", "events"):
        place.answer(f"get {kinds} ", "--output json", out=listed())
    place.answer("get secret sluice-chat", out="c29tZWJvZHk=")
    place.answer("get scaledobject", out="scaledobject.keda.sh/inference\n")
    place.answer("api-resources --api-group=keda.sh", out="scaledobjects.keda.sh\n")
    place.answer("describe-instance-type-offerings", out="us-east-2b us-east-2a us-east-2c us-east-2d")
