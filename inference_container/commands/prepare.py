"""`prepare topics`, `prepare buckets`: make what the service expects of broker and store, before it starts.

`app` puts them under `prepare`. Compose and a cluster run them as jobs: the names come from the settings that the
service itself reads, so that nobody keeps a second list. Running them again changes nothing.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from inference_container.commands.shared import broker_from_environment, plain_errors, store_from_environment

if TYPE_CHECKING:
    from inference_container.settings import InferenceSettings
    from inference_container.stores.places import Places
    from inference_container.stores.ports import ObjectStore

#: Hours of the sample; the default bundle reads fewer.
_SAMPLE_ROWS = 120

app = typer.Typer(help="Make the topics and buckets that the service works with.", no_args_is_help=True)


@app.command("topics")
def prepare_topics() -> None:
    """Make the topics that are missing, those of the claims with KAFKA_TOPIC_PARTITIONS partitions."""
    from contextlib import closing

    from inference_container.claim_policies import topics_of
    from serving.settings import SettingsError

    with plain_errors():
        settings, broker = broker_from_environment()
        if not settings.kafka_topic_partitions:
            raise SettingsError("KAFKA_TOPIC_PARTITIONS=0 says that no topic is ever made")
        topics = topics_of(settings)
        with closing(broker):
            broker.ensure_topics(topics)
    for topic, partitions in topics.items():
        typer.echo(f"{topic}: {partitions} partitions where it was missing")


@app.command("buckets")
def prepare_buckets(
    sample: Annotated[
        bool,
        typer.Option("--sample", help="Put the weather of the default bundle at TEST_OBJECT_KEY, if nothing is there."),
    ] = False,
) -> None:
    """Make the buckets that are missing: of claims, results, downloads, pointers and bundles."""
    from contextlib import closing

    from inference_container.settings import InferenceSettings

    with plain_errors():
        settings = InferenceSettings.from_environment()
        places = _places(settings)
        with closing(store_from_environment(places)) as store:
            store.ensure_buckets()
            put = sample and _put_sample(store, settings)
    typer.echo("\n".join(f"{bucket}: there" for bucket in places.buckets))
    if sample:
        where = f"{settings.processed_bucket}/{settings.test_object_key}"
        typer.echo(f"{where}: {'put' if put else 'was there'}")


def _places(settings: "InferenceSettings") -> "Places":
    """All that the service reads from or writes to; whole buckets, because it is they that are made."""
    from inference_container.outside import places_of
    from inference_container.promotion_house import promotion_places
    from inference_container.stores.places import Places

    named = (
        places_of("PROCESSED_BUCKET", settings.processed_bucket),
        places_of("CLAIM_BUCKETS", settings.claim_buckets),
        places_of("DOWNLOAD_BUCKETS", settings.download_buckets),
        places_of("INFERENCE_LOG_BUCKET", settings.inference_log_bucket),
        promotion_places(settings),
    )
    return Places({bucket: ("",) for places in named for bucket in places.buckets})


def _put_sample(store: "ObjectStore", settings: "InferenceSettings") -> bool:
    """Whether it was missing."""
    import io

    from pyarrow import csv, parquet  # type: ignore[import-untyped]  # ships no types; bytes leave this room

    from inference_container.defaults import default_data_path
    from inference_container.errors import ObjectMissing
    from inference_container.stores.content_types import content_type_of

    bucket, key = settings.processed_bucket, settings.test_object_key
    try:
        store.stat(bucket, key)
    except ObjectMissing:
        rows, series = csv.read_csv(default_data_path()), io.BytesIO()
        parquet.write_table(rows.slice(rows.num_rows - _SAMPLE_ROWS), series)
        store.put(bucket, key, series.getvalue(), content_type_of(key))
        return True
    return False
