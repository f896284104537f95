"""Writes docs/metrics.md from what the metrics of both services say of themselves."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from inference_container.settings import InferenceSettings
from inference_container.wiring import Runtime as InferenceRuntime
from service_chat.settings import ChatSettings
from service_chat.wiring import Runtime as ChatRuntime
from serving.described import Described
from serving.metrics import Metrics
from serving.metrics_page import metrics_page

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"


def all_metrics() -> tuple[Metrics, Metrics]:
    """Of a chat service and of a forecast service that has all of its doors. Nothing is opened."""
    chat = ChatRuntime(ChatSettings(llm_mode="mock")).metrics
    with TemporaryDirectory() as folder:
        settings = InferenceSettings(kafka_bootstrap_servers="memory", store_path=folder)
        return chat, InferenceRuntime(settings).metrics


def services() -> Sequence[tuple[str, Sequence[Described]]]:
    chat, forecast = all_metrics()
    return (("chat service", chat.described), ("forecast service", forecast.described))


if __name__ == "__main__":
    PAGE.write_text(metrics_page(services()))
