"""What stands near a hit: the cues of one text and its clauses, laid out so that each hit sees those that concern it.

`assertion` and `denials` are built on it. A cue that denies nothing, because it is denied itself, asks, or is part of a
symptom's own words, is left out here, once for all hits.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from service_chat.safety.cues import CUES, GRAMMAR, Row
from service_chat.safety.matcher import Match
from service_chat.safety.text import Text, is_sign

_TURNING: Final = (
    "negation_before", "negation_after", "negation_alone", "past", "family", "hypothetical", "idiom", "auxiliary",
    "relative", "aged", "formerly", "dated", "compound", "wrapper",
)  # fmt: skip
#: Words, and for Chinese and Japanese signs, over which a cue reaches that need not stand right beside a hit.
LOOSE = (9, 16)
_COMPARED = 12  #: words behind a "never" in which a comparison turns it round: "never had a headache this bad"
_UNDONE = 5  #: words behind "I can't say" in which a denial denies nothing


class Nearby:
    """The cues of one text, laid out so that each hit sees those near it."""

    def __init__(self, text: Text, matches: Sequence[Match], cues: Iterable[Match]) -> None:
        self._text = text
        by_kind: dict[str, list[Match]] = defaultdict(list)
        for cue in cues:
            if text.sentences[cue.first] == text.sentences[cue.last]:  # else the next line could complete a denial
                by_kind[cue.payload].append(cue)
        well = {word for cue in by_kind["settled"] for word in range(cue.first, cue.last + 1)}
        if well:  # "I'm 40 now": this now says nothing of what was at seventeen
            for kind in ("current", "now"):
                by_kind[kind] = [cue for cue in by_kind[kind] if not well.issuperset(cue.words)]
        undone: set[int] = set()
        quiet = {
            word for kind in ("negation_never", "denial_reported") for cue in by_kind[kind]
            for word in range(cue.first, cue.last + 1)
        }  # fmt: skip
        for cue in by_kind["undo"]:
            here = range(cue.last + 1, min(cue.last + 1 + _UNDONE, len(text.words)))
            undone.update(word for word in here if text.sentences[word] == text.sentences[cue.last])
        owners: dict[int, list[frozenset[int]]] = defaultdict(list)
        for match in matches:
            owned = frozenset(match.words)
            for word in owned:
                owners[word].append(owned)

        asking = {cue.first for cue in by_kind["auxiliary"]}
        ever = {word for cue in by_kind["ever"] for word in cue.words}
        compared = [cue.first for cue in by_kind["compare"]]

        def exceeds(cue: Match) -> bool:
            """Whether it is a "never" that a comparison follows, so that the thing is there as it never was."""
            if cue.payload != "auxiliary" and ever.isdisjoint(cue.words):
                return False
            reach = range(bisect_left(compared, cue.first + 1), bisect_left(compared, cue.last + 1 + _COMPARED))
            return any(text.clauses[compared[at]] == text.clauses[cue.first] for at in reach)

        def denies(cue: Match) -> bool:
            if cue.first in undone or any(word in quiet for word in range(cue.first, cue.last + 1)):
                return False
            if exceeds(cue) or (cue.first in asking and self._rhetorical(cue)):
                return False
            if cue.payload == "auxiliary":  # "spots do not fade": the symptom's own "not", its "do" in a gap
                return not any(word in owners for word in cue.words)
            return not any(owned.issuperset(cue.words) for owned in owners.get(cue.first, ()))

        self._cues: Mapping[str, Row] = {
            kind: Row(cue for cue in by_kind[kind] if not kind.startswith(("negation", "auxiliary")) or denies(cue))
            for kind in (*CUES, *GRAMMAR)
        }
        #: Sentences in which anything could be other than present: those of a cue, and the question that it answers.
        self._touched = frozenset(
            sentence for kind in _TURNING for cue in by_kind[kind] for sentence in self._told_of(cue)
        )
        self._clauses, self._opened = self._cut(by_kind["scope_end"])

    def _told_of(self, cue: Match) -> Iterator[int]:
        yield self._text.sentences[cue.first]
        if self._text.opened_by.get(self._text.clauses[cue.first]) == "?" and cue.first > 0:
            yield self._text.sentences[cue.first - 1]

    def _cut(self, ends: Sequence[Match]) -> tuple[list[int], dict[int, str]]:
        """The clause of each word, and what opened each clause: a sign, or a word for those that conjunctions open."""
        firsts = {cue.first for cue in ends}
        clauses: list[int] = []
        opened: dict[int, str] = {}
        clause, last = 0, -1
        for at, own in enumerate(self._text.clauses):
            if own != last and clauses:
                clause += 1
                # Several signs may stand together: only a lone comma goes on with a list.
                opened[clause] = self._text.opened_by.get(own, "") if own == last + 1 else "."
            if at in firsts:
                clause += 1
                opened[clause] = "word"
            clauses.append(clause)
            last = own
        return clauses, opened

    def _rhetorical(self, cue: Match) -> bool:
        """Whether a question begins with it: "Isn't coughing blood bad?" denies nothing."""
        own = self._text.clauses[cue.first]
        begins = cue.first == 0 or self._text.clauses[cue.first - 1] != own
        return begins and self._text.opened_by.get(own + 1) == "?"

    def _same_sentence(self, cue: Match, hit: Match) -> bool:
        return self._text.sentences[cue.last] == self._text.sentences[hit.first]

    def _between(self, after: int, before: int, *kinds: str) -> bool:
        return any(self._cues[kind].any_in(after + 1, before) for kind in kinds)

    def _near_cues(self, kind: str, hit: Match) -> Iterator[Match]:
        """Cues in the hit's clause, within reach on either side."""
        reach = LOOSE[is_sign(self._text.words[hit.first])]
        for cue in self._cues[kind].near(hit, reach):
            before, after = cue.last < hit.first, cue.first > hit.last
            here = (
                self._clauses[cue.last] == self._clauses[hit.first]
                if before
                else (self._clauses[cue.first] == self._clauses[hit.last])
            )
            if (here or not (before or after)) and self._same_sentence(cue, hit):
                yield cue

    def _said_in_clause(self, hit: Match, kind: str, but: Match | None = None) -> bool:
        """Whether a word of this kind stands in the hit's clause, other than as part of a cue or of the hit itself."""
        clause = self._clauses[hit.first]
        start = bisect_left(self._clauses, clause)
        end = bisect_left(self._clauses, clause + 1)
        own = set(hit.words) | (set(but.words) if but else set())
        return any(
            not own.issuperset(cue.words)
            and not (but and cue.first < but.first <= cue.last + 1)  # "I have a" before "history of" is no present
            for cue in self._cues[kind].within(start, end)
        )
