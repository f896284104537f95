"""A partition that was paused half read goes on when it is resumed.

kafka-python parks what it has fetched of a paused partition, and takes the parked rest up again only where the place of
the partition that is read right now is empty. Up to 3.0.12 at least it leaves there what is read to its end. So a
partition that was resumed while others were read stayed parked, and what is parked is not fetched either: it gave
nothing more until by chance something emptied the place, with all its lag, and no error anywhere.
"""

from typing import Protocol


class Rest(Protocol):
    """What is still to be handed out of a partition's last fetch."""

    def __bool__(self) -> bool: ...


class Fetcher(Protocol):
    _next_partition_records: Rest | None


def empty_the_place(fetcher: Fetcher) -> None:
    """To be called before each poll, on the thread that polls."""
    if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
        fetcher._next_partition_records = None
