"""The command line: `serve`, `train`, `bundle import`, `bundle schema`, `bundle show`, `bundle verify`, `demo-data`.

Commands import what they need when they run: `--help` and a refused argument answer without numpy, and a bundle of a
linear model is trained and verified without torch.
"""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from serving.errors import SluiceError

if TYPE_CHECKING:
    from inference_container.training.data import GridReport
    from inference_container.training.pipeline import TrainResult

app = typer.Typer(
    name="inference_container",
    help="Forecasts over HTTP and Kafka, and the bundles they come from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bundle_app = typer.Typer(
    help="Look at a bundle, check it, or make one of a network trained elsewhere.", no_args_is_help=True
)
app.add_typer(bundle_app, name="bundle")

_BundlePath = Annotated[Path, typer.Argument(help="Directory of the bundle.", show_default=False)]

_NO_QUANTILES = "quantiles: none, at some step the validation part holds no known truth"


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What a person can put right is one sentence on stderr and status 2; a traceback is for our own mistakes."""
    try:
        yield
    except SluiceError as error:
        typer.echo(f"{error.code}: {error.message}", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"{error.filename or ''}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from error


@app.command()
def serve(
    bundle: Annotated[
        Path | None, typer.Option(help="Directory of the bundle to serve; without it the settings decide.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; wins over INFERENCE_API_PORT.")
    ] = None,
) -> None:
    """Serve forecasts until SIGTERM."""
    from inference_container.main import run

    run(bundle, port)


@app.command("demo-data")
def demo_data(
    out: Annotated[Path, typer.Option(help="CSV file to write.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, max=3660, help="Days from 2025-01-06 on.")] = 60,
    freq_seconds: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds between rows.")] = 900,
    seed: Annotated[int, typer.Option(help="The same seed writes the same file.")] = 0,
) -> None:
    """Write synthetic traffic with a daily and a weekly rhythm: columns time, down, up, users."""
    from inference_container.training.demo_data import write_demo_data

    with _plain_errors():
        rows = write_demo_data(out, days=days, freq_seconds=freq_seconds, seed=seed)
    typer.echo(f"{rows} rows in {out}")


@app.command()
def train(
    csv: Annotated[Path, typer.Argument(help="CSV file with a header line.", show_default=False)],
    target: Annotated[list[str], typer.Option(help="Column to forecast; may be repeated.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory that receives the bundle's directory.")] = Path("bundles"),
    time: Annotated[str, typer.Option(help="The time column: ISO-8601, UTC unless it says otherwise.")] = "time",
    columns: Annotated[str, typer.Option(help="Inputs, comma-separated, in order; default: the targets.")] = "",
    calendar: Annotated[
        str, typer.Option(help="What the network is told of the time, comma-separated, in order; may be empty.")
    ] = "minute_of_day,day_of_week,day_of_year",
    input_len: Annotated[int, typer.Option(min=1, help="Rows the model reads.")] = 48,
    horizon: Annotated[int, typer.Option(min=1, help="Steps of one forward pass.")] = 24,
    max_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Feed forecasts back to reach this far; inputs that are no targets keep their value."),
    ] = None,
    model: Annotated[Literal["gru", "lstm", "linear"], typer.Option(help="Architecture.")] = "gru",
    name: Annotated[str, typer.Option(help="Name of the bundle and its directory; default: file-target-model.")] = "",
    freq_seconds: Annotated[int | None, typer.Option(min=1, help="Grid; default: the most common step.")] = None,
    gap_policy: Annotated[Literal["reject", "resample"], typer.Option(help="What a gap in the rows does.")] = "reject",
    nan_policy: Annotated[Literal["reject", "ffill"], typer.Option(help="What a missing value does.")] = "reject",
    scaler: Annotated[Literal["minmax", "standard", "robust", "none"], typer.Option(help="Scaling.")] = "standard",
    hidden: Annotated[int, typer.Option(min=1, help="Width of a recurrent layer.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Recurrent layers.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Most epochs.")] = 60,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a better validation loss.")] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows per training step.")] = 128,
    learning_rate: Annotated[float, typer.Option(min=0, help="Of AdamW.")] = 2e-3,
    weight_decay: Annotated[float, typer.Option(min=0, help="Of AdamW.")] = 1e-2,
    ridge: Annotated[float, typer.Option(min=0, help="Penalty of the linear model.")] = 0.01,
    season: Annotated[int | None, typer.Option(min=1, help="Steps of a season; default: a day, or a week.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed, data and versions give the same bundle.")] = 0,
    allow_worse: Annotated[bool, typer.Option("--allow-worse", help="Write it even if it loses.")] = False,
) -> None:
    """Train a model, back-test it and write a bundle with its quantiles. Status 1 when it loses to persistence."""
    from inference_container.training.backtest import markdown, shortfalls
    from inference_container.training.console import epochs_shown
    from inference_container.training.fit import FitOptions
    from inference_container.training.pipeline import Listener
    from inference_container.training.pipeline import train as run_training
    from inference_container.training.spec import TrainSpec, parse_calendar

    with _plain_errors():
        calendar_names = parse_calendar(calendar)
    spec = TrainSpec(
        csv=csv,
        time_column=time,
        columns=tuple(columns.split(",")) if columns else tuple(target),
        targets=tuple(target),
        input_len=input_len,
        horizon=horizon,
        arch=model,
        out=out,
        name=name or f"{csv.stem}-{'-'.join(target)}-{model}".lower(),
        cli=_command_line(),
        created_at=datetime.now(UTC).replace(microsecond=0),
        freq_seconds=freq_seconds,
        gap_policy=gap_policy,
        nan_policy=nan_policy,
        scaler=scaler,
        calendar=calendar_names,
        max_steps=max_steps,
        hidden=hidden,
        layers=layers,
        season=season,
        allow_worse=allow_worse,
        options=FitOptions(
            seed=seed,
            ridge=ridge,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        ),
    )
    with _plain_errors(), epochs_shown(epochs) as show_progress:
        result = run_training(spec, Listener(report=_show_report, progress=show_progress))
    typer.echo("\n".join((markdown(result.scores), *shortfalls(result.scores))))
    if result.path is None:
        typer.echo("The model loses to persistence; no bundle was written (--allow-worse writes it).", err=True)
        raise typer.Exit(1)
    typer.echo(f"bundle: {result.path}")
    typer.echo(f"quantiles: {result.calibrated_on} validation windows" if result.calibrated_on else _NO_QUANTILES)
    with _plain_errors():
        typer.echo(_draw_backtest(result, result.path, name=spec.name))


@bundle_app.command("import")
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
        cli=_command_line(),
        created_at=datetime.now(UTC).replace(microsecond=0),
        golden=golden,
        name=name,
        nan_policy=nan_policy,
        gap_policy=gap_policy,
        max_steps=max_steps,
    )
    with _plain_errors():
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


@bundle_app.command("schema")
def bundle_schema() -> None:
    """Print the JSON schema of the specification that `bundle import` reads."""
    from inference_container.bundles.import_spec import encoded_schema

    typer.echo(encoded_schema(), nl=False)


@bundle_app.command("show")
def bundle_show(path: _BundlePath) -> None:
    """Print the manifest, after checking it and the files it lists."""
    from inference_container.bundles.loader import load_bundle

    with _plain_errors():
        bundle = load_bundle(path)
    typer.echo(bundle.manifest.encode(), nl=False)


@bundle_app.command("verify")
def bundle_verify(path: _BundlePath) -> None:
    """Check files, manifest and golden windows as a worker does at its start. Status 2 when the bundle is refused."""
    from inference_container.bundles.loader import load_bundle, open_inferencer

    with _plain_errors():
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


def _command_line() -> str:
    """As a person would type it again."""
    return shlex.join(["python", "-m", "inference_container", *sys.argv[1:]])


def _show_report(report: "GridReport") -> None:
    for line in report.lines():
        typer.echo(line)


def _draw_backtest(result: "TrainResult", beside: Path, name: str) -> str:
    from inference_container.training.plot import NAME, draw

    picture = draw(result.panels, f"{name}: back-test on the last part of the data")
    if picture is None:
        return "plot: none, matplotlib is not installed"
    (beside / NAME).write_bytes(picture)
    return f"plot: {beside / NAME}"


if __name__ == "__main__":
    app()
