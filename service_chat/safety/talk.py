"""What a text says of the drugs that it names: taken, asked about, not taken, or an allergy. Pure.

`record_checks` calls `drugs_in` for each text. `drugs` finds the names; the phrases around them stand in `drugs.toml`
under `talk`, in the lexicon's pattern syntax. The nearest phrase of the sentence decides. When in doubt a drug is named
and counts; only a denial that stands directly beside it takes it out.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from service_chat.safety.drugs import DrugTable, Mention
from service_chat.safety.findings import Findings
from service_chat.safety.matcher import Match, Matcher, add_all
from service_chat.safety.packaged import Packaged, Table, table, texts
from service_chat.safety.spelling import CONTRACTIONS
from service_chat.safety.text import Text

KEYS: Final = (
    "asked", "taken", "denied", "denied_after", "own", "allergic", "allergic_after", "not_allergic",
)  # fmt: skip
#: Questions to the desk: what they name has been prescribed already.
_PAPERS: Final = ("refill_question", "record_question", "appointment_question", "result_question")
_ASKS: Final = "medicine_question"
#: Words between a phrase and the name that it speaks of.
_BESIDE, _LIST = 2, 6
#: Languages whose verb stands behind what is taken.
_VERB_LAST: Final = frozenset({"ja", "hi"})


class Mode(Enum):
    """How a text speaks of a drug."""

    ASKED = "asked"  #: may it be taken
    NAMED = "named"  #: nothing is said of it
    TAKEN = "taken"  #: it is in the body


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug that a text speaks of as something that is or may be taken."""

    id: str  #: of the entry in the table
    classes: frozenset[str]
    substances: tuple[str, ...]  #: none for a family
    mode: Mode
    own: bool  #: prescribed to the writer already, as the text puts it
    surface: str  #: as it was written


@dataclass(frozen=True, slots=True)
class Talk:
    """All that a text says of drugs."""

    drugs: tuple[Drug, ...]
    allergies: tuple[tuple[str, str], ...]  #: class, and the words that name it
    asks: bool  #: whether it asks about a medicine at all, known or not


@dataclass(frozen=True, slots=True)
class TalkTable:
    """The phrases. Made once at start."""

    matcher: Matcher
    said: Mapping[str, str]  #: concept to family

    @classmethod
    def read(cls, packaged: Packaged, problems: list[str]) -> "TalkTable":
        """The packaged phrases; what is wrong with them is added to `problems`."""
        raw = packaged.read("drugs.toml", problems)
        matcher = Matcher()
        for language, lists in table(raw.get("talk")).items():
            for key, patterns in table(lists).items():
                if key not in KEYS:
                    problems.append(f"drugs.toml: talk.{language}.{key} is none of {', '.join(KEYS)}")
                add_all(matcher, language, texts(patterns), key, f"drugs.toml: talk.{language}.{key}", problems)
        return cls(matcher, {concept: str(family) for concept, family in _said(raw).items()})

    def drugs_in(self, findings: Findings, drugs: DrugTable) -> Talk:
        """The drugs of a text with what it says of them."""
        text = findings.text
        mentions = drugs.find(text.words)
        if text.twins:
            disguised = [text.twins.get(at, word) for at, word in enumerate(text.words)]
            mentions = tuple(dict.fromkeys((*mentions, *drugs.find(disguised))))
        asks = bool(findings.present(_ASKS))
        hits = [hit for concept in self.said for hit in findings.present(concept)]
        if not mentions and not hits:
            return Talk((), (), asks)
        # Phrases are only looked for where a drug is named: most sentences of a long text name none.
        places = {text.sentences[mention.first] for mention in mentions}
        tongues = [some if at in places else () for at, some in enumerate(findings.tongues)]
        cues = _Cues(text, self.matcher.find(text, tongues, _forms) if mentions else ())
        papers = {hit.block for hit in findings.present(*_PAPERS)}
        spoken: list[Drug] = []
        allergies: list[tuple[str, str]] = []
        for mention in mentions:
            surface = text.quote_words(mention.first, mention.last)
            stated = cues.allergy(mention)
            if stated is not None:
                allergies.extend((name, surface) for name in sorted(mention.entry.classes) if stated)
            elif not cues.denied(mention):
                own = cues.own(mention) or text.blocks[mention.first] in papers
                entry = mention.entry
                classes = mention.classes(drugs.systemic_only)
                spoken.append(Drug(entry.id, classes, entry.substances, cues.mode(mention), own, surface))
        named = {at for mention in mentions for at in range(mention.first, mention.last + 1)}
        for hit in hits:
            if named.isdisjoint(range(hit.first, hit.last + 1)):
                entry = drugs.entries[self.said[hit.concept]]
                spoken.append(
                    Drug(entry.id, entry.classes, entry.substances, Mode.NAMED, own=True, surface=findings.quote(hit))
                )
        asked = any(drug.mode is Mode.ASKED and not drug.own for drug in spoken)
        return Talk(tuple(dict.fromkeys(spoken)), tuple(dict.fromkeys(allergies)), asks or asked)


