"""Figures as lines to read: the whole, by class, by language, every miss, and the verdict. Called by `__main__`."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from scripts.evaluation.figures import Figures, Outcomes, Share, figures, grouped, misses
from scripts.evaluation.vignettes import Vignette

#: Enough of a text to know which it is.
SHOWN = 76
_COLUMNS: tuple[tuple[str, Callable[[Figures], Share]], ...] = (
    ("under-triage", lambda each: each.under),
    ("over-triage", lambda each: each.over),
    ("emergency recall", lambda each: each.emergencies),
    ("flag recall", lambda each: each.flags),
    ("false flags", lambda each: each.false_flags),
)
_WIDTH = 18


def report(vignettes: Sequence[Vignette], outcomes: Outcomes, title: str, broken: Sequence[str]) -> Iterator[str]:
    """Lines; the verdict over what is `broken` is the last one."""
    total = figures(vignettes, outcomes)
    yield f"{total.count} vignettes, {title}"
    yield ""
    yield from _table("by class", grouped(vignettes, outcomes, lambda v: v.kind))
    yield from _table("by language", grouped(vignettes, outcomes, lambda v: v.language))
    yield from _table("all", {"": total})
    yield f"notices given where they must be: {total.notices}"
    yield ""
    yield from _misses(vignettes, outcomes)
    yield from (f"REGRESSION: {line}" for line in broken)
    yield "every bound holds" if not broken else f"{len(broken)} regressions"


def in_short(total: Figures, title: str) -> Iterator[str]:
    """A line, to lay beside a report."""
    yield f"{title}: " + ", ".join(f"{name} {column(total)}" for name, column in _COLUMNS)
    yield ""


def _table(title: str, rows: Mapping[str, Figures]) -> Iterator[str]:
    yield f"{title:<24}" + "".join(f"{name:>{_WIDTH}}" for name, _ in _COLUMNS)
    for name, each in rows.items():
        yield f"{name:<24}" + "".join(f"{column(each)!s:>{_WIDTH}}" for _, column in _COLUMNS)
    yield ""


def _misses(vignettes: Sequence[Vignette], outcomes: Outcomes) -> Iterator[str]:
    for vignette in vignettes:
        wrong = misses(vignette, outcomes[vignette.id])
        if wrong:
            text = vignette.text.encode("unicode_escape").decode() if not vignette.text.isprintable() else vignette.text
            yield f"{vignette.id}: {'; '.join(wrong)}"
            yield f"    {text if len(text) <= SHOWN else text[:SHOWN] + '…'}"
    yield ""
