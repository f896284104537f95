"""`make bench-triage`: the chat service against its peers and against its promises, one part after the other.

    python -m bench.triage [--parts chats,decode,prefix,schema,burst,neighbour,emergency] [--rounds 3] [--quick]
                           [--peers examples-server,naive] [--json FILE] [--into FILE]

Prints tables and a verdict for every promise; status 1 when a floor is missed, 2 when the comparison could not be made.
`--into docs/performance.md` also writes what it prints between that page's marks. The model is made and the peers are
installed at the first run.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.chats.model import ModelFailed
from bench.chats.others import in_words, ledger
from bench.chats.parts import Effort, Part, burst, chats, decode, emergency, neighbour, prefix, schema
from bench.chats.source import SourceMissing
from bench.chats.stage import EXAMPLE, NAIVE, SPIN, Stage, prepare
from bench.contest import ContestFailed
from bench.peers.environment import PeersMissing
from bench.predict import machine
from bench.stage import say
from bench.verdict import Line, failed, verdict_table

PEERS = (EXAMPLE, NAIVE)
PARTS: Mapping[str, Callable[[Stage, Effort], Part]] = {
    "chats": chats.measure,
    "decode": decode.measure,
    "prefix": prefix.measure,
    "schema": schema.measure,
    "burst": burst.measure,
    "neighbour": neighbour.measure,
    "emergency": emergency.measure,
}
#: What stands between them on a page is ours to replace.
MARKS = ("<!-- bench.triage writes from here -->", "<!-- bench.triage writes to here -->")


@dataclass(frozen=True, slots=True)
class Options:
    parts: tuple[str, ...]
    effort: Effort
    peers: tuple[str, ...]
    #: Added to the peers' environment: as their authors ship them, or waiting as long as ours does.
    peer_environ: Mapping[str, str]
    json_file: Path | None
    page: Path | None


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.triage", description="The chat service and its peers.")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated")
    parser.add_argument("--rounds", type=int, default=3, help="times each part measures; the tables hold medians")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; empty measures us alone")
    parser.add_argument("--bounded-peers", action="store_true", help="peers' threads spin no longer than ours")
    parser.add_argument("--quick", action="store_true", help="one round: does everything work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--into", type=Path, metavar="FILE", help="also write the report between that page's marks")
    given = parser.parse_args(arguments)
    for option, known in (("parts", tuple(PARTS)), ("peers", PEERS)):
        unknown = sorted({name for name in getattr(given, option).split(",") if name} - set(known))
        if unknown:
            parser.error(f"unknown {option}: {', '.join(unknown)}; there are {', '.join(known)}")
    if given.rounds < 1:
        parser.error("--rounds must be positive")
    if given.into and not all(mark in given.into.read_text() for mark in MARKS):
        parser.error(f"{given.into} lacks the marks {' and '.join(MARKS)}")
    return Options(
        parts=tuple(name for name in PARTS if name in given.parts.split(",")),
        effort=Effort(1 if given.quick else given.rounds),
        peers=tuple(name for name in PEERS if name in given.peers.split(",")),
        peer_environ=SPIN if given.bounded_peers else {},
        json_file=given.json,
        page=given.into,
    )


def run(options: Options, cores: Sequence[int], scratch: Path) -> int:
    """The chosen parts; 0 when every floor holds, 1 when one does not."""
    peers = options.peers if "chats" in options.parts else ()
    stage = prepare(scratch, frozenset(cores), peers, options.peer_environ)
    paragraphs: list[str] = []

    def add(paragraph: str) -> None:
        # At once: a long run that fails later has at least said this.
        print(f"{paragraph}\n", flush=True)
        paragraphs.append(paragraph)

    add(f"{machine(len(cores))}; {options.effort.rounds} round(s), medians.")
    lines: list[Line] = []
    figures: dict[str, object] = {}
    shares: dict[str, float] = {}
    for name in options.parts:
        before = ledger()
        found = PARTS[name](stage, options.effort)
        shares[name] = ledger().share_since(before, len(cores))
        for paragraph in found.paragraphs:
            add(paragraph)
        lines += found.lines
        figures[name] = found.figures
    add(in_words(shares))
    add(verdict_table(lines))
    figures["others"] = shares
    figures["verdict"] = [{**asdict(line), "verdict": line.verdict} for line in lines]
    if options.json_file:
        options.json_file.write_text(json.dumps(figures, indent=1))
    if options.page:
        options.page.write_text(between_marks(options.page.read_text(), "\n\n".join(paragraphs)))
    return int(failed(lines))


def between_marks(page: str, report: str) -> str:
    """The page with the report in place of what stood between the marks."""
    begin, end = MARKS
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{report}\n\n{end}{rest.partition(end)[2]}"


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        say("The comparison needs Linux and two cores.")
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            return run(options, cores, Path(scratch))
    except (ContestFailed, ModelFailed, SourceMissing, PeersMissing) as failure:
        say(str(failure))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
