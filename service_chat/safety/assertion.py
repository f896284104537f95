"""What a text says of the things that it names: that they are there, or not, or were, or are somebody else's.

`assess` hands over what the lexicon found; every match becomes a `Hit` with an assertion. `data/cues/<language>.toml`
holds the phrases that decide it, `data/grammar.toml` the small words that bound their reach.

The rule of this room: **when in doubt a thing is present.** A denial reaches forward six words (ten signs), or backward
four, within its clause; nothing on another line or in another sentence changes an assertion in this one. A denial has
no reach at all when

- it is part of a symptom's own words ("can't breathe"), or of a phrase that denies nothing (`negation_never`: "not
only",
  "nothing helps"), or of somebody's reassurance (`denial_reported`: "the doctor said it was nothing");
- it is denied itself ("I can't say I have no pain");
- a new statement begins between it and the thing, with a comma or without one ("no fever my chest hurts").

Over commas it goes only along a list that an "or" closes: "no fever, chills or rash". Chinese lists have a comma of
their own (`、`), which never ends one.

Beside the phrases, small words of the grammar decide by where they stand: a denied auxiliary right before a symptom's
own verb ("isn't drooping"), and a relative, a word of the past and a time long ago in one clause. What lasts (a
transplant, a stent) is never over, and no "hypothetically" makes an overdose with an hour imagined.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from service_chat.safety.cues import CUES, GRAMMAR, Cues, Row
from service_chat.safety.findings import Hit
from service_chat.safety.matcher import Match
from service_chat.safety.spelling import exact
from service_chat.safety.text import Text, is_sign
from service_chat.safety.values import Assertion

_TURNING: Final = (
    "negation_before", "negation_after", "past", "family", "hypothetical", "idiom", "auxiliary", "relative", "aged",
    "formerly", "dated", "compound",
)  # fmt: skip
#: What is not over because it began years ago.
LASTING: Final = frozenset(
    {
        "immune_weak", "dialysis_said", "heart_disease_said", "diabetes_said", "adrenal_said", "thyroid_said",
        "asthma_said", "epilepsy_said", "aneurysm_said", "bleeding_disorder_said", "sickle_said", "older_adult",
    }
)  # fmt: skip
#: Of these a wrapper ("hypothetically", "for a story") makes nothing imagined: who asks so may be asking for himself.
SELF_HARM: Final = frozenset(
    {
        "suicidal_passive", "suicidal_thought", "suicide_plan", "suicide_means", "suicide_preparation", "suicide_act",
        "lethal_question", "self_injury",
    }
)  # fmt: skip
#: What was swallowed, and how much or when: of each a part, and it happened.
_SWALLOWED: Final = frozenset({"took", "overdose", "poisoned", "medicine_substance", "poison_substance"})
#: "An overdose last year and now another": with a word of today in the sentence these are of today.
_ACTS: Final = SELF_HARM | {"took", "overdose", "poisoned"}
_REALLY: Final = frozenset({"many_amount", "recent"})
#: Concepts of illnesses that people name: of what is only felt nobody asks whether it runs in the family.
_NAMED: Final = "_said"
#: Others that do run in families.
_RUNS: Final = frozenset({"seizure", "palpitations", "fainting", "hallucination", "delusion", "weakness"})
#: What relatives do to people is about the one who writes, however long ago.
_VIOLENCE: Final = frozenset(
    {
        "abuser", "hit_by_person", "strangled", "threatened", "afraid_home", "abuse_said", "sexual_assault",
        "child_hurt_by_adult", "elder_mistreated", "harm_others", "harm_baby_thought",
    }
)  # fmt: skip

#: Words, and for Chinese and Japanese signs, over which a cue reaches.
_BEFORE, _AFTER, _LOOSE = (6, 10), (4, 4), (9, 16)
_LIST_ITEM = 4
_COMPARED = 12  #: words behind a "never" in which a comparison turns it round: "never had a headache this bad"
_UNDONE = 5  #: words behind "I can't say" in which a denial denies nothing
#: Languages that say their "if" behind what it is about.
_CONDITION_LAST: Final = frozenset({"ja", "zh", "hi"})
#: Languages whose verbs close a clause: "grandfather of a stroke died".
_VERB_LAST: Final = frozenset({"ja", "hi"})
_LIST_COMMAS: Final = frozenset({",", "\u3001"})


def judge(text: Text, matches: Sequence[Match], cues: Cues, voices: Sequence[Sequence[str]]) -> tuple[Hit, ...]:
    """Gives every match its assertion.

    Args:
        voices: for each sentence the languages that it may be written in; only their cues count there.
    """
    if not matches:
        return ()
    judge_ = _Judge(text, matches, cues.matcher.find(text, voices, exact))
    return tuple(judge_.hit(match) for match in matches)


class _Judge:
    """The cues of one text, laid out so that each hit sees those near it."""

    def __init__(self, text: Text, matches: Sequence[Match], cues: Iterable[Match]) -> None:
        self._text = text
        by_kind: dict[str, list[Match]] = defaultdict(list)
        for cue in cues:
            if text.sentences[cue.first] == text.sentences[cue.last]:  # else the next line could complete a denial
                by_kind[cue.payload].append(cue)
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
        self._real = _sentences_of_acts(text, matches)
        #: Sentences in which anything could be other than present.
        self._touched = frozenset(
            text.sentences[cue.first] for kind in _TURNING for cue in by_kind[kind]
        )  # fmt: skip
        self._clauses, self._opened = self._cut(by_kind["scope_end"])

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

    def hit(self, match: Match) -> Hit:
        return Hit(
            match.payload, match.language, match.first, match.last, match.words,
            self._clauses[match.first], self._text.blocks[match.first], self._assertion(match),
        )  # fmt: skip

    def _assertion(self, hit: Match) -> Assertion:
        sentences = self._text.sentences
        if sentences[hit.first] not in self._touched and sentences[hit.last] not in self._touched:
            return Assertion.PRESENT
        if any(cue.first <= hit.first and hit.last <= cue.last for cue in self._cues["idiom"].near(hit, _LOOSE[1])):
            return Assertion.IDIOM
        if self._cut_from(hit):
            return Assertion.IDIOM
        if self._denied(hit):
            return Assertion.NEGATED
        if self._somebody_elses(hit):
            return Assertion.FAMILY
        if self._imagined(hit):
            return Assertion.HYPOTHETICAL
        if self._over(hit):
            return Assertion.PAST
        return Assertion.PRESENT

    def _cut_from(self, hit: Match) -> bool:
        """Whether it takes a word out of a compound: "blood" of "blood pressure". A hit with all of it means it."""
        own = set(hit.words)
        return any(
            not own.isdisjoint(cue.words) and not own.issuperset(cue.words)
            for cue in self._cues["compound"].near(hit, _LOOSE[1])
        )

    # -- denied ------------------------------------------------------------------------------------------------------

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
        return self._auxiliary(hit) or self._answered_no(hit)

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

    def _rhetorical(self, cue: Match) -> bool:
        """Whether a question begins with it: "Isn't coughing blood bad?" denies nothing."""
        own = self._text.clauses[cue.first]
        begins = cue.first == 0 or self._text.clauses[cue.first - 1] != own
        return begins and self._text.opened_by.get(own + 1) == "?"

    @staticmethod
    def _inside_gap(cue: Match, hit: Match) -> bool:
        return hit.first < cue.first and cue.last < hit.last and not set(cue.words) & set(hit.words)

    def _goes_beyond(self, cue: Match, hit: Match) -> bool:
        """Whether a hit begins beside a denial and ends over a comma: "not bleeding, it is gushing"."""
        clauses = self._text.clauses
        return clauses[hit.first] == clauses[cue.last] < clauses[hit.last]

    def _same_sentence(self, cue: Match, hit: Match) -> bool:
        return self._text.sentences[cue.last] == self._text.sentences[hit.first]

    def _between(self, after: int, before: int, *kinds: str) -> bool:
        return any(self._cues[kind].any_in(after + 1, before) for kind in kinds)

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
        """A form that was filled in: "Fever: no"."""
        answer = self._clauses[hit.last] + 1
        if self._opened.get(answer) != ":":
            return False
        start, end = bisect_left(self._clauses, answer), bisect_left(self._clauses, answer + 1)
        return any(
            cue.first == start and cue.last == end - 1
            for kind in ("negation_before", "negation_after")
            for cue in self._cues[kind].within(start, end)
        )

    # -- somebody else's, imagined, over -------------------------------------------------------------------------------

    def _somebody_elses(self, hit: Match) -> bool:
        for cue in self._near_cues("family", hit):
            if cue.first <= hit.first:
                if not self._between(cue.last, hit.first, "restart"):
                    return True
            elif cue.first > hit.last and not self._starts_own(cue) and not self._personal(hit):
                return True
        return self._a_relatives_past(hit)

    def _a_relatives_past(self, hit: Match) -> bool:
        """Whether a relative had it long ago: "my grandmother had a stroke at 85".

        Without a time it may be this morning's, and a word of today in the sentence makes it so.
        """
        if hit.payload in LASTING or hit.payload in _VIOLENCE:
            return False
        clause, sentence = self._clauses[hit.first], self._text.sentences[hit.first]
        start, end = bisect_left(self._clauses, clause), bisect_left(self._clauses, clause + 1)
        owner = next((cue for cue in self._cues["relative"].within(start, hit.first) if cue.last < hit.first), None)
        if owner is None or self._between(owner.last, hit.first, "restart"):
            return False
        if not self._was(owner.last, hit):
            return False
        whole = range(bisect_left(self._text.sentences, sentence), bisect_left(self._text.sentences, sentence + 1))
        return bool(
            (
                (hit.payload.endswith(_NAMED) or hit.payload in _RUNS)
                and self._cues["inherited"].within(whole.start, whole.stop)
            )
            or any(self._cues[kind].within(start, end) for kind in ("ago", "past"))
            or self._at_an_age(hit)
        )

    def _was(self, after: int, hit: Match) -> bool:
        """Whether a word of the past leads to a hit, and nothing in the sentence says that it is of today."""
        end = hit.last + 1
        if hit.language in _VERB_LAST:
            end = bisect_left(self._clauses, self._clauses[hit.last] + 1)
        return self._cues["was"].any_in(after + 1, end) and not self._today(hit)

    def _today(self, hit: Match) -> bool:
        """Whether the hit's sentence has a word of today, in whatever clause."""
        sentence = self._text.sentences[hit.first]
        start, end = (bisect_left(self._text.sentences, at) for at in (sentence, sentence + 1))
        return any(self._cues[kind].within(start, end) for kind in ("current", "now"))

    def _starts_own(self, cue: Match) -> bool:
        """Whether a family cue goes on to what it speaks of, so that it says nothing of what stood before."""
        after = cue.last + 1
        return after < len(self._clauses) and self._clauses[after] == self._clauses[cue.last]

    def _personal(self, hit: Match) -> bool:
        """Whether the hit's clause speaks in the first person before it."""
        clause = self._clauses[hit.first]
        start = bisect_left(self._clauses, clause)
        return self._between(start - 1, hit.first, "restart")

    def _imagined(self, hit: Match) -> bool:
        if self._text.sentences[hit.first] in self._real:
            return False
        return any(
            (cue.first < hit.first or cue.language in _CONDITION_LAST) and not self._happening(hit)
            for cue in self._near_cues("hypothetical", hit)
        )

    def _happening(self, hit: Match) -> bool:
        """Whether the sentence says near the hit that it is so this moment. A "now" opens a clause: none bounds it."""
        sentences = self._text.sentences
        return any(sentences[cue.first] == sentences[hit.first] for cue in self._cues["now"].near(hit, _LOOSE[0]))

    def _over(self, hit: Match) -> bool:
        if hit.payload in LASTING:
            return False
        if self._formerly(hit):
            return True
        if hit.payload in _ACTS and self._today(hit):
            return False
        return self._at_an_age(hit) or any(
            not self._said_in_clause(hit, "current", cue) for cue in self._near_cues("past", hit)
        )

    def _formerly(self, hit: Match) -> bool:
        """Whether "I used to" stands right before a hit, or its year right behind it, whatever is said of today."""
        if any(cue.last + 1 == hit.first for cue in self._cues["formerly"].within(hit.first - 3, hit.first)):
            return True
        dated = self._cues["dated"].within(hit.last + 1, hit.last + 2)
        return bool(dated) and self._same_sentence(dated[0], hit) and not self._happening(hit)

    def _at_an_age(self, hit: Match) -> bool:
        """Whether it was when somebody had an age: "I had a stroke at 55"."""
        clause = self._clauses[hit.first]
        start, end = bisect_left(self._clauses, clause), bisect_left(self._clauses, clause + 1)
        ages = (cue for cue in self._cues["aged"].within(hit.first + 1, end) if self._closes(cue))
        return any(True for _ in ages) and self._was(start - 1, hit)

    def _closes(self, cue: Match) -> bool:
        """Whether nothing follows an age in its clause that makes it a street number or a speed."""
        after = cue.last + 1
        return (
            after == len(self._clauses)
            or self._clauses[after] != self._clauses[cue.last]
            or any(self._cues[kind].within(after, after + 1) for kind in ("goes_on", "restart", "stop", "or"))
        )

    def _near_cues(self, kind: str, hit: Match) -> Iterator[Match]:
        """Cues in the hit's clause, within reach on either side."""
        reach = _LOOSE[is_sign(self._text.words[hit.first])]
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


def _sentences_of_acts(text: Text, matches: Sequence[Match]) -> frozenset[int]:
    """Sentences that speak of suicide, or of something swallowed with its amount and its hour."""
    named: dict[int, set[str]] = defaultdict(set)
    for match in matches:
        named[text.sentences[match.first]].add(match.payload)
    return frozenset(
        sentence
        for sentence, concepts in named.items()
        if not SELF_HARM.isdisjoint(concepts) or (concepts >= _REALLY and not _SWALLOWED.isdisjoint(concepts))
    )
