"""`train` and `demo-data`: from a CSV file to a bundle, and a CSV file to try it with.

`app` puts them on the command line. Each imports what it needs when it runs: a linear model is trained without torch.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from inference_container.commands.shared import command_line, plain_errors

if TYPE_CHECKING:
    from inference_container.training.data import GridReport
    from inference_container.training.pipeline import TrainResult

_NO_QUANTILES = "quantiles: none, at some step the validation part holds no known truth"


def demo_data(
    out: Annotated[Path, typer.Option(help="CSV file to write.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, max=3660, help="Days from 2025-01-06 on.")] = 60,
    freq_seconds: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds between rows.")] = 900,
    seed: Annotated[int, typer.Option(help="The same seed writes the same file.")] = 0,
) -> None:
    """Write synthetic traffic with a daily and a weekly rhythm: columns time, down, up, users."""
    from inference_container.training.demo_data import write_demo_data

    with plain_errors():
        rows = write_demo_data(out, days=days, freq_seconds=freq_seconds, seed=seed)
    typer.echo(f"{rows} rows in {out}")


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

    with plain_errors():
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
        cli=command_line(),
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
    with plain_errors(), epochs_shown(epochs) as show_progress:
        result = run_training(spec, Listener(report=_show_report, progress=show_progress))
    typer.echo("\n".join((markdown(result.scores), *shortfalls(result.scores))))
    if result.path is None:
        typer.echo("The model loses to persistence; no bundle was written (--allow-worse writes it).", err=True)
        raise typer.Exit(1)
    typer.echo(f"bundle: {result.path}")
    typer.echo(f"quantiles: {result.calibrated_on} validation windows" if result.calibrated_on else _NO_QUANTILES)
    with plain_errors():
        typer.echo(_draw_backtest(result, result.path, name=spec.name))


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
