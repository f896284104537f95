"""Names that people alert on, chart and set: changing one is a decision, made by changing the pinned list."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import inference_container
import service_chat
import serving
from inference_container.metrics import InferenceMetrics
from inference_container.settings import InferenceSettings
from inference_container.wiring import Runtime as InferenceRuntime
from scripts.configuration_page import PAGE, SERVICES
from service_chat.metrics import ChatMetrics
from service_chat.settings import ChatSettings
from service_chat.wiring import Runtime as ChatRuntime
from serving.events import DECLARED
from serving.settings import ServiceSettings, names_of
from serving.settings_page import settings_page

PINNED = Path(__file__).parent / "pinned"


def pinned(name: str) -> list[str]:
    return (PINNED / name).read_text().split()


def known_to(settings: type[ServiceSettings]) -> set[str]:
    live = {spelling for field in settings.model_fields for spelling in names_of(settings, field)}
    return live | set(settings.fixed) | set(settings.retired) | set(settings.announced)


def test_event_names_are_the_pinned_ones() -> None:
    for package in (serving, service_chat, inference_container):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2].startswith("events"):
                importlib.import_module(module.name)
    names = sorted(name for name in DECLARED if not name.startswith("test_"))
    assert names == pinned("events.txt")


def test_metric_names_are_the_pinned_ones(tmp_path: Path) -> None:
    chat = ChatRuntime(ChatSettings(llm_mode="mock")).metrics
    forecast = InferenceRuntime(InferenceSettings(kafka_bootstrap_servers="memory", store_path=str(tmp_path))).metrics
    assert isinstance(chat, ChatMetrics)
    assert isinstance(forecast, InferenceMetrics)
    assert chat.names() == pinned("metrics-chat.txt")
    assert forecast.names() == pinned("metrics-inference.txt")


@pytest.mark.parametrize(("settings", "file"), [(ChatSettings, "chat"), (InferenceSettings, "inference")])
def test_environment_names_are_the_pinned_ones(settings: type[ServiceSettings], file: str) -> None:
    assert sorted(known_to(settings)) == pinned(f"environment-{file}.txt")


@pytest.mark.parametrize(("settings", "file"), [(ChatSettings, "chat"), (InferenceSettings, "inference")])
def test_no_name_that_operators_used_before_is_ignored_in_silence(settings: type[ServiceSettings], file: str) -> None:
    assert set(pinned(f"inherited-{file}.txt")) <= known_to(settings)


def test_the_configuration_page_is_the_one_the_settings_make() -> None:
    assert PAGE.read_text() == settings_page(SERVICES)


@pytest.mark.parametrize("settings", [ChatSettings, InferenceSettings])
def test_a_name_has_one_meaning_and_a_live_one_a_description(settings: type[ServiceSettings]) -> None:
    spellings = [s for field in settings.model_fields for s in names_of(settings, field)]
    tables = [*spellings, *settings.fixed, *settings.retired, *settings.announced]
    assert len(set(tables)) == len(tables)
    assert all(info.description for info in settings.model_fields.values())
