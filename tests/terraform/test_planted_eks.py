"""Mistakes in the EKS cluster, those of the predecessor first. Each is seen by a test of its own."""

import pytest

from tests.terraform.planting import Mistake, Tree
from tests.terraform.together import Planted, batches

CLUSTER = "modules/eks/main.tf"
NODES = "modules/eks/nodes.tf"
ADDONS = "modules/eks/addons.tf"
CHOICES = "modules/eks/variables.tf"
#: Which of the module's tests look at a file.
TESTS = {CLUSTER: "cluster", NODES: "nodes", ADDONS: "addons", CHOICES: "refused"}

#: The mistake, and what is said of it: a word of the assertion, or the name of the run that expected a refusal.
PLANTED = {
    # As the predecessor had it.
    "root disks of 20 GiB": (
        Mistake(NODES, "volume_size           = each.value.root_disk_gib", "volume_size           = 20"),
        "evicts its pods",
    ),
    "groups without their disks": (
        Mistake(CHOICES, "group.root_disk_gib >= 50", "group.root_disk_gib >= 20"),
        "a_root_disk_of_20",
    ),
    "the API is offered to everybody": (
        Mistake(CHOICES, ">= 16, false)", ">= 0, false)"),
        "the_whole_internet_is_refused",
    ),
    "the API is public unasked": (
        Mistake(CLUSTER, "endpoint_public_access  = var.endpoint_public_access", "endpoint_public_access  = true"),
        "answers inside the network only",
    ),
    "an empty list is the whole Internet": (
        Mistake(CHOICES, "length(var.endpoint_public_cidrs) > 0", "length(var.endpoint_public_cidrs) >= 0"),
        "public_access_from_nowhere",
    ),
    "no EBS driver": (Mistake(ADDONS, '"aws-ebs-csi-driver"', '"aws-efs-csi-driver"'), "Six managed add-ons"),
    "the EBS driver has no role": (
        Mistake(ADDONS, 'service_account = "ebs-csi-controller-sa"\n  }', 'service_account = "default"\n  }'),
        "by its own role",
    ),
    "no Pod Identity agent": (
        Mistake(ADDONS, "    eks-pod-identity-agent = null\n", ""),
        "Without the agent no pod gets the role",
    ),
    "no metrics-server": (
        Mistake(ADDONS, "    metrics-server = null", "    # metrics-server = null"),
        "stands still and says nothing",
    ),
    "a version out of support": (
        Mistake(CHOICES, '["1.34", "1.35"', '["1.29", "1.34", "1.35"'),
        "a_version_out_of_support",
    ),
    "an older version unasked": (
        Mistake(CHOICES, 'default     = "1.35"', 'default     = "1.34"'),
        "Kubernetes 1.35 unless",
    ),
    "support that costs six times as much": (Mistake(CLUSTER, '"STANDARD"', '"EXTENDED"'), "0.60 instead of 0.10"),
    "the audit log alone": (
        Mistake(CLUSTER, '["api", "audit", "authenticator", "controllerManager", "scheduler"]', '["audit"]'),
        "All five logs",
    ),
    # The cluster.
    "a ConfigMap says who comes in": (
        Mistake(
            CLUSTER,
            'authentication_mode                         = "API"',
            'authentication_mode                         = "API_AND_CONFIG_MAP"',
        ),
        "No aws-auth",
    ),
    "secrets in the clear": (Mistake(CLUSTER, 'resources = ["secrets"]', "resources = []"), "Secrets are encrypted"),
    "logs without an end": (
        Mistake(CLUSTER, "retention_in_days = var.log_retention_days", "retention_in_days = 0"),
        "EKS's own would have neither",
    ),
    "EKS's own add-ons": (
        Mistake(CLUSTER, "bootstrap_self_managed_addons = false", "bootstrap_self_managed_addons = true"),
        "in the way of the managed",
    ),
    "policies that nobody enforces": (
        Mistake(ADDONS, 'enableNetworkPolicy = "true"', 'enableNetworkPolicy = "false"'),
        "nobody enforces",
    ),
    "everybody is an entry": (
        Mistake(CHOICES, '"^arn:aws:iam::[0-9]{12}:(role|user)/"', '"."'),
        "an_entry_for_everybody",
    ),
    # The nodes.
    "disks in the clear": (
        Mistake(NODES, "encrypted             = true", "encrypted             = false"),
        "gp3, encrypted",
    ),
    "disks of the last kind": (Mistake(NODES, '"gp3"', '"gp2"'), "gp3, encrypted"),
    "pods act as the node": (Mistake(NODES, "hop_limit = 1 ", "hop_limit = 2 "), "two hops"),
    "metadata without a token": (
        Mistake(NODES, 'http_tokens                 = "required"', 'http_tokens                 = "optional"'),
        "IMDSv2",
    ),
    "a node may more than it needs": (
        Mistake(NODES, '"AmazonEKS_CNI_Policy", ', '"AmazonEKS_CNI_Policy", "AmazonS3FullAccess", '),
        "are for pods' own roles",
    ),
    "scaling is undone": (
        Mistake(NODES, "ignore_changes = [scaling_config[0].desired_size]", "ignore_changes = []"),
        "desired_size counts at creation",
    ),
    "no taint on the model's nodes": (
        Mistake(NODES, "for_each = each.value.taints", "for_each = []"),
        "Nothing but the model",
    ),
    "slices of all cores": (Mistake(NODES, "cpuManagerPolicy: static", "cpuManagerPolicy: none"), "owns its cores"),
    "machines without tags": (
        Mistake(NODES, 'toset(["instance", "volume", "network-interface"])', 'toset(["volume"])'),
        "must bear them",
    ),
    "an old Amazon Linux": (Mistake(NODES, '"AL2023_x86_64_STANDARD"', '"AL2_x86_64"'), "Amazon Linux 2023"),
}


def _tests(mistake: Mistake) -> str:
    if "default" in mistake.right:
        return "cluster"
    return "addons" if "addons" in mistake.right else TESTS[mistake.file]


BATCHES = batches(
    {name: Planted("modules/eks", _tests(mistake), mistake, said) for name, (mistake, said) in PLANTED.items()}
)


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_is_seen(tree: Tree, name: str) -> None:
    told = BATCHES[name].run(tree)
    assert PLANTED[name][1] in told, told
