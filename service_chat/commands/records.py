"""`records import FILE…` and `records show MRN`: patients of one's own, and what the model would be told of one.

The import writes the embedded file (RECORDS_PATH), also while the service reads it. `show` asks the store that the
settings name, as the service would, and prints the context before anything is cut to fit a prompt.
"""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from service_chat.commands.progress import files_shown
from service_chat.commands.shared import plain_errors, settings_from_environment
from service_chat.record_stores import open_records
from service_chat.records.bundle import records_in
from service_chat.records.sqlite_file import opened_for_import, put
from service_chat.services.context import Context, context_of
from service_chat.settings import ChatSettings
from serving.clock import SystemClock
from serving.errors import InvalidInput

app = typer.Typer(help="Patient records: bring your own, look at one.", no_args_is_help=True)


@app.command("import")
def import_bundles(
    files: Annotated[list[Path], typer.Argument(help="FHIR R4 bundles, .json or .json.gz, or folders of them.")],
    into: Annotated[Path | None, typer.Option(help="The file to write. Default: RECORDS_PATH.")] = None,
) -> None:
    """Bring patients from FHIR bundles into the embedded records.

    A patient who is there already is replaced. Files without patients (hospitals, practitioners) are passed over. One
    file that can not be read does not keep the others out; the status is 2 then.
    """
    today = SystemClock().now().date()
    failed = False
    with plain_errors():
        paths = list(_bundles(files))
        target = into or settings_from_environment().records_path
        with opened_for_import(target) as connection, files_shown(len(paths)) as tell:
            for path in paths:
                try:
                    found = [(record.mrn, put(connection, record)) for record in records_in(path, today)]
                except (InvalidInput, OSError) as error:
                    failed = True
                    tell(path.name, f"not imported: {error}", problem=True)
                    continue
                tell(path.name, "; ".join(_told(mrn, replaced) for mrn, replaced in found) or "no patient in it")
    if failed:
        raise typer.Exit(2)


@app.command()
def show(
    mrn: Annotated[str, typer.Argument(help="The medical record number.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Show what a prompt would hold of a patient, untruncated, with where each item comes from."""
    with plain_errors():
        context = asyncio.run(_context(settings_from_environment(), mrn))
    if as_json:
        items = [
            {
                "id": item.id,
                "kind": item.kind.value,
                "text": item.text,
                "date": item.date.isoformat() if item.date else None,
                "source": item.source,
            }
            for item in context.items
        ]
        typer.echo(json.dumps({"about": list(context.about), "items": items}, indent=2, ensure_ascii=False))
        return
    for line in context.about:
        typer.echo(line)
    for item in context.items:
        typer.echo(f"{item.id:>4}  {item.date.isoformat() if item.date else '':<10}  {item.text}  [{item.source}]")


async def _context(settings: ChatSettings, mrn: str) -> Context:
    store = await open_records(settings, SystemClock())
    try:
        return context_of(await store.patient(mrn))
    finally:
        await store.aclose()


def _bundles(given: Iterable[Path]) -> Iterable[Path]:
    """The files; of a folder those in it that are named like bundles, sorted."""
    for path in given:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.name.endswith((".json", ".json.gz")))
        else:
            yield path


def _told(mrn: str, replaced: bool) -> str:
    return f"{mrn} {'replaced' if replaced else 'added'}"
