"""`bundle import`, `bundle schema`, `bundle show`, `bundle verify`: look at a bundle, check it, or make one.

`app` puts them under `bundle`, with those of `promotion` beside them. Each command imports what it needs when it runs.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from inference_container.commands import promotion
from inference_container.commands.shared import command_line, plain_errors

app = typer.Typer(
    help="Look at a bundle, check it, make one of a network trained elsewhere, or have it served.", no_args_is_help=True
)
app.command("promote")(promotion.promote)
app.command("rollback")(promotion.rollback)
app.command("pointer")(promotion.pointer)

_BundlePath = Annotated[Path, typer.Argument(help="Directory of the bundle.", show_default=False)]


@app.command("import")
def bundle_import(
    arrays: Annotated[Path, typer.Argument(help="npz file, keys as in a PyTorch state dict.", show_default=False)],
    spec: Annotated[Path, typer.Argument(help="JSON file; `bundle schema` tells its keys.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory of the bundle, new, empty or a bundle.", show_default=False)],
    golden: Annotated[
        Path | None, typer.Option(help="CSV file to cut golden windows from; default: they are made up.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the bundle; default: that of the directory.")] = "",
    nan_policy: Annotated[Literal["reject", "ffill"], typer.Option(help="What a missing value does.")] = "reject",
    gap_policy: Annotated[Literal["reject", "resample"], typer.Option(help="What a gap in the rows does.")] = "reject",
    max_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Most steps to forecast; default: 10000 where forecasts can be fed back."),
    ] = None,
) -> None:
    """Make a bundle of a network trained elsewhere. Status 2 when it does not fit its specification."""
    from inference_container.bundles.importer import ImportOrder, import_bundle

    order = ImportOrder(
        arrays=arrays,
        spec=spec,
        out=out,
        cli=command_line(),
        created_at=datetime.now(UTC).replace(microsecond=0),
        golden=golden,
        name=name,
        nan_policy=nan_policy,
        gap_policy=gap_policy,
        max_steps=max_steps,
    )
    with plain_errors():
        made = import_bundle(order)
    typer.echo(f"{made.name} {made.bundle_id}")
    typer.echo(
        f"reads {made.input.input_len} rows of {', '.join(made.input.columns)}, one every {made.input.freq_seconds} s; "
        f"forecasts {', '.join(made.output.targets)}, {made.output.horizon} steps at a time, {made.output.max_steps} "
        "at most"
    )
    if made.output.held:
        typer.echo(f"keep their last value beyond step {made.output.horizon}: {', '.join(made.output.held)}")
    typer.echo(f"bundle: {out}")


@app.command("schema")
def bundle_schema() -> None:
    """Print the JSON schema of the specification that `bundle import` reads."""
    from inference_container.bundles.import_spec import encoded_schema

    typer.echo(encoded_schema(), nl=False)


@app.command("show")
def bundle_show(path: _BundlePath) -> None:
    """Print the manifest, after checking it and the files it lists."""
    from inference_container.bundles.loader import load_bundle

    with plain_errors():
        bundle = load_bundle(path)
    typer.echo(bundle.manifest.encode(), nl=False)


@app.command("verify")
def bundle_verify(path: _BundlePath) -> None:
    """Check files, manifest and golden windows as a worker does at its start. Status 2 when the bundle is refused."""
    from inference_container.bundles.loader import load_bundle, open_inferencer

    with plain_errors():
        bundle = load_bundle(path)
        opened = open_inferencer(bundle)
    typer.echo(f"{bundle.manifest.name} {bundle.manifest.bundle_id}")
    typer.echo(
        f"files and {len(bundle.golden.windows)} golden windows are as the trainer left them, on "
        f"{opened.inferencer.backend.name}: "
        f"largest error {opened.golden_max_rel_err:.2g} of the scale, {bundle.golden.tolerance:g} allowed"
    )
    if opened.fallback is not None:
        typer.echo(f"a slower backend than could be: {opened.fallback}", err=True)
