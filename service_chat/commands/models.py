"""`models fetch`: the model is on this disk and what it should be, before any service asks for it.

For the container that runs before a pod's own (infra/terraform/modules/app): it may write where the service may only
read, and a gigabyte that is on its way fails no probe.
"""

import sys
from typing import TextIO

import typer

from service_chat.commands.shared import plain_errors, settings_from_environment
from service_chat.model_file import model_file
from service_chat.models.store import ModelStore
from serving.clock import Clock, SystemClock
from serving.errors import InvalidInput

app = typer.Typer(help="The model file: have it here.", no_args_is_help=True)

_TELL_EVERY_S = 10.0


@app.callback()
def models() -> None:
    """The model file: have it here."""


@app.command()
def fetch() -> None:
    """Have the model that the settings name in MODEL_CACHE_DIR, with the right sha256; fetched where it is not."""
    with plain_errors():
        settings = settings_from_environment()
        if settings.model_disabled or "gguf" not in settings.modes:
            typer.echo("no model is needed: LLM_MODE and MODEL_DISABLED say so")
            return
        try:
            model = model_file(settings)
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        store = ModelStore(
            settings.model_cache_dir,
            settings.hf_endpoint or None,
            settings.hf_token or None,
            offline=settings.hf_hub_offline,
        )
        found = store.fetch(model, Told(sys.stdout, SystemClock()))
    typer.echo(f"{found.path}: {found.size} bytes, sha256 {found.sha256}")


class Told:
    """What a fetch is doing, a line for each phase and then one now and then: a log keeps them."""

    def __init__(self, output: TextIO, clock: Clock) -> None:
        self._output, self._clock = output, clock
        self._phase, self._at = "", 0.0

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        now = self._clock.monotonic()
        if phase == self._phase and now - self._at < _TELL_EVERY_S:
            return
        self._phase, self._at = phase, now
        of = f" of {total >> 20}" if total else ""
        self._output.write(f"{phase}: {done >> 20}{of} MiB\n")
        self._output.flush()
