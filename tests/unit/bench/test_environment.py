from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.peers import environment
from bench.peers.environment import PeersMissing, peers_python


class Installer:
    """Stands where uv or pip would, and says how it went."""

    def __init__(self, *failures: str) -> None:
        self.asked: list[Sequence[str]] = []
        self._failures = list(failures)

    def __call__(self, python: Path, arguments: Sequence[str]) -> str:
        self.asked.append(arguments)
        return self._failures.pop(0) if self._failures else ""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environment, "TORCH_INDEX", "")
    monkeypatch.setattr(environment, "has_uv", lambda: True)  # an environment without pip is made faster


def installing(monkeypatch: pytest.MonkeyPatch, *failures: str) -> Installer:
    installer = Installer(*failures)
    monkeypatch.setattr(environment, "install", installer)
    return installer


def test_the_peers_are_installed_once_beside_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installer = installing(monkeypatch)
    python = peers_python()
    assert peers_python() == python == tmp_path / "sluice" / "bench-peers" / "bin" / "python"
    assert python.exists()
    ((*asked, option, _),) = installer.asked
    assert {"mosec==0.9.8", "litserve==0.2.19", "torch==2.13.0"} <= set(asked)
    assert option == "-c"


def test_other_pins_make_the_environment_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    installer = installing(monkeypatch)
    peers_python()
    monkeypatch.setattr(environment, "PINNED", ("mosec==0.9.9", "torch==2.13.0"))
    peers_python()
    assert "mosec==0.9.9" in installer.asked[1]


def test_a_failed_installation_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    installer = installing(monkeypatch, "no route to the index")
    with pytest.raises(PeersMissing, match="no route to the index"):
        peers_python()
    peers_python()
    assert len(installer.asked) == 2


def test_the_small_build_of_torch_comes_first_and_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "TORCH_INDEX", "https://index.example/cpu")
    installer = installing(monkeypatch, "that index does not answer")
    peers_python()
    assert installer.asked[0][-2:] == ["https://index.example/cpu", "torch==2.13.0"]
