"""Which pods Prometheus scrapes in the cluster, and by what names: a real one, with the scrapes of 20-addons.

What Kubernetes' API would tell it of pods comes from a file here: Debian's Prometheus asks no Kubernetes. From there on
all is its own: what is kept and what is dropped, address, job and labels of each target.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.integration.observability.server import configured
from tests.integration.processes import eventually
from tests.observability.promtool import PROMETHEUS
from tests.ports import free_port

SCRAPED = {"prometheus_io_scrape": "true", "prometheus_io_path": "/metrics"}


def pod(name: str, app: str, ip: str, ports: list[int], phase: str = "Running", **annotations: str) -> list[Any]:
    """As Kubernetes' discovery tells it: a target for each port of its containers, and one where there is none."""
    told = {
        "__meta_kubernetes_namespace": "sluice",
        "__meta_kubernetes_pod_name": name,
        "__meta_kubernetes_pod_ip": ip,
        "__meta_kubernetes_pod_phase": phase,
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": app,
        **{f"__meta_kubernetes_pod_annotation_{key}": value for key, value in annotations.items()},
    }
    return [{"targets": [f"{ip}:{port}" if port else ip], "labels": told} for port in ports or [0]]


PODS = [
    *pod("chat-api-1", "chat-api", "127.0.0.2", [8002], prometheus_io_port="8002", **SCRAPED),
    *pod("inference-1", "inference", "127.0.0.3", [8000, 9999], prometheus_io_port="8000", **SCRAPED),
    *pod("inference-claims-1", "inference-claims", "127.0.0.4", [], prometheus_io_port="8000", **SCRAPED),
    *pod(
        "inference-claims-0", "inference-claims", "127.0.0.5", [8000], "Succeeded", prometheus_io_port="8000", **SCRAPED
    ),
    *pod("kafka-0", "kafka", "127.0.0.6", [9092, 9093]),
    *pod("topics-1", "topics", "127.0.0.7", [], "Running", prometheus_io_scrape="false"),
]


def test_pods_that_ask_for_it_are_scraped_once_by_the_jobs_that_rules_know(tmp_path: Path) -> None:
    here = f"127.0.0.1:{free_port()}"
    written = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())
    pods, itself = written["scrape_configs"]
    assert pods.pop("kubernetes_sd_configs")[0]["role"] == "pod"
    pods["file_sd_configs"] = [{"files": [str(tmp_path / "pods.json")]}]
    itself["static_configs"] = [{"targets": [here]}]
    (tmp_path / "pods.json").write_text(json.dumps(PODS))
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(written))
    with configured(tmp_path, here) as prometheus:
        eventually(lambda: len(prometheus.discovered()) >= 4, 20, lambda: str(prometheus.discovered()))
        found = {target["scrapeUrl"]: target["labels"] for target in prometheus.discovered()}
        assert len(found) == len(prometheus.discovered())
    assert found == {
        "http://127.0.0.2:8002/metrics": {"job": "chat", "instance": "chat-api-1", "app": "chat-api"},
        "http://127.0.0.3:8000/metrics": {"job": "inference", "instance": "inference-1", "app": "inference"},
        "http://127.0.0.4:8000/metrics": {
            "job": "inference", "instance": "inference-claims-1", "app": "inference-claims",
        },
        f"http://{here}/metrics": {"job": "prometheus", "instance": here},
    }  # fmt: skip
