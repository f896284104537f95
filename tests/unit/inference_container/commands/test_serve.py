import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference_container.__main__ import main
from inference_container.commands.app import app

_HELD = """
import sys
import inference_container.main as room
def run(bundle, port):
    print(bundle, port, sorted({"typer", "numpy", "pandas", "onnxruntime", "torch", "safetensors"} & set(sys.modules)))
room.run = run
sys.argv = ["inference_container", "serve", "--bundle", "there", "--port=0"]
from inference_container.__main__ import main
main()
"""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path | None, int | None]]:
    """With what the service was started, instead of starting it."""
    asked: list[tuple[Path | None, int | None]] = []
    monkeypatch.setattr("inference_container.main.run", lambda bundle, port: asked.append((bundle, port)))
    return asked


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["inference_container", *arguments])
    main()


@pytest.mark.parametrize(
    ("arguments", "bundle", "port"),
    [
        ([], None, None),
        (["--bundle", "models/a b"], Path("models/a b"), None),
        (["--port", "0"], None, 0),
        (["--port=65535", "--bundle=x"], Path("x"), 65_535),
    ],
)
def test_serve_hands_on_what_it_was_asked_and_leaves_the_rest_to_the_settings(
    monkeypatch: pytest.MonkeyPatch,
    served: list[tuple[Path | None, int | None]],
    arguments: list[str],
    bundle: Path | None,
    port: int | None,
) -> None:
    _run(monkeypatch, "serve", *arguments)
    assert CliRunner().invoke(app, ["serve", *arguments]).exit_code == 0
    assert served == [(bundle, port)] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "65536"], "0 to 65535"),
        (["--port", "-1"], "0 to 65535"),
        (["--port", "eighty"], "0 to 65535"),
        (["--bundel", "x"], "--bundel"),
        (["--bund", "x"], "--bund"),
        (["x"], "x"),
    ],
)
def test_wrong_arguments_are_told_with_status_2_and_nothing_is_served(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    served: list[tuple[Path | None, int | None]],
    arguments: list[str],
    said: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, "serve", *arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert served == []


def test_the_list_of_commands_has_serve_in_it_and_serve_tells_its_own_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = CliRunner().invoke(app, ["--help"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in ("serve", "train", "bundle", "demo-data"))
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, "serve", "--help")
    assert ended.value.code == 0
    assert "--bundle DIR" in capsys.readouterr().out


def test_a_process_that_serves_never_imports_the_command_line_or_what_its_workers_compute_with() -> None:
    done = subprocess.run([sys.executable, "-c", _HELD], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == "there 0 []\n"
