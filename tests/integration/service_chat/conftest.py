"""Whole chat services: one that says a fixed reply for tests that only ask, and a way to start one's own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.integration.browser import chromium
from tests.integration.processes import ServiceProcess, running
from tests.integration.service_chat.page_talk import Talk, visit, window
from tests.models.tiny_gguf import build_tiny_gguf, form_of

Start = Callable[[Mapping[str, str]], AbstractContextManager[ServiceProcess]]


@pytest.fixture(scope="session")
def scripted_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fills in a triage's form."""
    return build_tiny_gguf(tmp_path_factory.mktemp("models") / "script.gguf", "script", form_of())


@pytest.fixture(scope="session")
def endless_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes until it is told to stop."""
    return build_tiny_gguf(tmp_path_factory.mktemp("models") / "random.gguf", "random")


@pytest.fixture(scope="session")
def slow_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes seconds over a triage's form, whose end it can not put off for ever."""
    return build_tiny_gguf(tmp_path_factory.mktemp("models") / "slow.gguf", "slow")


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def begin(settings: Mapping[str, str]) -> AbstractContextManager[ServiceProcess]:
        return running(("service_chat",), "CHAT_API_PORT", tmp_path, settings)

    return begin


@pytest.fixture(scope="session")
def service(scripted_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    settings = {"GGUF_PATH": str(scripted_gguf), "ALLOWED_LLM_MODES": "mock"}
    with running(("service_chat",), "CHAT_API_PORT", tmp_path_factory.mktemp("chat"), settings) as process:
        process.until_ready()
        yield process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For the tests of the page: a module's own, since Playwright's loop must be gone before anyio's tests."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def place(browser: Browser, service: ServiceProcess) -> Iterator[Talk]:
    with window(browser, service.url) as found:
        yield found


@pytest.fixture
def talk(place: Talk) -> Iterator[Talk]:
    with visit(place) as found:
        yield found
