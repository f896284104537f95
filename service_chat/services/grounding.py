"""Cuts out of a model's text what neither record nor question says: drugs, conditions, amounts, numbers, death.

Called by `spoken`, text by text. Pure. A sentence that holds such a thing goes as a whole, because half of it may say
the opposite; what it was is reported. Names come from a vocabulary that is handed in. A name counts as known by any of
its other names, and by a drug that belongs to the group it stands for: who takes warfarin takes a blood thinner. It
does not count the other way: that a blood thinner is taken does not say which.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service_chat.safety.drugs import DrugTable
from service_chat.safety.text import read, split_words
from service_chat.services.sentences import sentences

#: An amount of something to take.
_AMOUNT = re.compile(
    r"(?<![\w.,])(\d+(?:[.,]\d+)?)\s*(mg|mcg|µg|μg|ug|grams?|gramos?|ml|mL|milligrams?|millilit(?:er|re)s?|"
    r"iu|units?|tablets?|pills?|capsules?|drops?|puffs?|doses?|tabletas?|pastillas?|comprimés?|gouttes?|Tabletten|Tropfen|"
    r"мг|мл|таблет\w*|毫克|片|粒|錠|ملغ|मिलीग्राम|गोली)(?![a-z])",
    re.IGNORECASE,
)
#: Whom to call is fixed words' business, and three digits are enough for a wrong one.
_NUMBER = re.compile(r"\+?\d(?:[\s().-]{0,2}\d){2,}")
_RUN = re.compile(r"\d+")
#: Nobody is told of death who did not speak of it.
_DEATH = re.compile(
    r"(?i)\b(?:dying|deaths?|dead|died|fatal|(?:to|will|may|could|might) die|muert\w+|mor(?:ir|rir|ire|te)\b|mourir|"
    r"tod|tödlich\w*|sterb\w+|śmierć|umrze\w*|umier\w+)\b|смерт|умир|умер|умр[её]|死|الموت|وفاة|मौत|मृत्यु"
)
_LINK = re.compile(r"(?i)\b(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+\.\w+|\b[\w-]+\.(?:com|org|net|gov|info)\b")


@dataclass(frozen=True, slots=True)
class Named:
    """A drug or a condition in a text."""

    words: str  #: as they were written
    means: frozenset[str]  #: knowing any of these is knowing it
    tells: frozenset[str]  #: what is known when this is: itself, and the families it belongs to


@dataclass(frozen=True, slots=True)
class Grounded:
    text: str  #: the sentences that stand on something
    cut: tuple[str, ...]  #: what the others rested on, as the model wrote it


class Vocabulary:
    """Names of drugs and conditions, found in a text. Made once, read by everybody."""

    def __init__(self, drugs: DrugTable, conditions: Iterable[Iterable[str]]) -> None:
        """`conditions`: for each, all its names."""
        self._drugs = drugs
        self._conditions: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for names in conditions:
            sequences = [tuple(split_words(name)) for name in names]
            for sequence in sequences:
                self._conditions.setdefault(sequence[0], []).append((sequence, f"condition {' '.join(sequences[0])}"))
        for rows in self._conditions.values():
            rows.sort(key=lambda row: len(row[0]), reverse=True)

    def find(self, text: str) -> Iterator[Named]:
        """Of names within names the longest."""
        whole = read(text)
        words = list(whole.words)
        for mention in self._drugs.find(words):
            entry = mention.entry
            parts = frozenset(entry.substances)
            yield Named(
                whole.quote_words(mention.first, mention.last),
                frozenset({entry.id}) if len(parts) != 1 else frozenset({entry.id}) | parts,
                entry.classes | parts | {entry.id},
            )
        at = 0
        while at < len(words):
            size, means = self._condition(words, at)
            if means:
                yield Named(whole.quote_words(at, at + size - 1), frozenset({means}), frozenset({means}))
            at += size

    def names_drug(self, text: str) -> bool:
        return any(True for _ in self._drugs.find(list(read(text).words)))

    def _condition(self, words: list[str], at: int) -> tuple[int, str]:
        """How many words its name has, and what it is; one and nothing where none begins here."""
        for first in _singulars(words[at]):
            for name, means in self._conditions.get(first, ()):
                there = words[at : at + len(name)]
                if len(there) == len(name) and all(n in _singulars(w) for n, w in zip(name, there, strict=True)):
                    return len(name), means
        return 1, ""


class Sources:
    """What a text may speak of: everything that record and question name."""

    def __init__(self, texts: Iterable[str], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._known: set[str] = set()
        self._amounts: set[str] = set()
        self._numbers: set[str] = set()
        self._death = False
        for text in texts:
            self._death = self._death or _DEATH.search(text) is not None
            for named in vocabulary.find(text):
                self._known |= named.tells
            self._amounts |= {_plain(match[0]) for match in _AMOUNT.finditer(text)}
            for match in _NUMBER.finditer(text):
                self._numbers |= {_digits(match[0]), *_RUN.findall(match[0])}

    def ground(self, text: str) -> Grounded:
        kept, cut = [], list[str]()
        for sentence in sentences(text):
            strange = list(self._strange(sentence))
            if strange:
                cut += strange
            else:
                kept.append(sentence)
        return Grounded(" ".join(kept), tuple(dict.fromkeys(cut)))

    def _strange(self, sentence: str) -> Iterator[str]:
        for named in self._vocabulary.find(sentence):
            if not named.means & self._known:
                yield named.words
        amounts = [match[0] for match in _AMOUNT.finditer(sentence)]
        yield from (amount for amount in amounts if _plain(amount) not in self._amounts)
        for match in _NUMBER.finditer(_AMOUNT.sub(" ", sentence)):
            # "2021-05" may be said where "2021-05-06" stands; "116 123" only as a whole or where both parts stand.
            parts = [run for run in _RUN.findall(match[0]) if len(run) > 2] or [_digits(match[0])]
            if any(part not in self._numbers for part in parts):
                yield match[0]
        for match in _LINK.finditer(sentence):
            yield match[0]
        if not self._death:
            yield from (match[0] for match in _DEATH.finditer(sentence))


def _singulars(word: str) -> tuple[str, ...]:
    return (word, word[:-1]) if len(word) > 3 and word.endswith("s") else (word,)


def _plain(text: str) -> str:
    return "".join(text.casefold().split()).rstrip("s").replace(",", ".")


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())
