"""The books after a run: what was sent against what came of it, as outsiders see it.

Nothing here asks the service. Results and dead letters are read from their topics with the client alone, the log from
the files under the object server, commits from the broker. Every claim has ended exactly one way, by its source.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # ships no types

from inference_container.claims.results import RowStatus
from tests.chaos.workload import Expected

_READ_MS = 10_000
#: Fields of a result that say where its row lies, which depends on what came together with it.
_WHERE = ("log_object_key", "log_bucket", "forecast_check")
_BETTER = (RowStatus.OK, RowStatus.EXPIRED, RowStatus.DEAD_LETTER)
#: How many of one kind of problem are spelt out.
_SHOWN = 5


class Told(Protocol):
    """A message as the client hands it out."""

    partition: int
    offset: int
    timestamp: int  #: milliseconds since the epoch
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(slots=True)
class Books:
    """What was found; `problems` is empty when it adds up."""

    claims: int
    ended: Counter[str] = field(default_factory=Counter)  #: claims by what became of them
    duplicates: Counter[str] = field(default_factory=Counter)  #: results, letters, rows beyond the first of a source
    blamed: int = 0  #: good claims that were dead letters because processes died of something else while they ran
    depth: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(self.ended.items()))
        twice = ", ".join(f"{count} {name}" for name, count in sorted(self.duplicates.items())) or "none"
        head = f"{self.claims} claims: {ended}; twice: {twice}; blamed: {self.blamed}; most depth: {self.depth}"
        return "\n".join([head, *(f"PROBLEM {problem}" for problem in self.problems)])

    def note(self, what: str, whom: Iterable[str]) -> None:
        found = sorted(whom)
        if found:
            self.problems.append(f"{len(found)} {what}: {', '.join(found[:_SHOWN])}{' ...' * (len(found) > _SHOWN)}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look."""

    bootstrap: str
    claims: str
    results: str
    letters: str
    group: str
    log: Path | None  #: the bucket's folder under the object server; None: no objects are written


def reconcile(
    expected: Mapping[str, Expected], places: Places, depth: int, bound: int, blame: str = "", most_blamed: int = 0
) -> Books:
    """
    Args:
        depth: the highest that any process told of.
        blame: reason of letters for claims that processes died over. A killed process looks like one of those.
        most_blamed: how many good claims may end so.
    """
    books = Books(len(expected), depth=depth)
    results = _by_source(read_topic(places.bootstrap, places.results), "source")
    letters = _by_source(read_topic(places.bootstrap, places.letters), "dlq-source")
    rows = log_rows(places) if places.log is not None else None
    books.duplicates.update(
        results=_beyond(results), letters=_beyond(letters), rows=_beyond(rows) if rows is not None else 0
    )
    books.duplicates += Counter()  # leaves out the zeros
    for name, found in (("results", results), ("letters", letters), ("rows", rows or {})):
        books.note(f"{name} of nothing that was sent", found.keys() - expected.keys())
    books.note("sources with results that differ", [s for s, told in results.items() if len(_values(told)) > 1])
    books.note("sources with letters that differ", [s for s, told in letters.items() if len(_letters(told)) > 1])
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for source, claim in expected.items():
        told_rows = rows.get(source, []) if rows is not None else None
        became = _became(source, results, letters, told_rows)
        books.ended[became] += 1
        reasons = {_header(letter, "dlq-reason") for letter in letters.get(source, ())}
        if became == RowStatus.DEAD_LETTER and claim.status is not RowStatus.DEAD_LETTER and reasons == {blame}:
            books.blamed += 1
        elif became != claim.status and not (became == "nothing" and rows is None and claim.status == "expired"):
            wrong[f"{claim.kind} claims that became {became}, not {claim.status} {sorted(reasons) or ''}"].append(
                source
            )
        elif reasons and not reasons <= claim.reasons | {blame}:
            wrong[f"{claim.kind} claims put aside as {sorted(reasons)}"].append(source)
        elif claim.status is RowStatus.OK and any(_id(told) != claim.claim_id for told in results[source]):
            wrong["results with another claim's id"].append(source)
        elif told_rows is not None and became not in [row["status"] for row in told_rows]:
            wrong[f"claims that became {became} and have no such row"].append(source)
    for what, whom in sorted(wrong.items()):
        books.note(what, whom)
    if books.blamed > most_blamed:
        books.problems.append(f"{books.blamed} good claims were blamed, more than {most_blamed}")
    if rows is not None:
        books.note("results that point at a row that is not there", _dangling(results, rows))
    books.problems += lag(places)
    if depth > bound:
        books.problems.append(f"the depth was {depth}, the bound is {bound}")
    return books


