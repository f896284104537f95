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


#: What somebody does -> where, what it is, and the run that has to fail.
MISTAKES = {
    "liveness may fail for 40 minutes": (
        APP,
        (
            variables("liveness_period   = optional(number, 10)", "liveness_period   = optional(number, 120)"),
            variables("liveness_failures = optional(number, 3)", "liveness_failures = optional(number, 20)"),
        ),
        ("app", "probes_come_from_facts"),
    ),
    "and nobody refuses such a liveness": (
        APP,
        (variables("var.probes.liveness_failures <= 30 &&", "var.probes.liveness_failures <= 3000 &&"),),
        ("refused", "liveness_of_forty_minutes"),
    ),
    "4 threads on 2 CPUs are taken": (
        APP,
        (variables("condition = var.threads <= (", "condition = var.threads <= 2 * ("),),
        ("refused", "four_threads_on_two_cores"),
    ),
    "more threads than the engine's CPUs by default": (
        APPS,
        (
            Mistake(
                f"{APPS}/variables.tf", 'cpu                 = optional(string, "3")', 'cpu = optional(string, "2")'
            ),
        ),
        ("apps", "names_that_operators_know"),
    ),
    "one disk for several replicas": (
        APP,
        (variables("coalesce(var.replicas.max, var.replicas.start) == 1", "var.replicas.start == 1"),),
        ("refused", "one_disk_for_two_pods"),
    ),
    "one disk for several replicas, at the root": (
        APPS,
        (
            Mistake(
                f"{APPS}/variables.tf", "max(var.chat.replicas, var.chat.max_replicas) == 1", "var.chat.replicas == 1"
            ),
        ),
        ("refused", "two_replicas_on_one_disk"),
    ),
    "a rollout that wants the disk twice": (
        APP,
        (deployment('type = local.has_claim ? "Recreate" : "RollingUpdate"', 'type = "RollingUpdate"'),),
        ("model_cache", "pvc"),
    ),
    "latest": (
        APP,
        (variables('&& !can(regex(":latest(@|$)", var.image))', ""),),
        ("refused", "an_image_that_moves"),
    ),
    "latest, at the root": (
        APPS,
        (Mistake(f"{APPS}/variables.tf", '&& var.image_tag != "latest"', ""),),
        ("refused", "a_tag_that_moves"),
    ),
    "scaling by CPU": (
        APP,
        (variables('contains(["kafka", "prometheus"]', 'contains(["kafka", "prometheus", "cpu"]'),),
        ("refused", "scaling_by_cpu"),
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
        ("balancers", "nlb"),
    ),
    "the NLB's annotation on a Classic balancer": (
        APP,
        (Mistake(f"{APP}/service.tf", "classic = local.classic_annotations", "classic = local.nlb_annotations"),),
        ("balancers", "classic"),
    ),
    "an ALB without its idle timeout": (
        APP,
        (
            Mistake(
                f"{APP}/service.tf", "idle_timeout.timeout_seconds=${local.idle}", "idle_timeout.timeout_seconds=60"
            ),
        ),
        ("balancers", "alb"),
    ),
    "a server that closes before the balancer": (
        APPS,
        (Mistake(f"{APPS}/services.tf", "keep_alive = local.idle + 20", "keep_alive = 65"),),
        ("apps", "names_that_operators_know"),
    ),
    "a grace shorter than an answer": (
        APP,
        (Mistake(f"{APP}/main.tf", "var.timeouts.pre_stop + var.timeouts.drain + var.timeouts.after_drain", "30"),),
        ("app", "a_pod_has_the_time_to_end"),
    ),
    "startup asks liveness": (
        APP,
        (deployment("path = var.probes.startup", "path = var.probes.liveness"),),
        ("app", "probes_come_from_facts"),
    ),
    "root in the container": (
        APP,
        (deployment("run_as_non_root        = true", "run_as_non_root        = false"),),
        ("app", "nobody_in_the_pod_is_root"),
    ),
    "a root that can be written": (
        APP,
        (deployment("read_only_root_filesystem  = true", "read_only_root_filesystem  = false"),),
        ("app", "nobody_in_the_pod_is_root"),
    ),
    "a token for the Kubernetes API": (
        APP,
        (deployment("automount_service_account_token  = false", "automount_service_account_token  = true"),),
        ("app", "nobody_in_the_pod_is_root"),
    ),
    "a model that the service can overwrite": (
        APP,
        (deployment("read_only  = true", "read_only  = false"),),
        ("model_cache", "the_init_container_fetches_and_the_service_reads"),
    ),
    "a budget for a single replica": (
        APP,
        (Mistake(f"{APP}/scaling.tf", "local.min_replicas > 1 ? 1 : 0", "1"),),
        ("app", "a_single_replica_does_not_hold_up_a_drain"),
    ),
    "replicas side by side": (
        APP,
        (deployment("local.max_replicas > 1 ? [", "local.max_replicas > 9 ? ["),),
        ("app", "replicas_stand_apart_and_one_may_go"),
    ),
    "the node's metadata within reach": (
        APP,
        (Mistake(f"{APP}/network.tf", "except = egress.value.except", "except = []"),),
        ("app", "only_who_may_ask_asks"),
    ),
    "a consumer without a partition": (
        APPS,
        (Mistake(f"{APPS}/variables.tf", "var.kafka_partitions >= max(", "100 + var.kafka_partitions >= max("),),
        ("refused", "more_consumers_than_partitions"),
    ),
    "KEDA looks at another group than the consumer's": (
        APPS,
        (Mistake(f"{APPS}/main.tf", "= var.claims_group", '= "inference"'),),
        ("apps", "claims_scale_by_their_lag"),
    ),
    "claims in the callers' pods": (
        APPS,
        (Mistake(f"{APPS}/services.yaml.tftpl", 'USE_KAFKA: "0"', 'USE_KAFKA: "1"'),),
        ("apps", "callers_and_claims_do_not_share_workers"),
    ),
    "secrets in the state": (
        APPS,
        (Mistake(f"{APPS}/main.tf", "  data_wo          = ", "  data             = "),),
        ("apps", "secrets_are_in_no_state"),
    ),
    "disks in a zone of their own choice": (
        STORAGE,
        (Mistake(f"{STORAGE}/main.tf", "WaitForFirstConsumer", "Immediate"),),
        ("storage", "disks_are_gp3_encrypted_and_made_where_the_pod_is"),
    ),
    "disks in plain text": (
        STORAGE,
        (Mistake(f"{STORAGE}/main.tf", 'encrypted = "true"', 'encrypted = "false"'),),
        ("storage", "disks_are_gp3_encrypted_and_made_where_the_pod_is"),
    ),
}


@pytest.mark.timeout(300)  # each is a `terraform test` of a dozen plans
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(tree: Tree, mistake: str) -> None:
    place, planted, (file, run) = MISTAKES[mistake]
    tested = tree.tested(place, *planted, only=file)
    assert not tested.passed
    assert f'run "{run}"... fail' in tested.said, tested.said
