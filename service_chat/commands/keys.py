"""`keys new`, `keep`, `list` and `revoke ID`: the file of API keys that the service reads (API_KEYS_FILE).

A new key is printed once, alone on standard output, so that a script can take it from there; what is kept is its hash.
The service need not be told: it looks at the file once a second.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from service_chat.access.key_file import add_key, keep_key, keys_in, remove_key
from service_chat.access.keys import ApiKey, given_key, new_key
from service_chat.commands.shared import plain_errors, settings_from_environment
from serving.clock import SystemClock
from serving.errors import InvalidInput
from serving.settings import SettingsError

app = typer.Typer(help="API keys: make one, look at them, take one back.", no_args_is_help=True)

File = Annotated[Path | None, typer.Option("--file", help="The file of keys. Default: API_KEYS_FILE.")]


@app.command()
def new(
    scope: Annotated[list[str], typer.Option(help="triage, feedback, openai or admin; once for each.")],
    expires: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it ends. Default: never.")] = None,
    patient: Annotated[str | None, typer.Option(help="The only record number that it may ask about.")] = None,
    owner: Annotated[
        str | None, typer.Option(help="Who holds it. A second key of the same owner can take its place.")
    ] = None,
    file: File = None,
) -> None:
    """Print a new key, once, and append its hash to the file."""
    now = SystemClock().now().replace(microsecond=0)
    with plain_errors():
        path = _file(file)
        try:
            text, key = new_key(
                dict.fromkeys(scope), now, now + timedelta(days=expires) if expires else None, patient, owner
            )
        except ValueError as error:
            raise InvalidInput(f"The key {error}.") from None
        try:
            add_key(path, key)
        except ValueError as error:
            raise InvalidInput(f"{path}: {error}.") from None
    typer.echo(f"{key.id} stands in {path}. The key itself is shown this once:", err=True)
    typer.echo(text)


@app.command()
def keep(
    scope: Annotated[list[str], typer.Option(help="triage, feedback, openai or admin; once for each.")],
    owner: Annotated[str, typer.Option(help="Who holds it. What else this owner has in the file is taken out.")],
    file: File = None,
) -> None:
    """Have the file hold the hash of the key that the variable API_KEY brings: one that a store of secrets gave out.

    May run before every start: where the file says it already, nothing is written.
    """
    with plain_errors():
        path = _file(file)
        # From the environment alone: what stands on a command line is seen by everybody on the machine.
        text = os.environ.get("API_KEY", "")
        if not text:
            raise SettingsError("API_KEY: must hold the key to keep")
        try:
            key = given_key(text, dict.fromkeys(scope), SystemClock().now().replace(microsecond=0), owner)
        except ValueError as error:
            raise InvalidInput(f"The key {error}.") from None
        try:
            new = keep_key(path, key)
        except ValueError as error:
            raise InvalidInput(f"{path}: {error}.") from None
    typer.echo(f"{key.id} {'stands' if new else 'stood already'} in {path}", err=True)


@app.command("list")
def list_keys(file: File = None) -> None:
    """Show the keys by their ids, and what each is for; the keys themselves are nowhere."""
    now = SystemClock().now()
    with plain_errors():
        path = _file(file)
        try:
            keys = keys_in(path)
        except ValueError as error:
            raise InvalidInput(f"{path}: {error}.") from None
    for key in keys:
        typer.echo(_told(key, key.ended(now)))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id: twelve hex digits, the middle of the key.")], file: File = None
) -> None:
    """Take a key's line out of the file. A running service refuses it within a second or two."""
    with plain_errors():
        path = _file(file)
        try:
            found = remove_key(path, key_id)
        except ValueError as error:
            raise InvalidInput(f"{path}: {error}.") from None
        if not found:
            raise InvalidInput(f"{path} has no key of this id.")
    typer.echo(f"{key_id} revoked", err=True)


def _file(named: Path | None) -> Path:
    """
    Raises:
        SettingsError: Neither names one.
    """
    path = named or settings_from_environment().api_keys_file
    if path is None:
        raise SettingsError("Name the file of keys: API_KEYS_FILE, or --file.")
    return path


def _told(key: ApiKey, ended: bool) -> str:
    told = [key.id, ",".join(sorted(key.scopes))]
    told += [f"owner={key.owner}"] if key.owner is not None else []
    told += [f"patient={key.patient}"] if key.patient is not None else []
    told += [f"created={key.created:%Y-%m-%d}"] if key.created is not None else []
    told += [f"{'expired' if ended else 'expires'}={key.expires:%Y-%m-%d}"] if key.expires is not None else []
    return "  ".join(told)