def read_topic(bootstrap: str, topic: str) -> list[Told]:
    """All of it, by nobody's group."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
        found: list[Told] = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            batch = consumer.poll(timeout_ms=_READ_MS)
            assert batch, f"{topic} can not be read to its end"
            found += [message for messages in batch.values() for message in messages]
        return found
    finally:
        consumer.close()


class Onlooker:
    """Asks about the claims' topic and its group, as often as one likes; is no member of it. A context."""

    def __init__(self, places: Places) -> None:
        # Without a subscription it joins nothing.
        self._inner = KafkaConsumer(bootstrap_servers=places.bootstrap, group_id=places.group, enable_auto_commit=False)
        numbers = self._inner.partitions_for_topic(places.claims) or ()
        assert numbers, f"there is no topic {places.claims}"
        self._partitions = [TopicPartition(places.claims, number) for number in numbers]

    def __enter__(self) -> "Onlooker":
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()

    def offsets(self) -> tuple[dict[int, int], dict[int, int]]:
        """What the group has committed of each partition (0 for nothing), and where each ends."""
        ends = {place.partition: end for place, end in self._inner.end_offsets(self._partitions).items()}
        return {place.partition: self._inner.committed(place) or 0 for place in self._partitions}, ends

    def lag(self) -> list[str]:
        """What is not committed, in words; nothing when all is."""
        committed, ends = self.offsets()
        return [
            f"partition {number}: {end} at the end, {committed[number]} committed"
            for number, end in sorted(ends.items())
            if committed[number] != end
        ]


def lag(places: Places) -> list[str]:
    with Onlooker(places) as onlooker:
        return onlooker.lag()


def offsets(places: Places) -> tuple[dict[int, int], dict[int, int]]:
    with Onlooker(places) as onlooker:
        return onlooker.offsets()


def log_rows(places: Places) -> dict[str, list[dict[str, object]]]:
    """Lines of the log by source; each knows its object."""
    assert places.log is not None
    found: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for path in (places.log / "results" / f"topic={places.claims}").rglob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            row: dict[str, object] = json.loads(line)
            found[str(row["source"])].append({**row, "object": str(path.relative_to(places.log))})
    return dict(found)


def _by_source(messages: Iterable[Told], header: str) -> dict[str, list[Told]]:
    found: defaultdict[str, list[Told]] = defaultdict(list)
    for message in messages:
        found[_header(message, header)].append(message)
    return dict(found)


def _header(message: Told, name: str) -> str:
    return next((content.decode() for said, content in message.headers if said == name), f"no {name}")


def _beyond(found: Mapping[str, list[Told]] | Mapping[str, list[dict[str, object]]]) -> int:
    return sum(len(told) - 1 for told in found.values())


def _body(message: Told) -> dict[str, object]:
    body: dict[str, object] = json.loads(message.value or b"{}")
    return body


def _id(message: Told) -> object:
    return _body(message).get("claim_id")


def _values(told: Iterable[Told]) -> set[str]:
    bodies = ({name: value for name, value in _body(each).items() if name not in _WHERE} for each in told)
    return {json.dumps(body, sort_keys=True) for body in bodies}


def _letters(told: Iterable[Told]) -> set[tuple[bytes | None, bytes | None, str]]:
    return {(each.key, each.value, _header(each, "dlq-reason")) for each in told}


def _became(
    source: str,
    results: Mapping[str, list[Told]],
    letters: Mapping[str, list[Told]],
    rows: list[dict[str, object]] | None,
) -> str:
    """A result wins over all, as readers of the log have it; one that is also a dead letter has ended two ways."""
    if source in results:
        return "result and letter" if source in letters else RowStatus.OK
    if source in letters:
        return RowStatus.DEAD_LETTER
    there = {row["status"] for row in rows or ()}
    return next((status for status in _BETTER if status in there), "nothing")


def _dangling(results: Mapping[str, list[Told]], rows: Mapping[str, list[dict[str, object]]]) -> list[str]:
    found = []
    for source, told in results.items():
        there = {row["object"] for row in rows.get(source, ()) if row["status"] == RowStatus.OK}
        found += [source for each in told if _body(each)["log_object_key"] not in there]
    return found
