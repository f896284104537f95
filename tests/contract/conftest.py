"""Both services as processes, for tests that exercise their documents."""

from collections.abc import Iterator

import pytest

from tests.integration.processes import ServiceProcess, running


@pytest.fixture(scope="session")
def forecast_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    module, folder = ("inference_container", "serve"), tmp_path_factory.mktemp("inference")
    with running(module, "INFERENCE_API_PORT", folder, {"ADMIN_TOKEN": "for-the-tests"}) as service:
        service.until_ready()
        yield service


@pytest.fixture(scope="session")
def chat_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    settings = {"LLM_MODE": "mock", "ADMIN_TOKEN": "for-the-tests"}
    with running(("service_chat",), "CHAT_API_PORT", tmp_path_factory.mktemp("chat"), settings) as service:
        service.until_ready()
        yield service
