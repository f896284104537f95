"""`claim put`, `claim burst`, `claim tail`: send claims as a producer does, and see what became of them.

`app` puts them under `claim`. They reach the broker and the store that the service reaches, by the same variables.
"""

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal
from uuid import uuid4

import typer

from inference_container.commands.shared import (
    broker_from_environment,
    interruptible,
    plain_errors,
    store_from_environment,
)

app = typer.Typer(help="Send claims, and see what became of them.", no_args_is_help=True)

#: A parquet file begins and ends with it.
_PARQUET = b"PAR1"
_DAY_MS, _MOST = 86_400_000, 500_000
_Bucket = Annotated[str, typer.Option(help="Bucket of the object; default: PROCESSED_BUCKET.")]
_Identifier = Annotated[str, typer.Option(help="Tenant label; comes back with the result.")]
_Ttl = Annotated[
    int | None, typer.Option(min=1, max=_DAY_MS, help="Milliseconds until nobody wants the result any more.")
]
_Topic = Annotated[str, typer.Option(help="Topic of the claims; default: PUBLISH_TOPIC, else CONSUMER_TOPIC_0.")]


@app.command("put")
def claim_put(
    file: Annotated[Path, typer.Argument(help="A series, as parquet.", show_default=False)],
    bucket: _Bucket = "",
    key: Annotated[str, typer.Option(help="Key of the object; default: the file's name with a part of its hash.")] = "",
    ttl_ms: _Ttl = None,
    horizon: Annotated[int | None, typer.Option(min=1, max=10_000, help="Steps; default: the service's own.")] = None,
    identifier: _Identifier = "",
    topic: _Topic = "",
) -> None:
    """Put a file into the store and publish one claim for it. Prints the claim's id and where it lies in the topic."""
    from inference_container.claims.deadlines import milliseconds
    from inference_container.claims.messages import Claim
    from inference_container.claims.publishing.burst import claim_message, send
    from inference_container.stores.content_types import content_type_of
    from inference_container.stores.places import Places
    from serving.clock import SystemClock

    with plain_errors():
        settings, broker = broker_from_environment()
        content = _read(file, settings.claim_max_bytes)
        digest = hashlib.sha256(content).hexdigest()
        there = bucket or settings.processed_bucket
        # A name of its own for each content: an object that claims point at must not change under them.
        named = key or f"{file.stem}-{digest[:12]}{file.suffix}"
        clock = SystemClock()
        # The broker first: without it there is no claim, and nothing should be stored for one.
        with closing(broker.producer()) as producer, closing(store_from_environment(Places({there: ("",)}))) as store:
            if not settings.disable_bucket_ensure:
                store.ensure_buckets()
            info = store.put(there, named, content, content_type_of(named))
            claim = Claim(
                version=2,
                bucket=there,
                key=named,
                claim_id=str(uuid4()),
                identifier=identifier or None,
                etag=info.etag,
                sha256=digest,
                size=info.size,
                horizon=horizon,
                created_at=clock.now(),
            )
            until = milliseconds(clock) + ttl_ms if ttl_ms is not None else None
            named_topic = topic or settings.publish_topic or settings.consumer_topic_0
            sent = send(producer, claim_message(named_topic, claim, str(claim.claim_id).encode(), until))
    typer.echo(f"{claim.claim_id} {sent.partition}-{sent.offset}")
    typer.echo(f"{there}/{named}: {info.size} bytes, sha256 {digest}", err=True)


@app.command("burst")
def claim_burst(
    bucket: _Bucket = "",
    key: Annotated[str, typer.Option(help="Key of the object; default: TEST_OBJECT_KEY.")] = "",
    count: Annotated[int, typer.Option(min=1, max=_MOST, help="Claims, all for the same object.")] = 1,
    ttl_ms: _Ttl = None,
    key_prefix: Annotated[str, typer.Option(help="The messages' keys are PREFIX-0, PREFIX-1; default: none.")] = "",
    identifier: _Identifier = "",
    topic: _Topic = "",
) -> None:
    """Publish many claims for an object that is there. Status 2, with how many were, when it ends half way."""
    from inference_container.claims.publishing.burst import Burst, numbered, publish_burst, version_of
    from inference_container.outside import store_of
    from inference_container.stores.places import Places
    from serving.clock import SystemClock
    from serving.errors import SluiceError

    with plain_errors(), interruptible() as stopped:
        settings, broker = broker_from_environment()
        there = bucket or settings.processed_bucket
        burst = Burst(there, key or settings.test_object_key, count, ttl_ms, key_prefix or None, identifier or None)
        named_topic = topic or settings.publish_topic or settings.consumer_topic_0
        with closing(broker.producer()) as producer:
            store = store_of(settings, Places({there: ("",)}))
            version = version_of(store, burst)
            if store is not None:
                store.close()
            try:
                published = publish_burst(
                    producer, named_topic, burst, SystemClock(), numbered(), version, closing=stopped
                )
            except SluiceError as error:
                told = error.details
                typer.echo(f"{told['published']} published, {told['uncertain']} more may have arrived", err=True)
                raise
    if version is None:
        typer.echo(f"{there}/{burst.object_key} can not be looked at: the claims name no version of it", err=True)
    typer.echo(f"{published} published to {named_topic}")


@app.command("tail")
def claim_tail(
    topic: Annotated[str, typer.Option(help="Topic of the results; default: PRODUCER_TOPIC.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Results to begin with: the last ones.")] = 10,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="All there are, not the last ones.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    output: Annotated[Literal["json", "table"], typer.Option(help="One JSON object or one row for each.")] = "json",
) -> None:
    """Show results as they lie in the topic. Reads on no group's account: nobody else misses any."""
    from inference_container.claims.publishing.looking import look
    from inference_container.commands.shown import result_heading, result_json, result_row
    from serving.clock import SystemClock

    show = result_json if output == "json" else result_row
    with plain_errors(), interruptible() as stopped:
        settings, broker = broker_from_environment()
        found = look(
            broker, topic or settings.producer_topic, SystemClock(), None if from_beginning else lines, follow, stopped
        )
        if not (follow or from_beginning):
            # So many of each partition come; what is wanted are so many of all.
            latest = sorted(found, key=lambda record: record.timestamp_ms)
            found = iter(latest[max(0, len(latest) - lines) :])
        for number, record in enumerate(found):
            if output == "table" and not number:
                typer.echo(result_heading())
            typer.echo(show(record))


def _read(file: Path, at_most: int) -> bytes:
    """Refuses here what would be a dead letter there."""
    from inference_container.errors import InvalidSeries, ObjectTooLarge

    size = file.stat().st_size
    if size > at_most:
        raise ObjectTooLarge(f"{file} has {size} bytes; claims are read up to {at_most} (CLAIM_MAX_BYTES).")
    content = file.read_bytes()
    if not (content.startswith(_PARQUET) and content.endswith(_PARQUET)):
        raise InvalidSeries(f"{file} is not a parquet file; claims point at nothing else.")
    return content
