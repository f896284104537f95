"""`results compact`, `results show`: closed hours of the log made into one table each, and one row of it found again.

`app` puts them under `results`. They reach the store that the service reaches, by the same variables.
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inference_container.commands.shared import plain_errors, store_from_environment

if TYPE_CHECKING:
    from inference_container.claims.recording.log_hours import Hour, Listed
    from inference_container.stores.ports import RemovingStore

app = typer.Typer(help="The log of results: compact its hours, look at a row.", no_args_is_help=True)

_HOUR = timedelta(hours=1)
_Bucket = Annotated[str, typer.Option(help="Bucket of the log: INFERENCE_LOG_BUCKET.", show_default=False)]
_Store = Annotated[
    Path | None, typer.Option(help="Folder that keeps objects as plain files; default: S3_ENDPOINT or STORE_PATH.")
]


@app.command("compact")
def results_compact(
    bucket: _Bucket,
    topic: Annotated[str, typer.Option(help="Of claims; default: all, and what was asked over HTTP.")] = "",
    before: Annotated[
        str, typer.Option(help="YYYY-MM-DDTHH, UTC: hours that begin earlier; default: what ended an hour ago.")
    ] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove the parts of each hour once its table was read back.")
    ] = False,
    store: _Store = None,
) -> None:
    """Merge each closed hour's parts into one parquet table of a row per source, with a manifest. May be run again.

    Status 3 when a source was answered twice and not alike: nothing is removed then. Status 2 when an hour could not be
    compacted; the others are.
    """
    from inference_container.claims.recording.log_hours import hours
    from inference_container.stores.places import Places

    until = _closed_until(before)
    with plain_errors(), closing(store_from_environment(Places({bucket: ("results/",)}), store)) as opened:
        failed, conflicts, compacted = 0, 0, list["Hour"]()
        for found in hours(opened, bucket, f"topic={topic}" if topic else None):
            if not found.hour.closed(until):
                continue
            number = _compact(opened, bucket, found)
            if number is None:
                failed += 1
            else:
                conflicts += number
                compacted.append(found.hour)
        if delete and not conflicts:
            failed += _clear(opened, bucket, compacted)
    if conflicts:
        typer.echo(f"{conflicts} sources were answered twice and not alike; nothing is removed.", err=True)
        raise typer.Exit(3)
    if failed:
        raise typer.Exit(2)


@app.command("show")
def results_show(
    bucket: _Bucket,
    source: Annotated[str, typer.Option(help="As a result names it: topic-partition-offset.", show_default=False)],
    store: _Store = None,
) -> None:
    """Print the row of a source that counts, as one line of JSON. Status 1 when the log has none."""
    import orjson

    from inference_container.claims.recording.compaction import find
    from inference_container.stores.places import Places

    with plain_errors(), closing(store_from_environment(Places({bucket: ("results/",)}), store)) as opened:
        row = find(opened, bucket, source)
    if row is None:
        typer.echo(f"{source} is not in the log.", err=True)
        raise typer.Exit(1)
    typer.echo(orjson.dumps(row))


def _closed_until(before: str) -> datetime:
    present = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    if not before:
        return present - _HOUR
    try:
        until = datetime.strptime(before, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError:
        raise typer.BadParameter("an hour is written as 2026-01-31T13", param_hint="--before") from None
    if until > present:
        raise typer.BadParameter("that hour is still open", param_hint="--before")
    return until


def _compact(store: "RemovingStore", bucket: str, found: "Listed") -> int | None:
    """How many sources conflict; None where the hour could not be compacted, which is told."""
    from inference_container.claims.recording.compaction import compact
    from inference_container.errors import ObjectChanged, StoreUnavailable
    from serving.errors import DependencyFailed

    try:
        done = compact(store, bucket, found)
    except StoreUnavailable:
        raise
    except (ObjectChanged, DependencyFailed) as error:
        typer.echo(f"{found.hour}: {error.message}", err=True)
        return None
    if done is None:
        return 0
    manifest = done.manifest
    typer.echo(f"{found.hour}: {done.made.value}, {len(manifest.parts)} parts, {manifest.rows} rows")
    for source in manifest.conflicts.sources:
        typer.echo(f"{found.hour}: {source} was answered twice and not alike", err=True)
    return manifest.conflicts.count


def _clear(store: "RemovingStore", bucket: str, compacted: "list[Hour]") -> int:
    """How many hours could not be cleared."""
    from inference_container.claims.recording.compaction import clear
    from inference_container.errors import StoreUnavailable
    from serving.errors import DependencyFailed

    failed = 0
    for hour in compacted:
        try:
            removed = clear(store, bucket, hour)
        except StoreUnavailable:
            raise
        except DependencyFailed as error:
            typer.echo(f"{hour}: {error.message}", err=True)
            failed += 1
        else:
            if removed:
                typer.echo(f"{hour}: {removed} parts removed")
    return failed
