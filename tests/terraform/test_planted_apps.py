"""Mistakes that the predecessor made, and some that no service may have: each fails a test when it is planted.

What has to notice is `terraform test` of the module or root itself, in the run that is there for it.
"""

import pytest

from tests.terraform.planting import Mistake, Tree

APP, APPS, STORAGE = "modules/app", "envs/demo/30-apps", "modules/storage"


def deployment(right: str, wrong: str) -> Mistake:
    return Mistake(f"{APP}/deployment.tf", right, wrong)


def variables(right: str, wrong: str) -> Mistake:
    return Mistake(f"{APP}/variables.tf", right, wrong)


def refusal(run: str) -> tuple[str, str]:
    """What was to be refused is taken."""
    return "refused", f'run "{run}"... fail'


#: What somebody does -> where, what it is, and the file of tests that has to say what.
MISTAKES = {
    "liveness may fail for 40 minutes": (
        APP,
        (
            variables("liveness_period   = optional(number, 10)", "liveness_period   = optional(number, 120)"),
            variables("liveness_failures = optional(number, 3)", "liveness_failures = optional(number, 20)"),
        ),
        ("app", "liveness must end a pod that hangs within 30 s"),
    ),
    "and nobody refuses such a liveness": (
        APP,
        (variables("var.probes.liveness_failures <= 30 &&", "var.probes.liveness_failures <= 3000 &&"),),
        refusal("liveness_of_forty_minutes"),
    ),
    "4 threads on 2 CPUs are taken": (
        APP,
        (variables("condition = var.threads <= (", "condition = var.threads <= 2 * ("),),
        refusal("four_threads_on_two_cores"),
    ),
    "more threads than the engine's CPUs by default": (
        APPS,
        (
            Mistake(
                f"{APPS}/variables.tf", 'cpu                 = optional(string, "3")', 'cpu = optional(string, "2")'
            ),
        ),
        ("apps", "threads must not exceed the CPU limit"),
    ),
    "one disk for several replicas": (
        APP,
        (variables("coalesce(var.replicas.max, var.replicas.start) == 1", "var.replicas.start == 1"),),
        refusal("one_disk_for_two_pods"),
    ),
    "one disk for several replicas, at the root": (
        APPS,
        (
            Mistake(
                f"{APPS}/variables.tf", "max(var.chat.replicas, var.chat.max_replicas) == 1", "var.chat.replicas == 1"
            ),
        ),
        refusal("two_replicas_on_one_disk"),
    ),
    "a rollout that wants the disk twice": (
        APP,
        (deployment('type = local.has_claim ? "Recreate" : "RollingUpdate"', 'type = "RollingUpdate"'),),
        ("model_cache", "the old pod goes before the new one comes"),
    ),
    "latest": (
        APP,
        (variables('&& !can(regex(":latest(@|$)", var.image))', ""),),
        refusal("an_image_that_moves"),
    ),
    "latest, at the root": (
        APPS,
        (Mistake(f"{APPS}/variables.tf", '&& var.image_tag != "latest"', ""),),
        refusal("a_tag_that_moves"),
    ),
    "scaling by CPU": (
        APP,
        (variables('contains(["kafka", "prometheus"]', 'contains(["kafka", "prometheus", "cpu"]'),),
        refusal("scaling_by_cpu"),
    ),
    "the Classic balancer's annotation on an NLB": (
        APP,
        (
            Mistake(
                f"{APP}/service.tf",
                '-listener-attributes.TCP-${local.service_port}" = "tcp.idle_timeout.seconds=${local.idle}"',
                '-connection-idle-timeout" = local.idle',
            ),
        ),
        ("balancers", 'run "nlb"... fail'),
    ),
    "the NLB's annotation on a Classic balancer": (
        APP,
        (Mistake(f"{APP}/service.tf", "classic = local.classic_annotations", "classic = local.nlb_annotations"),),
        ("balancers", 'run "classic"... fail'),
    ),
    "an ALB without its idle timeout": (
        APP,
        (
            Mistake(
                f"{APP}/service.tf", "idle_timeout.timeout_seconds=${local.idle}", "idle_timeout.timeout_seconds=60"
            ),
        ),
        ("balancers", "The idle timeout of an ALB is an attribute of the balancer."),
    ),
    "a server that closes before the balancer": (
        APPS,
        (Mistake(f"{APPS}/services.tf", "keep_alive = local.idle + 20", "keep_alive = 65"),),
        ("apps", "The ladder is broken"),
    ),
    "a grace shorter than an answer": (
        APP,
        (Mistake(f"{APP}/main.tf", "var.timeouts.pre_stop + var.timeouts.drain + var.timeouts.after_drain", "30"),),
        ("app", "The grace covers the sleep and the drain"),
    ),
    "startup asks liveness": (
        APP,
        (deployment("path = var.probes.startup", "path = var.probes.liveness"),),
        ("app", "Startup asks /ready"),
    ),
    "root in the container": (
        APP,
        (deployment("run_as_non_root        = true", "run_as_non_root        = false"),),
        ("app", "The pod runs as 10001"),
    ),
    "a root that can be written": (
        APP,
        (deployment("read_only_root_filesystem  = true", "read_only_root_filesystem  = false"),),
        ("app", "The root is read-only and no capability is left."),
    ),
    "a token for the Kubernetes API": (
        APP,
        (deployment("automount_service_account_token  = false", "automount_service_account_token  = true"),),
        ("app", "no token for the Kubernetes API"),
    ),
    "a model that the service can overwrite": (
        APP,
        (deployment("read_only  = true", "read_only  = false"),),
        ("model_cache", "Where the init container writes the service only reads."),
    ),
    "a budget for a single replica": (
        APP,
        (Mistake(f"{APP}/scaling.tf", "local.min_replicas > 1 ? 1 : 0", "1"),),
        ("app", "A budget of one replica"),
    ),
    "replicas side by side": (
        APP,
        (deployment("local.max_replicas > 1 ? [", "local.max_replicas > 9 ? ["),),
        ("app", "Replicas are spread over zones and nodes."),
    ),
    "the node's metadata within reach": (
        APP,
        (Mistake(f"{APP}/network.tf", "except = egress.value.except", "except = []"),),
        ("app", "never the node's own metadata"),
    ),
    "a consumer without a partition": (
        APPS,
        (Mistake(f"{APPS}/variables.tf", "var.kafka_partitions >= max(", "100 + var.kafka_partitions >= max("),),
        refusal("more_consumers_than_partitions"),
    ),
    "KEDA looks at another group than the consumer's": (
        APPS,
        (Mistake(f"{APPS}/main.tf", "= var.claims_group", '= "inference"'),),
        ("apps", "By the lag of the group and topic that the consumer has."),
    ),
    "claims in the callers' pods": (
        APPS,
        (Mistake(f"{APPS}/services.yaml.tftpl", 'USE_KAFKA: "0"', 'USE_KAFKA: "1"'),),
        ("apps", "the other works claims and has no door"),
    ),
    "secrets in the state": (
        APPS,
        (Mistake(f"{APPS}/main.tf", "  data_wo          = ", "  data             = "),),
        ("apps", 'run "secrets_are_in_no_state"... fail'),
    ),
    "disks in a zone of their own choice": (
        STORAGE,
        (Mistake(f"{STORAGE}/main.tf", "WaitForFirstConsumer", "Immediate"),),
        ("storage", "made before its pod has a node"),
    ),
    "disks in plain text": (
        STORAGE,
        (Mistake(f"{STORAGE}/main.tf", 'encrypted = "true"', 'encrypted = "false"'),),
        ("storage", "gp3 and encrypted."),
    ),
}


@pytest.mark.timeout(300)  # each is a `terraform test` of a dozen plans
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(tree: Tree, mistake: str) -> None:
    place, planted, (file, words) = MISTAKES[mistake]
    tested = tree.tested(place, *planted, only=file)
    assert not tested.passed
    assert words in " ".join(tested.said.split()), tested.said
