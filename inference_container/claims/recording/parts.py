"""The objects of the log: which rows lie together, under which key, and what a key tells.

A row lies in `results/topic=T/dt=YYYY-MM-DD/h=HH/p=PP/<first>-<last>-<digest>.jsonl`, by the time of the *message* and
the offsets of its part, which never mixes partitions or hours. The digest is of the part's bytes, so an object is
written once and never changed: a member that was thrown out may finish offsets 7 and 9 after another has written 7, 8
and 9, or find expired what was answered there. Where two objects hold the same source, readers take the row that is
`ok`. What was asked over HTTP lies in `results/http/dt=YYYY-MM-DD/h=HH/<process>-<first>-<last>.jsonl`.

Pure, and the order in which rows come does not matter.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from inference_container.broker.ports import Partition
from inference_container.claims.results import Row, moment

#: Where the forecasts lie that were asked over HTTP.
HTTP_PREFIX = "results/http/"
#: Parts with the same ends are few; among them this tells any two apart.
_DIGEST_CHARS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """An object of the log."""

    key: str
    content: bytes = field(repr=False)
    offsets: tuple[int, ...]


def parts(rows: Iterable[Row]) -> list[Part]:
    """The rows as objects, one for each partition and hour among them, in the order of their keys.

    Two rows of one source are both kept, equal ones once: which of them counts, readers decide.
    """
    folders: defaultdict[str, set[tuple[int, bytes]]] = defaultdict(set)
    for row in rows:
        folders[hour_prefix(row.partition, row.timestamp_ms)].add((row.offset, row.line))
    return sorted((_part(folder, sorted(lines)) for folder, lines in folders.items()), key=lambda part: part.key)


def hour_prefix(partition: Partition, timestamp_ms: int) -> str:
    """The folder of a part, which readers list by; ends with a slash."""
    hour = moment(timestamp_ms)
    return f"results/topic={partition.topic}/dt={hour:%Y-%m-%d}/h={hour:%H}/p={partition.number:02d}/"


def may_hold(key: str, offset: int) -> bool:
    """Whether a row of this offset may lie in the part with this key. False for what is no part."""
    ends = key.rpartition("/")[2].split("-")
    if len(ends) < 3 or not key.endswith(".jsonl") or not (ends[0].isdecimal() and ends[1].isdecimal()):
        return False
    return int(ends[0]) <= offset <= int(ends[1])


def statuses(content: bytes, source: str) -> set[str]:
    """What a part says of this message: the status of each of its rows, and the reason where there is one."""
    rows = (orjson.loads(line) for line in content.splitlines() if source.encode() in line)
    return {told for row in rows if row["source"] == source for told in (row["status"], row["reason"]) if told}


def http_part(process: str, rows: Sequence[Row]) -> Part:
    """Of rows of one hour that this process numbered: nobody else writes under this key, and this process only once."""
    offsets = tuple(sorted(row.offset for row in rows))
    hour = moment(rows[0].timestamp_ms)
    key = f"{HTTP_PREFIX}dt={hour:%Y-%m-%d}/h={hour:%H}/{process}-{_number(offsets[0])}-{_number(offsets[-1])}.jsonl"
    return Part(key, b"".join(row.line for row in sorted(rows, key=lambda row: row.offset)), offsets)


def _part(folder: str, lines: Sequence[tuple[int, bytes]]) -> Part:
    offsets = tuple(dict.fromkeys(offset for offset, _ in lines))
    content = b"".join(line for _, line in lines)
    return Part(_key(folder, offsets, content), content, offsets)


def _key(folder: str, offsets: Sequence[int], content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()[:_DIGEST_CHARS]
    return f"{folder}{_number(min(offsets))}-{_number(max(offsets))}-{digest}.jsonl"


def _number(offset: int) -> str:
    return f"{offset:012d}"