def _said(raw: Table) -> Table:
    return table(raw.get("said"))


def _forms(word: str, language: str) -> Sequence[str]:
    return (word, CONTRACTIONS[word]) if language == "en" and word in CONTRACTIONS else (word,)


class _Cues:
    """The phrases of one text around its drugs."""

    def __init__(self, text: Text, matches: Iterable[Match]) -> None:
        self._text = text
        kinds: dict[str, list[Match]] = defaultdict(list)
        for match in matches:
            kinds[match.payload].append(match)
        asked = [frozenset(match.words) for match in kinds["asked"]]
        # "can I take": the question owns its verb, so the verb says nothing of its own.
        kinds["taken"] = [cue for cue in kinds["taken"] if not any(own.issuperset(cue.words) for own in asked)]
        self._kinds = kinds

    def denied(self, mention: Mention) -> bool:
        before = any(
            0 <= mention.first - cue.last - 1 <= _BESIDE and self._clause(cue, mention) for cue in self._kinds["denied"]
        )
        after = any(
            0 <= cue.first - mention.last - 1 <= _BESIDE + 1 and self._clause(cue, mention)
            for cue in self._kinds["denied_after"]
        )
        return before or after  # fmt: skip

    def own(self, mention: Mention) -> bool:
        return any(cue.last + 1 == mention.first and self._clause(cue, mention) for cue in self._kinds["own"])

    def allergy(self, mention: Mention) -> bool | None:
        """True: the text tells of an allergy to it; False: of none; None: it speaks of something else."""
        told = [
            cue for cue in self._kinds["allergic"]
            if 0 <= mention.first - cue.last - 1 <= _LIST and self._sentence(cue, mention)
            and not self._between(cue, mention)
        ] + [
            cue for cue in self._kinds["allergic_after"]
            if 0 <= cue.first - mention.last - 1 <= 1 and self._clause(cue, mention)
        ]  # fmt: skip
        if not told:
            return None
        return not any(
            set(no.words) & set(range(cue.first, cue.last + 1)) for no in self._kinds["not_allergic"] for cue in told
        )

    def mode(self, mention: Mention) -> Mode:
        """What the nearest phrase of its sentence says; one where the language puts its verb is nearer than another."""
        nearest: tuple[int, Mode] | None = None
        for kind, mode in (("taken", Mode.TAKEN), ("asked", Mode.ASKED)):
            for cue in self._kinds[kind]:
                if not self._sentence(cue, mention):
                    continue
                before, last = mention.first - cue.last - 1, cue.language in _VERB_LAST
                away = before if before >= 0 else cue.first - mention.last - 1
                away += _BESIDE + 1 if (before >= 0) == last else 0
                if nearest is None or away < nearest[0]:
                    nearest = (away, mode)
        if nearest is not None:
            return nearest[1]
        return Mode.ASKED if self._questioned(mention) else Mode.NAMED

    def _questioned(self, mention: Mention) -> bool:
        sentences = self._text.sentences
        after = bisect_left(sentences, sentences[mention.last] + 1)
        end = self._text.starts[after] if after < len(sentences) else len(self._text.normal)
        return "?" in self._text.normal[self._text.ends[after - 1] : end]

    def _between(self, cue: Match, mention: Mention) -> bool:
        """Whether the text has gone on to taking between an allergy and a name."""
        return any(
            cue.last < other.first and other.last < mention.first for kind in ("taken", "asked")
            for other in self._kinds[kind]
        )  # fmt: skip

    def _clause(self, cue: Match, mention: Mention) -> bool:
        clauses = self._text.clauses
        return clauses[cue.last] == clauses[mention.first] or clauses[cue.first] == clauses[mention.last]

    def _sentence(self, cue: Match, mention: Mention) -> bool:
        return self._text.sentences[cue.first] == self._text.sentences[mention.first]
