"""The phrases and small words that decide what a text says of the things it names; `assertion` puts them to use.

`data/cues/<language>.toml` holds the phrases, one list a kind; `data/grammar.toml` the small words that bound their
reach, or that decide by where they stand. Both are found by one `Matcher`, whose payloads are the keys of the files.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from service_chat.safety.matcher import Match, Matcher, add_all
from service_chat.safety.packaged import Packaged, table, texts
from service_chat.safety.patterns import PatternError, parse

CUES: Final = (
    "negation_before", "negation_after", "negation_never", "scope_end", "past", "family", "hypothetical", "idiom",
    "denial_reported",
)  # fmt: skip
GRAMMAR: Final = (
    "or", "restart", "stop", "current", "now", "undo", "auxiliary", "light", "ever", "compare", "relative", "was",
    "ago", "aged", "goes_on", "inherited", "formerly", "dated", "settled", "compound", "negation_alone",
    "wrapper",
)  # fmt: skip


class Cues:
    """The cues of every language, and the words that can begin a denial."""

    def __init__(self, matcher: Matcher, negators: Mapping[str, frozenset[str]]) -> None:
        self.matcher = matcher  #: payloads are the keys of the data files
        self.negators = negators


def read_cues(data: Packaged, problems: list[str]) -> Cues:
    """The cues of every language that has a file, and the grammar."""
    matcher = Matcher()
    negators: dict[str, frozenset[str]] = {}
    for language in data.names("cues"):
        path = f"cues/{language}.toml"
        file = data.read(path, problems)
        problems.extend(f"{path}: {key}: is missing" for key in CUES if key not in file)
        for key, patterns in file.items():
            if key not in CUES:
                problems.append(f"{path}: {key}: is no cue; there are {', '.join(CUES)}")
                continue
            add_all(matcher, language, texts(patterns), key, f"{path}: {key}", problems)
        denying = [*texts(file.get("negation_before")), *texts(file.get("negation_after"))]
        negators[language] = frozenset(word for pattern in denying for word in _beginnings(str(pattern), language))
    path = "grammar.toml"
    for language, sections in data.read(path, problems).items():
        for key, patterns in table(sections).items():
            if key not in GRAMMAR:
                problems.append(f"{path}: {language}.{key}: is none of {', '.join(GRAMMAR)}")
                continue
            add_all(matcher, language, texts(patterns), key, f"{path}: {language}.{key}", problems)
    matcher.seal()
    return Cues(matcher, negators)


def _beginnings(pattern: str, language: str) -> Iterator[str]:
    with suppress(PatternError):  # noted by `add_all`
        for places in parse(pattern, language):
            yield from (option.strip("*") for option in places[0].options)


class Row:
    """Cues of one kind, in the order of the text."""

    def __init__(self, cues: Iterable[Match]) -> None:
        self._cues = sorted(cues, key=lambda cue: (cue.first, cue.last))
        self._firsts = [cue.first for cue in self._cues]

    def within(self, start: int, end: int) -> Sequence[Match]:
        """Those that begin from one word up to, not including, another."""
        return self._cues[bisect_left(self._firsts, start) : bisect_left(self._firsts, end)]

    def near(self, hit: Match, reach: int) -> Sequence[Match]:
        return self.within(hit.first - reach - 6, hit.last + reach + 1)

    def any_in(self, start: int, end: int) -> bool:
        return any(cue.last < end for cue in self.within(start, end))

    def firsts_from(self, start: int) -> Sequence[int]:
        return self._firsts[bisect_left(self._firsts, start) :]
