"""The summary of a run, as Markdown and as HTML: the verdict first, then what it rests on.

Pure: a list of parts, and two ways to write them.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scaling import TOLERATED_DELAY_S, Scaling, StageResult
from verdict import Evidence, Figures, Promise

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.passed { color: #176b2c; } .failed { color: #a11; }
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What a summary tells."""

    title: str
    says: str
    begun: str
    config: dict[str, object]
    evidence: Evidence
    promise: Promise
    broken: Sequence[str]
    notes: Sequence[str] = ()
    stages: Sequence[StageResult] = ()
    scaling: Scaling | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


Part = Heading | Paragraph | Items | Table


def markdown(told: Told) -> str:
    out = [f"# Load `{told.title}`: {_word(told)}"]
    for part in _parts(told):
        match part:
            case Heading(text):
                out.append(f"## {text}")
            case Paragraph(text):
                out.append(text)
            case Items(texts):
                out.append("\n".join(f"- {text}" for text in texts))
            case Table(head, rows):
                lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
                out.append("\n".join(f"| {' | '.join(_no_bars(cell) for cell in line)} |" for line in lines))
    return "\n\n".join(out) + "\n"


def page(told: Told) -> str:
    word, title = _word(told), html.escape(told.title)
    out = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Load {title}: {word}</title>'
        f"<style>{_STYLE}</style></head><body>",
        f'<h1>Load {title}: <span class="{word}">{word}</span></h1>',
    ]
    for part in _parts(told):
        match part:
            case Heading(text):
                out.append(f"<h2>{html.escape(text)}</h2>")
            case Paragraph(text):
                out.append(f"<p>{html.escape(text)}</p>")
            case Items(texts):
                out.append(f"<ul>{''.join(f'<li>{html.escape(text)}</li>' for text in texts)}</ul>")
            case Table(head, rows):
                top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
                body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
                out.append(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")
    return "\n".join([*out, "</body></html>\n"])


def spoken(told: Told) -> str:
    """For the terminal."""
    rate = f"  {told.evidence.rate:.1f} requests/s after the ramp" if told.evidence.rate is not None else None
    said = [rate, *(f"  {_scaled(told.scaling)}" for _ in "1" if told.scaling), *(f"  {note}" for note in told.notes)]
    broken = [f"  broken: {sentence}" for sentence in told.broken]
    return "\n".join([*(line for line in said if line), *broken, f"  verdict: {_word(told)}"])


def _word(told: Told) -> str:
    return "failed" if told.broken else "passed"


def _parts(told: Told) -> list[Part]:
    evidence = told.evidence
    parts: list[Part] = [Paragraph(told.says), Items(told.broken)] if told.broken else [Paragraph(told.says)]
    if evidence.rate is not None:
        parts.append(Paragraph(f"{evidence.rate:.1f} requests/s over all endpoints after the ramp."))
    parts += _if(evidence.rows, "Requests", lambda: _figures(evidence.rows, told.promise))
    beside = "Beside the requests (in no sum above: warm-ups, first tokens, bursts)"
    parts += _if(evidence.series, beside, lambda: _figures(evidence.series, told.promise))
    parts += _if(told.stages, "Stages", lambda: _stages(told.stages))
    if told.scaling is not None:
        parts.append(Paragraph(_scaled(told.scaling)))
    parts += _if(evidence.statuses, "Statuses", lambda: _statuses(evidence))
    if told.notes:
        parts += [Heading("Notes"), Items(told.notes)]
    run = [["begun", told.begun], *([name, str(value)] for name, value in told.config.items())]
    return [*parts, Heading("Run"), Table(["", ""], run)]


def _if(there: object, title: str, table: Callable[[], Table]) -> list[Part]:
    return [Heading(title), table()] if there else []


def _figures(rows: Sequence[Figures], promise: Promise) -> Table:
    limits = {limit.name: limit for limit in promise.limits}
    head = ["row", "requests", "failed", "average ms", "p50", "p95", "p99", "most", "limit"]

    def limit_of(name: str) -> str:
        limit = limits.get(name)
        bounds = (("average", limit.avg_ms), ("p95", limit.p95_ms), ("p99", limit.p99_ms)) if limit is not None else ()
        return ", ".join(f"{what} {bound:g}" for what, bound in bounds if bound is not None)

    return Table(
        head,
        [
            [row.name, str(row.requests), str(row.failures)]
            + [f"{ms:.0f}" for ms in (row.avg_ms, row.p50_ms, row.p95_ms, row.p99_ms, row.most_ms)]
            + [limit_of(row.name)]
            for row in rows
        ],
    )


def _stages(stages: Sequence[StageResult]) -> Table:
    head = ["users", "answers/s", "offered/s", "meant/s", "p50 ms", "p95 ms", "failed", "generator's CPU"]
    return Table(
        head,
        [
            [
                str(stage.users),
                f"{stage.rate:.1f}",
                f"{stage.offered:.1f}",
                f"{stage.wished:.1f}" if stage.wished else "",
                f"{stage.p50_ms:.0f}",
                f"{stage.p95_ms:.0f}",
                str(stage.failures),
                f"{stage.generator:.0%}" if stage.generator is not None else "",
            ]
            for stage in stages
        ],
    )


def _scaled(scaling: Scaling | None) -> str:
    if scaling is None:
        return ""
    least = "at least " if scaling.at_least else ""
    said = f"One replica: {least}{scaling.rate:.0f} requests/s; add one at {scaling.in_flight} requests in flight each"
    lag = f", or at lagThreshold {scaling.lag} (what it works in {TOLERATED_DELAY_S} s)" if scaling.lag else ""
    bound = " The load generator was at its limit: the service can do more." if scaling.at_least else ""
    return f"{said}{lag}.{bound}"


def _statuses(evidence: Evidence) -> Table:
    rows = [[row, str(status or "none"), str(times)] for (row, status), times in sorted(evidence.statuses.items())]
    return Table(["row", "status", "times"], rows)


def _no_bars(cell: str) -> str:
    return cell.replace("|", "\\|")
