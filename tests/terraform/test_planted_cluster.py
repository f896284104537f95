"""Mistakes in what the services stand on: namespace, Kafka, topics, rules, add-ons. A test sees each."""

import pytest

from tests.terraform.planting import Mistake, Tree
from tests.terraform.together import Planted, batches

NAMESPACE = "modules/namespace/main.tf"
KAFKA = "modules/kafka/main.tf"
BROKERS = "modules/kafka/statefulset.tf"
WHO_MAY = "modules/kafka/policies.tf"
TOPICS = "modules/topics/main.tf"
RULES = "modules/observability/main.tf"
ADDONS = "modules/addons/main.tf"
PROMETHEUS = "modules/addons/prometheus.tf"

#: As it stands in the rule for clients, and in no other.
FOR_CLIENTS = """\
      ports {
        port     = tostring(local.client)
        protocol = "TCP"
      }
    }

    ingress"""

#: The mistake, and what is said of it.
PLANTED = {
    "pods may be privileged": (
        Mistake(
            NAMESPACE,
            '"pod-security.kubernetes.io/enforce"         = "restricted"',
            '"pod-security.kubernetes.io/enforce"         = "baseline"',
        ),
        "Pod Security must be enforced",
    ),
    "traffic out is not denied": (
        Mistake(NAMESPACE, 'policy_types = ["Ingress", "Egress"]', 'policy_types = ["Ingress"]'),
        "denied in both directions",
    ),
    "the denial forgets most pods": (
        Mistake(
            NAMESPACE,
            '    pod_selector {}\n    policy_types = ["Ingress"',
            '    pod_selector {\n      match_labels = { x = "y" }\n    }\n    policy_types = ["Ingress"',
        ),
        "for every pod",
    ),
    "DNS is any port": (
        Mistake(NAMESPACE, '        port     = "53"\n        protocol = "TCP"', '        protocol = "TCP"'),
        "on port 53",
    ),
    "limits are handed out": (
        Mistake(NAMESPACE, 'type = "Pod"', 'type = "Container"'),
        "who forgets them is to be refused",
    ),
    "memory has no quota": (
        Mistake(NAMESPACE, '"limits.memory"          = var.quota.limits_memory', ""),
        "The quota must bound",
    ),
    "claims push others out": (
        Mistake("modules/namespace/variables.tf", "value = 10000, preempts = false", "value = 10000, preempts = true"),
        "claims push nobody out",
    ),
    "one broker after another": (
        Mistake(BROKERS, '"Parallel"', '"OrderedReady"'),
        "waits for a majority that is never started",
    ),
    "voters have no names yet": (
        Mistake(KAFKA, "publish_not_ready_addresses = true", "publish_not_ready_addresses = false"),
        "no quorum ever",
    ),
    "writes need all brokers": (
        Mistake(KAFKA, "max(1, var.replicas - 1)", "var.replicas"),
        "one that restarts would stop all writing",
    ),
    "one copy on three brokers": (
        Mistake(
            KAFKA,
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR                 = local.copies",
            'KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR                 = "1"',
        ),
        "of Kafka's own topics too",
    ),
    "a single broker forbids drains": (Mistake(KAFKA, "var.replicas > 1 ? 1 : 0", "1"), "it would forbid every drain"),
    "two brokers": (Mistake("modules/kafka/variables.tf", "contains([1, 3]", "contains([1, 2, 3]"), "two_brokers"),
    "the broker is root": (
        Mistake(BROKERS, "run_as_non_root        = true", "run_as_non_root        = false"),
        "`restricted`",
    ),
    "its root is written to": (
        Mistake(BROKERS, "read_only_root_filesystem  = true", "read_only_root_filesystem  = false"),
        "`restricted`",
    ),
    "services become properties": (
        Mistake(BROKERS, "enable_service_links = false", "enable_service_links = true"),
        "KAFKA_PORT=tcp",
    ),
    "the configuration can not be written": (
        Mistake(BROKERS, 'mount_path = "/opt/kafka/config"', 'mount_path = "/etc/kafka/config"'),
        "Where the image writes",
    ),
    "the log lies beside lost+found": (
        Mistake(KAFKA, '"/var/lib/kafka/data/log"', '"/var/lib/kafka/data"'),
        "lost+found",
    ),
    "volumes go with the set": (
        Mistake(BROKERS, 'when_deleted = "Retain"', 'when_deleted = "Delete"'),
        "stay when the set goes",
    ),
    "a broker is given up after a minute": (
        Mistake(BROKERS, "failure_threshold = 60", "failure_threshold = 12"),
        "reads its log before it answers",
    ),
    "clients reach the controllers": (
        Mistake(WHO_MAY, FOR_CLIENTS, FOR_CLIENTS.replace("client", "quorum")),
        "not the controllers' own",
    ),
    "KEDA is not let in": (Mistake(WHO_MAY, '"keda-operator"', '"keda"'), "which asks for the lag"),
    "a job that never changes": (
        Mistake(TOPICS, "topics-${substr(sha256(", 'topics-${substr(sha256(true ? "" : '),
        "must make a new job",
    ),
    "topics of another program": (
        Mistake(TOPICS, '"prepare", "topics"', '"prepare", "buckets"'),
        "by the program that uses",
    ),
    "the job is not let in": (
        Mistake(TOPICS, "merge(local.labels, var.client_labels)", "local.labels"),
        "does not let it in",
    ),
    "MSK is out of reach": (Mistake(TOPICS, "length(var.networks) > 0 ? 1 : 0", "0"), "brokers_outside"),
    "some rules are left out": (
        Mistake(RULES, '(local.rules_folder, "*.yml")', '(local.rules_folder, "c*.yml")'),
        "Each file of rules",
    ),
    "rules go through a template": (
        Mistake(
            RULES, "  data = local.rules", "  data = { for name, rules in local.rules : name => trimspace(rules) }"
        ),
        "byte for byte",
    ),
    "Grafana does not see them": (Mistake(RULES, '{ (var.dashboard_label) = "1" }', "{}"), "sidecar does not see"),
    "every service becomes an NLB": (
        Mistake(ADDONS, "enableServiceMutatorWebhook = false", "enableServiceMutatorWebhook = true"),
        "becomes an NLB",
    ),
    "the controller asks the node": (Mistake(ADDONS, "vpcId  = var.vpc_id", 'vpcId  = ""'), "told where it is"),
    "a controller beside the classic one": (
        Mistake(PROMETHEUS, 'contains(["nlb", "alb"]', 'contains(["classic", "nlb", "alb"]'),
        "would take new ones over",
    ),
    "the install waits for itself": (Mistake(ADDONS, "wait        = false", "wait        = true"), "never ends"),
    "no rules, no Prometheus": (Mistake(PROMETHEUS, "optional = true", "optional = false"), "start without them"),
    "rules are read from nowhere": (
        Mistake(PROMETHEUS, '"${local.rules_folder}/*.yml"', '"/etc/config/*.yml"'),
        "read from where they are mounted",
    ),
    "the volume fills up": (Mistake(PROMETHEUS, "storage_gib * 0.8", "storage_gib * 1.2"), "before its volume is full"),
    "Prometheus may do more": (Mistake(PROMETHEUS, "runAsNonRoot   = true", "runAsNonRoot   = false"), "`restricted`"),
}


#: What a module promises stands in the file of its name, and what it refuses beside that.
BATCHES = batches(
    {
        name: Planted(
            place := mistake.file.rsplit("/", 1)[0],
            "refused" if said == "two_brokers" else place.rsplit("/", 1)[1],
            mistake,
            said,
        )
        for name, (mistake, said) in PLANTED.items()
    }
)


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_is_seen(tree: Tree, name: str) -> None:
    told = BATCHES[name].run(tree)
    assert PLANTED[name][1] in told, told
