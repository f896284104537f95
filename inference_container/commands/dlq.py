"""`dlq list`, `dlq replay`: look at dead letters, and send them back when what was wrong is mended.

`app` puts them under `dlq`. They reach the broker that the service reaches, by the same variables.
"""

from collections import Counter
from typing import Annotated, Literal

import typer

from inference_container.commands.shared import broker_from_environment, interruptible, plain_errors

app = typer.Typer(help="Look at dead letters, and send them back.", no_args_is_help=True)

_Topic = Annotated[str, typer.Option(help="Topic of the letters; default: DLQ_PERFORMANCE_TOPIC.")]
_Reason = Annotated[str, typer.Option(help="Letters of this reason only.")]


@app.command("list")
def dlq_list(
    topic: _Topic = "",
    reason: _Reason = "",
    output: Annotated[Literal["json", "table"], typer.Option(help="One JSON object or one row for each.")] = "table",
) -> None:
    """Show every letter that is there, those replayed too, and how many there are of each reason."""
    from inference_container.claims.publishing.looking import look
    from inference_container.claims.publishing.replaying import reason_of
    from inference_container.commands.shown import letter_heading, letter_json, letter_row, printable
    from serving.clock import SystemClock

    show = letter_json if output == "json" else letter_row
    reasons: Counter[str] = Counter()
    with plain_errors(), interruptible() as stopped:
        settings, broker = broker_from_environment()
        named = topic or settings.dlq_performance_topic
        for record in look(broker, named, SystemClock(), stopped=stopped):
            found = reason_of(record)
            if not reason or found == reason:
                if output == "table" and not reasons:
                    typer.echo(letter_heading())
                reasons[found or "no dead letter"] += 1
                typer.echo(show(record))
    told = ", ".join(f"{count} {printable(each)}" for each, count in reasons.most_common())
    typer.echo(f"{reasons.total()} in {named}{': ' if told else ''}{told}", err=True)


@app.command("replay")
def dlq_replay(
    topic: _Topic = "",
    reason: _Reason = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Letters to send, at most; default: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
    drop_deadline: Annotated[
        bool, typer.Option("--drop-deadline", help="Send what is too late without its deadline, not leave it.")
    ] = False,
    uncertain: Annotated[
        Literal["stop", "skip", "send"],
        typer.Option(help="What becomes of a letter that a replay which was cut off may have sent."),
    ] = "stop",
) -> None:
    """Send letters back to the topic they came from, as they were there, each at most once, however often this runs.

    Status 1, and nothing was sent, when it has to be said first what becomes of an uncertain letter.
    """
    from inference_container.claims.publishing.replaying import Fate, ReplayOrder, replay_letters
    from inference_container.commands.shown import printable
    from serving.clock import SystemClock

    fates: Counter[Fate] = Counter()
    failed = True
    try:
        with plain_errors(), interruptible() as stopped:
            settings, broker = broker_from_environment()
            order = ReplayOrder(
                topic or settings.dlq_performance_topic, reason or None, limit, dry_run, drop_deadline, uncertain
            )
            for told in replay_letters(broker, order, SystemClock(), stopped):
                fates[told.fate] += 1
                where = f" -> {told.topic}" if told.fate in (Fate.REPLAYED, Fate.WOULD_BE) else ""
                why = f" ({told.reason})" if told.reason is not None else ""
                typer.echo(printable(f"{told.letter}{why}: {told.fate}{where}"))
        failed = False
    finally:
        sent = fates[Fate.REPLAYED] + fates[Fate.WOULD_BE]
        if fates or not failed:
            typer.echo(f"{sent} {'would be ' if dry_run else ''}replayed, {fates.total() - sent} not", err=True)
    if fates[Fate.UNCERTAIN] and uncertain == "stop" and not dry_run:
        typer.echo("Look whether it arrived, then run this again with --uncertain skip or --uncertain send.", err=True)
        raise typer.Exit(1)
