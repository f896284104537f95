"""What stands beside the services in the cluster agrees with them, with compose and with what the tests run on."""

import re
from typing import Any

import pytest
import yaml

from tests.compose_file import services as composed
from tests.contract.test_terraform import VALUES
from tests.observability.promtool import PROMETHEUS
from tests.terraform_files import APPS, ROOT, TREE, blocks, default_of, services

ADDONS, KAFKA = TREE / "modules/addons", TREE / "modules/kafka"
SCRAPES: dict[str, Any] = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())
(SERVICES,) = (job for job in SCRAPES["scrape_configs"] if job["job_name"] == "services")


def attribute(variable: str, name: str) -> str:
    """The default of an attribute of an object-typed variable of modules/addons."""
    (block,) = (each for each in blocks(ADDONS, "variable") if each.name == variable)
    found = re.search(rf"^    {name} += optional\(\w+, (.*)\)$", block.body, re.MULTILINE)
    assert found is not None, f"{variable} has no {name}"
    return found[1].strip('"')


def test_one_kafka_in_compose_in_the_cluster_and_in_the_tests() -> None:
    image = default_of(KAFKA, "image")
    assert composed()["kafka"]["image"] == image
    assert f"<kafka.version>{image.partition(':')[2]}<" in (ROOT / "tests/kafka/pom.xml").read_text()


def test_one_prometheus_in_compose_and_in_the_cluster() -> None:
    assert composed()["prometheus"]["image"].partition(":")[2] == attribute("prometheus", "image_tag")


def test_kafka_in_the_cluster_is_told_all_that_it_is_told_in_compose() -> None:
    (locals_,) = (block for block in blocks(KAFKA, "locals") if "environment" in block.body)
    told = set(re.findall(r"^    ((?:KAFKA_|CLUSTER_)\w+) ", locals_.body, re.MULTILINE)) | {"KAFKA_NODE_ID"}
    #: Nobody waits for a second member on a laptop; a cluster's groups have several, and are balanced once.
    laptops = {"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS"}
    assert set(composed()["kafka"]["environment"]) - laptops <= told


def test_prometheus_mounts_the_rules_that_30_apps_makes_and_is_where_it_is_asked() -> None:
    assert attribute("prometheus", "rules_config_map") == default_of(TREE / "modules/observability", "rules_name")
    namespace = attribute("prometheus", "namespace")
    assert (
        namespace == default_of(APPS, "prometheus_namespace") == default_of(TREE / "modules/observability", "namespace")
    )
    assert default_of(APPS, "prometheus_address").startswith(f"http://prometheus-server.{namespace}.svc")


def test_keda_is_let_in_where_it_is() -> None:
    assert attribute("keda", "namespace") == default_of(KAFKA, "keda_namespace")


def test_pods_ask_for_scrapes_by_the_annotations_that_are_looked_for() -> None:
    written = (TREE / "modules/app/deployment.tf").read_text()
    asked = {
        label.removeprefix("__meta_kubernetes_pod_annotation_")
        for rule in SERVICES["relabel_configs"]
        for label in rule.get("source_labels", ())
        if "_annotation_" in label
    }
    annotations = {re.sub(r"\W", "_", name): name for name in re.findall(r'"(prometheus\.io/\w+)"', written)}
    assert asked == {"prometheus_io_scrape", "prometheus_io_port", "prometheus_io_path"}
    assert asked == set(annotations)


def test_pods_have_the_jobs_that_rules_ask_for() -> None:
    """By their names, which are the labels `app.kubernetes.io/name`."""
    ours = {job["job_name"] for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]}
    named = {rule["regex"]: rule["replacement"] for rule in SERVICES["relabel_configs"] if "replacement" in rule}
    assert set(named.values()) == ours - {"prometheus"}
    for pod in services(VALUES):
        assert [job for name, job in named.items() if re.fullmatch(name, pod)] == [pod.split("-")[0]]


def test_pods_are_looked_for_in_the_namespace_that_they_are_in() -> None:
    assert SERVICES["kubernetes_sd_configs"][0]["namespaces"]["names"] == [default_of(APPS, "namespace")]


@pytest.mark.parametrize("addon", ["metrics-server", "vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver"])
def test_what_no_chart_brings_is_an_add_on_of_the_platform(addon: str) -> None:
    written = (TREE / "modules/eks/addons.tf").read_text()
    assert re.search(rf'^ +({addon} += |addon_name += "{addon}"$)', written, re.MULTILINE)
