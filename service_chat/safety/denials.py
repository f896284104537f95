"""Whether a hit is denied: forward over some words, backward over fewer, over commas along a list, or by a form's "no".

`assertion` has the rule that bounds all of it: when in doubt a thing is present.
"""

from bisect import bisect_left
from collections import defaultdict
from typing import Final

from service_chat.safety.matcher import Match
from service_chat.safety.nearby import Nearby
from service_chat.safety.text import is_sign

#: Words, and for Chinese and Japanese signs, over which a denial reaches.
_BEFORE, _AFTER = (6, 10), (4, 4)
_LIST_ITEM = 4
#: Words before what somebody asks himself: "any chest pain? No". A longer question asks for more than that.
_ASKING: Final = 2
_LIST_COMMAS: Final = frozenset({",", "\u3001"})


class Denials(Nearby):
    def _denied(self, hit: Match) -> bool:
        sign = is_sign(self._text.words[hit.first])
        for cue in self._cues["negation_before"].near(hit, _BEFORE[sign] + 4 * _LIST_ITEM):
            if self._inside_gap(cue, hit):
                return True
            if cue.first >= hit.first or not self._same_sentence(cue, hit) or self._goes_beyond(cue, hit):
                continue
            if self._clauses[cue.last] >= self._clauses[hit.first]:
                near = hit.first - cue.last - 1 <= _BEFORE[sign]
                if near and not self._between(cue.last, hit.first, "restart", "stop"):
                    return True
            elif self._same_list(cue, hit):
                return True
        for cue in self._cues["negation_after"].near(hit, _AFTER[sign] + 2):
            if self._inside_gap(cue, hit):
                return True
            if cue.last <= hit.last or not self._same_sentence(cue, hit):
                continue
            if self._clauses[cue.first] == self._clauses[hit.last]:
                near = cue.first - hit.last - 1 <= _AFTER[sign]
                if near and not self._between(hit.last, cue.first, "restart"):
                    return True
        return self._auxiliary(hit) or self._alone(hit) or self._answered_no(hit)

    def _alone(self, hit: Match) -> bool:
        """Whether a clause is nothing but a bare "not" and a hit: ", pas essoufflé," in a list of what there is not."""
        clause = self._clauses[hit.first]
        start, end = bisect_left(self._clauses, clause), bisect_left(self._clauses, clause + 1)
        if hit.last + 1 < end or hit.first == start or self._opened.get(clause) == "word":
            return False
        return any(cue.last + 1 == hit.first for cue in self._cues["negation_alone"].within(start, start + 1))

    def _auxiliary(self, hit: Match) -> bool:
        """Whether a denied auxiliary stands right before a hit or one of its words: "the face isn't drooping"."""
        for cue in self._cues["auxiliary"].near(hit, 2):
            if not self._same_sentence(cue, hit) or self._goes_beyond(cue, hit):
                continue
            after = cue.last + 1
            while any(light.first == after for light in self._cues["light"].within(after, after + 1)):
                after += 1
            if after in hit.words and self._clauses[after] == self._clauses[cue.last]:
                return True
        return False

    @staticmethod
    def _inside_gap(cue: Match, hit: Match) -> bool:
        return hit.first < cue.first and cue.last < hit.last and not set(cue.words) & set(hit.words)

    def _goes_beyond(self, cue: Match, hit: Match) -> bool:
        """Whether a hit begins beside a denial and ends over a comma: "not bleeding, it is gushing"."""
        clauses = self._text.clauses
        return clauses[hit.first] == clauses[cue.last] < clauses[hit.last]

    def _same_list(self, cue: Match, hit: Match) -> bool:
        """Whether commas between a denial and a hit only part the items of one list."""
        first, last = self._clauses[cue.last], self._clauses[hit.first]
        signs = {self._opened.get(clause, ".") for clause in range(first + 1, last + 1)}
        if signs == {"\u3001"}:
            return not self._between(cue.last, hit.first, "restart")
        if not signs <= _LIST_COMMAS or self._between(cue.last, hit.first, "restart", "stop"):
            return False
        ends = self._cues["or"].firsts_from(cue.last + 1)
        closing = next((at for at in ends if self._clauses[at] >= last), None)
        if closing is None or self._text.sentences[closing] != self._text.sentences[cue.last]:
            return False
        signs = {self._opened.get(clause, ".") for clause in range(last + 1, self._clauses[closing] + 1)}
        if not signs <= _LIST_COMMAS or self._between(cue.last, closing, "restart", "stop"):
            return False
        lengths: dict[int, int] = defaultdict(int)
        for at in range(cue.last + 1, max(closing, hit.first)):
            if at != closing:
                lengths[self._clauses[at]] += 1
        after = hit.first - closing - 1
        return max(lengths.values(), default=0) <= _LIST_ITEM + 1 and after <= _LIST_ITEM

    def _answered_no(self, hit: Match) -> bool:
        """A form that was filled in: "Fever: no". Or one that somebody put to himself: "Fever? No"."""
        answer = self._clauses[hit.last] + 1
        sign = self._opened.get(answer)
        begin = bisect_left(self._clauses, self._clauses[hit.first])
        if sign != ":" and (sign != "?" or hit.first - begin > _ASKING):
            return False
        start, end = bisect_left(self._clauses, answer), bisect_left(self._clauses, answer + 1)
        return any(
            cue.first == start and cue.last == end - 1
            for kind in ("negation_before", "negation_after")
            for cue in self._cues[kind].within(start, end)
        )
