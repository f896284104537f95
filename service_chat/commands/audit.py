"""`audit verify` and `audit show`: whether the audit is what was written, and what stands in it.

Both only read, also while a service writes. They need the keys of the environment that the service has (AUDIT_KEY).
"""

import json
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from service_chat.audit.chain import Link
from service_chat.audit.verify import read_rows, verify
from service_chat.commands.shared import plain_errors, settings_from_environment
from service_chat.keeping import audit_file, audit_keys
from service_chat.settings import ChatSettings
from serving.errors import InvalidInput

app = typer.Typer(help="The audit: check its chain, look at its rows.", no_args_is_help=True)

File = Annotated[Path | None, typer.Argument(help="The audit's file. Default: AUDIT_PATH.")]


@app.command("verify")
def verify_file(
    file: File = None,
    witness: Annotated[
        str, typer.Option(help="SEQ:HASH that was noted elsewhere, as `audit_opened` and this command tell them.")
    ] = "",
) -> None:
    """Recompute the chain and name every row that is not as it was written. The status is 1 if there is one."""
    with plain_errors():
        settings = settings_from_environment()
        path = _file(settings, file)
        verdict = verify(path, audit_keys(settings), _link(witness))
    for fault in verdict.faults:
        typer.echo(f"row {fault.seq} {fault.what}", err=True)
    if not verdict.sound:
        typer.echo(f"{path.name}: NOT as it was written", err=True)
        raise typer.Exit(1)
    typer.echo(f"{path.name}: {verdict.rows} rows are as they were written, up to {verdict.end}")
    if not verdict.keyed:
        typer.echo("No key: whoever can write the file can make another chain. Set AUDIT_KEY.")
    if not verdict.noted:
        typer.echo(f"No {path.name}.head beside it: an end that was cut off would not show.")


@app.command()
def show(
    file: File = None,
    last: Annotated[int, typer.Option(min=1, help="So many of the newest rows.")] = 20,
    patient: Annotated[str, typer.Option(help="Only rows with this patient reference.")] = "",
) -> None:
    """Print rows, one JSON object a line, the newest last. Nothing is verified by that."""
    with plain_errors():
        rows = read_rows(_file(settings_from_environment(), file))
        for row in deque((row for row in rows if patient in ("", row["patient_ref"])), last):
            typer.echo(json.dumps({name: cell for name, cell in row.items() if cell not in (None, "")}))


def _file(settings: ChatSettings, named: Path | None) -> Path:
    path = named or audit_file(settings)
    if path is None:
        raise InvalidInput("There is no audit: AUDIT_PATH is off.")
    return path


def _link(text: str) -> Link | None:
    try:
        return Link.parse(text) if text else None
    except ValueError as error:
        raise InvalidInput(f"--witness: {error}") from None
