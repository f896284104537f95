"""The commands over a broker in memory and a folder of files, as a person calls them."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference_container.broker.memory import MemoryBroker
from inference_container.broker.ports import Broker
from inference_container.commands.app import app

CLAIMS, RESULTS, LETTERS = "inference-data", "performance-eval", "DLQ-performance-eval"


@dataclass
class Called:
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Street:
    broker: MemoryBroker
    folder: Path

    def call(self, *arguments: str) -> Called:
        done = CliRunner().invoke(app, arguments, prog_name="python -m inference_container")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Called(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Street:
    broker = MemoryBroker()
    broker.ensure_topics({CLAIMS: 2, RESULTS: 2, LETTERS: 2})
    use(monkeypatch, broker)
    monkeypatch.chdir(tmp_path)  # away from anybody's .env
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "somewhere:9092")
    monkeypatch.setenv("STORE_PATH", str(tmp_path / "store"))
    return Street(broker, tmp_path)


def use(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> None:
    """What the settings name is this one."""
    monkeypatch.setattr("inference_container.outside.broker_of", lambda settings: broker)
