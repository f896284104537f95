"""Mistakes in what the cluster stands on: network, registry, bucket, identities, brokers, and the whole."""

import pytest

from tests.terraform.planting import Mistake, Tree
from tests.terraform.together import Planted, batches

NETWORK = "modules/network/main.tf"
ENDPOINTS = "modules/network/endpoints.tf"
FLOWS = "modules/network/flow_logs.tf"
REGISTRY = "modules/ecr/main.tf"
BUCKET = "modules/object_store/main.tf"
IDENTITY = "modules/pod_identity/main.tf"
MSK = "modules/msk/main.tf"
ROOT = "envs/demo/10-platform/main.tf"
KEY = "envs/demo/10-platform/kms.tf"
IDENTITIES = "envs/demo/10-platform/identities.tf"

#: The mistake, and what is said of it: a word of the assertion, or the name of the run that expected a refusal.
PLANTED = {
    # The network.
    "private subnets without their tag": (
        Mistake(NETWORK, '"kubernetes.io/role/internal-elb" = "1"', ""),
        "find private subnets",
    ),
    "public subnets without their tag": (
        Mistake(NETWORK, '"kubernetes.io/role/elb" = "1"', ""),
        "find public subnets",
    ),
    "addresses for whatever starts": (
        Mistake(NETWORK, "map_public_ip_on_launch = false", "map_public_ip_on_launch = true"),
        "public address by being started",
    ),
    "a NAT per zone unasked": (
        Mistake(
            NETWORK,
            "var.single_nat_gateway ? slice(var.availability_zones, 0, 1) : var.availability_zones",
            "var.availability_zones",
        ),
        "pays for one NAT",
    ),
    "models through NAT": (
        Mistake(ENDPOINTS, "[for table in aws_route_table.private : table.id]", "[aws_route_table.public.id]"),
        "by the gigabyte",
    ),
    "accepted flows alone": (Mistake(FLOWS, '"ALL"', '"ACCEPT"'), "Refused flows"),
    "an open default group": (
        Mistake(
            NETWORK,
            '  tags = { Name = "${var.name}-default-closed" }',
            '  ingress {\n    from_port = 0\n    to_port   = 0\n    protocol  = "-1"\n    self      = true\n  }',
        ),
        "reach nothing",
    ),
    # Registry, bucket, identities, brokers.
    "tags that move": (Mistake(REGISTRY, '"IMMUTABLE"', '"MUTABLE"'), "a deploy deploys nothing"),
    "pushes nobody scans": (Mistake(REGISTRY, "scan_on_push = true", "scan_on_push = false"), "Every push is scanned"),
    "layers under AWS's key": (
        Mistake(REGISTRY, 'encryption_type = "KMS"', 'encryption_type = "AES256"'),
        "Layers are encrypted",
    ),
    "one door to the public": (
        Mistake(BUCKET, "block_public_policy     = true", "block_public_policy     = false"),
        "All four doors",
    ),
    "objects in the clear on the way": (
        Mistake(BUCKET, '"aws:SecureTransport" = "false"', '"aws:SecureTransport" = "true"'),
        "without TLS",
    ),
    "what is overwritten is gone": (
        Mistake(BUCKET, 'status = "Enabled"\n  }\n}', 'status = "Suspended"\n  }\n}'),
        "Versions are kept",
    ),
    "objects under AWS's key": (Mistake(BUCKET, '"aws:kms"', '"AES256"'), "encrypted under KMS"),
    "any pod takes the role": (
        Mistake(IDENTITY, '          "aws:RequestTag/kubernetes-service-account" = var.service_account.name\n', ""),
        "sluice/inference",
    ),
    "brokers speak in the clear": (Mistake(MSK, '"TLS"', '"TLS_PLAINTEXT"'), "TLS between clients"),
    "topics by mistake": (
        Mistake(MSK, "auto.create.topics.enable=false", "auto.create.topics.enable=true"),
        "No topic by mistake",
    ),
    # The whole.
    "a broker that can not come back": (
        Mistake(
            ROOT,
            'var.kafka_mode == "incluster" ? [local.llm_zone]',
            'var.kafka_mode == "incluster" ? var.availability_zones',
        ),
        "never take the broker up",
    ),
    "a key that never turns": (
        Mistake(KEY, "enable_key_rotation     = true", "enable_key_rotation     = false"),
        "rotated",
    ),
    "any account's logs": (
        Mistake(KEY, "${var.region}:${data.aws_caller_identity.current.account_id}:*", "*:*:*"),
        "of this account and region only",
    ),
    "all buckets": (Mistake(IDENTITIES, '"${module.object_store.bucket_arn}/*"', '"*"'), "no other resource"),
    "the cluster's secrets through the bucket's door": (
        Mistake(IDENTITIES, '"kms:ViaService" = "s3.', '"kms:ViaService" = "eks.'),
        "not the cluster's secrets",
    ),
    "the bill is not told apart": (Mistake(ROOT, "Cluster = var.name, ", ""), "Four tags"),
}


def _where(mistake: Mistake) -> tuple[str, str]:
    place = mistake.file.rsplit("/", 1)[0]
    return place, "platform" if place.startswith("envs") else place.rsplit("/", 1)[1]


BATCHES = batches({name: Planted(*_where(mistake), mistake, said) for name, (mistake, said) in PLANTED.items()})


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_is_seen(tree: Tree, name: str) -> None:
    told = BATCHES[name].run(tree)
    assert PLANTED[name][1] in told, told
