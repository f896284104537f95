"""`bundle promote`, `bundle rollback`, `bundle pointer`: say which bundle every replica serves, or see what was said.

`bundle` registers them. They reach the store and the broker that the service reaches, by the same variables.
"""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from inference_container.commands.shared import plain_errors, store_from_environment

if TYPE_CHECKING:
    from inference_container.promotion.pointer import Pointer
    from inference_container.promotion.promote import Change, Promoter
    from inference_container.promotion.shelf import PointerShelf
    from inference_container.settings import InferenceSettings
    from inference_container.stores.ports import ObjectStore

_Identifier = Annotated[str, typer.Option(help="Whose bundle; the service's IDENTIFIER.")]
_Store = Annotated[
    Path | None, typer.Option(help="Folder of a store of plain files; default: S3_ENDPOINT or STORE_PATH.")
]
_By = Annotated[str, typer.Option(help="Who says so; default: the user and the machine.")]
#: How long the broker may take for the event, in seconds. The pointer stands by then.
_EVENT_S = 10.0


def promote(
    path: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Directory of the bundle.", show_default=False)],
    identifier: _Identifier = "default",
    require_beats: Annotated[
        Literal["persistence", "seasonal-naive"] | None,
        typer.Option(help="Only if its back-test has a lower rmse than this, for every target."),
    ] = None,
    by: _By = "",
    store: _Store = None,
) -> None:
    """Have every replica serve this bundle. Status 2, and nothing has changed, when it is refused or comes too late."""
    with plain_errors(), _promoter(identifier, store) as promoter:
        change = promoter.promote(path, identifier, by or _user(), require_beats)
    _tell(change)


def rollback(identifier: _Identifier = "default", by: _By = "", store: _Store = None) -> None:
    """Have every replica serve again what was promoted before. Once more, and it is the later one again."""
    with plain_errors(), _promoter(identifier, store) as promoter:
        change = promoter.rollback(identifier, by or _user())
    _tell(change)


def pointer(
    identifier: _Identifier = "default",
    history: Annotated[bool, typer.Option("--history", help="All that were promoted, newest first.")] = False,
    store: _Store = None,
) -> None:
    """Print the pointer. Status 1 when there is none, 2 when it is not one that replicas follow."""
    from inference_container.errors import PromotionRefused
    from inference_container.promotion.ports import Refused

    with plain_errors(), _opened(identifier, store) as (_, _, shelf):
        if history:
            for each in shelf.latest(identifier):
                typer.echo(f"{each.promoted_at.isoformat()} {each.bundle_id} {each.prefix} by {each.promoted_by}")
            return
        found = shelf.read(identifier)
        if found is None:
            old = shelf.left_behind()
            typer.echo(old.error if old else f"Nothing was promoted for {identifier}: BUNDLE_PATH is served.", err=True)
            raise typer.Exit(1)
        if isinstance(found.pointer, Refused):
            raise PromotionRefused(f"{found.pointer.reason}: {found.pointer.error}")
        typer.echo(found.pointer.encode(), nl=False)


@contextmanager
def _opened(identifier: str, folder: Path | None) -> "Iterator[tuple[InferenceSettings, ObjectStore, PointerShelf]]":
    """Raises SettingsError, DependencyFailed."""
    from inference_container.errors import PromotionRefused
    from inference_container.promotion.pointer import is_identifier
    from inference_container.promotion.shelf import PointerShelf
    from inference_container.settings import InferenceSettings
    from inference_container.stores.places import Places

    if not is_identifier(identifier):
        raise PromotionRefused("This can not be an identifier: 1 to 64 letters, digits, `.`, `_` or `-`.")
    settings = InferenceSettings.from_environment()
    bundles = Places({settings.model_bucket: ("",)})
    store = store_from_environment(Places({settings.promotion_bucket: ("",), **bundles.buckets}), folder)
    try:
        yield settings, store, PointerShelf(store, settings.promotion_bucket, bundles)
    finally:
        store.close()


@contextmanager
def _promoter(identifier: str, folder: Path | None) -> "Iterator[Promoter]":
    from inference_container.promotion.promote import Promoter
    from serving.clock import SystemClock

    with _opened(identifier, folder) as (settings, store, shelf):
        if not settings.disable_bucket_ensure:
            store.ensure_buckets()
        yield Promoter(store, shelf, settings.model_bucket, SystemClock(), lambda each: _announce(settings, each))


def _announce(settings: "InferenceSettings", pointer: "Pointer") -> None:
    """Tells how it went: an event that nobody hears costs the time until replicas look by themselves, nothing more."""
    from inference_container.outside import broker_of
    from inference_container.settings_claims import IN_PROCESS, NO_TOPIC
    from serving.errors import SluiceError

    topic, servers = settings.promotion_topic, settings.kafka_bootstrap_servers
    later = f"replicas look at the pointer every {settings.promotion_poll:g} s"
    broker = broker_of(settings) if topic != NO_TOPIC and servers != IN_PROCESS else None
    if broker is None:
        typer.echo(f"no event was sent: {later}")
        return
    try:
        producer = broker.producer()
        try:
            producer.send(topic, pointer.encode(), pointer.identifier.encode()).result(_EVENT_S)
        finally:
            producer.close()
        typer.echo(f"{topic} was told")
    except (SluiceError, TimeoutError) as error:
        code = error.code if isinstance(error, SluiceError) else "deadline_exceeded"
        typer.echo(f"{topic} could not be told ({code}): {later}", err=True)
    finally:
        broker.close()


def _tell(change: "Change") -> None:
    now, before = change.pointer, change.before
    typer.echo(f"{now.identifier}: {now.bundle_id} ({now.bucket}/{now.prefix})")
    typer.echo(f"before: {before.bundle_id if before is not None else 'nothing'}")
    typer.echo(f"files uploaded: {len(change.uploaded)}")


def _user() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # in a container, a number without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:200]
