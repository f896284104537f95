"""What a text says of the things that it names: that they are there, or not, or were, or are somebody else's.

`assess` hands over what the lexicon found; every match becomes a `Hit` with an assertion. `data/cues/<language>.toml`
holds the phrases that decide it, `data/grammar.toml` the small words that bound their reach.

The rule of this room: **when in doubt a thing is present.** A denial reaches forward six words (ten signs), or backward
four, within its clause; nothing on another line or in another sentence changes an assertion in this one, but the bare
"no" that answers a question of a few words ("Any fever? No."). A denial has no reach at all when

- it is part of a symptom's own words ("can't breathe"), or of a phrase that denies nothing (`negation_never`: "not
only",
  "nothing helps"), or of somebody's reassurance (`denial_reported`: "the doctor said it was nothing");
- it is denied itself ("I can't say I have no pain");
- a new statement begins between it and the thing, with a comma or without one ("no fever my chest hurts").

Over commas it goes only along a list that an "or" closes: "no fever, chills or rash". Chinese lists have a comma of
their own (`、`), which never ends one. A bare "not" that is no cue elsewhere ("pas", "nicht") denies what it shares a
whole clause with: ", pas essoufflé,".

Beside the phrases, small words of the grammar decide by where they stand: a denied auxiliary right before a symptom's
own verb ("isn't drooping"), and a relative, a word of the past and a time long ago in one clause. What lasts (a
transplant, a stent) is never over, and no "hypothetically" makes an overdose with an hour imagined.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from service_chat.safety.cues import Cues
from service_chat.safety.denials import Denials
from service_chat.safety.findings import Hit
from service_chat.safety.matcher import Match
from service_chat.safety.nearby import LOOSE
from service_chat.safety.spelling import exact
from service_chat.safety.text import Text
from service_chat.safety.values import Assertion

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
VIOLENCE: Final = frozenset(
    {
        "abuser", "hit_by_person", "strangled", "threatened", "afraid_home", "abuse_said", "sexual_assault",
        "child_hurt_by_adult", "elder_mistreated", "harm_others", "harm_baby_thought",
    }
)  # fmt: skip

#: Languages that say their "if" behind what it is about.
_CONDITION_LAST: Final = frozenset({"ja", "zh", "hi"})
#: Languages whose verbs close a clause: "grandfather of a stroke died".
_VERB_LAST: Final = frozenset({"ja", "hi"})


def judge(text: Text, matches: Sequence[Match], cues: Cues, voices: Sequence[Sequence[str]]) -> tuple[Hit, ...]:
    """Gives every match its assertion.

    Args:
        voices: for each sentence the languages that it may be written in; only their cues count there.
    """
    if not matches:
        return ()
    judge_ = _Judge(text, matches, cues.matcher.find(text, voices, exact))
    return tuple(judge_.hit(match) for match in matches)


class _Judge(Denials):
    """The assertions of one text's hits."""

    def __init__(self, text: Text, matches: Sequence[Match], cues: Iterable[Match]) -> None:
        super().__init__(text, matches, cues)
        self._real = _sentences_of_acts(text, matches)

    def hit(self, match: Match) -> Hit:
        return Hit(
            match.payload, match.language, match.first, match.last, match.words,
            self._clauses[match.first], self._text.blocks[match.first], self._assertion(match),
        )  # fmt: skip

    def _assertion(self, hit: Match) -> Assertion:
        sentences = self._text.sentences
        if sentences[hit.first] not in self._touched and sentences[hit.last] not in self._touched:
            return Assertion.PRESENT
        if any(cue.first <= hit.first and hit.last <= cue.last for cue in self._cues["idiom"].near(hit, LOOSE[1])):
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
            for cue in self._cues["compound"].near(hit, LOOSE[1])
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
        if hit.payload in LASTING or hit.payload in VIOLENCE:
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
        return self._wrapped(hit) or any(
            (cue.first < hit.first or cue.language in _CONDITION_LAST) and not self._happening(hit)
            for cue in self._near_cues("hypothetical", hit)
        )

    def _wrapped(self, hit: Match) -> bool:
        """Whether the sentence opens with what it is for, "for my novel", and nobody speaks of himself from there on.

        What happens now, what relatives do and what was swallowed are never part of a story.
        """
        if hit.payload in VIOLENCE or hit.payload in _SWALLOWED or self._today(hit):
            return False
        start = bisect_left(self._text.sentences, self._text.sentences[hit.first])
        end = bisect_left(self._text.sentences, self._text.sentences[hit.first] + 1)
        return any(
            not self._between(cue.last, end, "restart") for cue in self._cues["wrapper"].within(start, hit.first)
        )

    def _happening(self, hit: Match) -> bool:
        """Whether the sentence says near the hit that it is so this moment. A "now" opens a clause: none bounds it."""
        sentences = self._text.sentences
        return any(sentences[cue.first] == sentences[hit.first] for cue in self._cues["now"].near(hit, LOOSE[0]))

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
