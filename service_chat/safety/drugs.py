"""Names of drugs, wherever they stand: in a record's display or in what a patient wrote. Pure.

`facts` asks for the families of a prescription, `record_checks` for the drugs that a text speaks of. The table is
`data/drugs.toml`; words are cut exactly as `text` cuts them, so one table serves every script. What a drug must not
meet is not known here: that is `record_checks`.

A name is found as it is listed, with an ending ("warfarinu", "ibuprofens") and with a slip of the keyboard
("ibuprofin", "amoxicilin"). The slip must keep the first letter and hit a name of seven letters or more: a wrong repair
would put a drug into a sentence that had none. Common misspellings of shorter names are listed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service_chat.safety.edit_distance import distance
from service_chat.safety.folding import fold
from service_chat.safety.packaged import Packaged, Table, table, texts
from service_chat.safety.text import is_sign, split_words

_ATC = re.compile(r"[a-v]\d\d[a-z]{0,2}(?:\d\d)?")
#: So much of a word is left when an ending is taken off, in any alphabet that has endings.
_STEM = 6
#: Shorter names are one slip away from too many other words ("longest", "program").
_REPAIRED = 7
#: Two slips are forgiven from this length on; longer than the other no name is; so much of a word is looked up.
_LONG, _MOST, _HEAD = 9, 24, 6
#: Single words whose meaning is remembered: records and answers use the same few thousand.
_MOST_SEEN = 5_000
#: Last letters that declension replaces, Latin and Cyrillic.
_VOWELS = "aeo\u0430\u044f\u0435\u044b"
#: Arabic words that grow onto the next one: and, the, for the, with the.
_CLITICS = tuple(fold(clitic) for clitic in ("وال", "بال", "لل", "ال", "و", "ب"))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name leads to."""

    id: str
    classes: frozenset[str]  #: every family it belongs to, and the substances' own ids
    substances: tuple[str, ...]  #: none for a family: "a blood thinner" names no drug


@dataclass(frozen=True, slots=True)
class Mention:
    """A drug's name in a row of words."""

    entry: Entry
    first: int
    last: int  #: included
    local: bool  #: a cream, drops, an inhaler: what it is made of stays where it is put

    def classes(self, systemic_only: frozenset[str]) -> frozenset[str]:
        return self.entry.classes - systemic_only if self.local else self.entry.classes


_Names = Mapping[str, Sequence[tuple[tuple[str, ...], str]]]


@dataclass(frozen=True, slots=True)
class DrugTable:
    """All names and families. Made once at start; asking it changes no answer."""

    entries: Mapping[str, Entry]
    classes: frozenset[str]  #: every id that a rule may write behind `drug:`
    systemic_only: frozenset[str]
    _names: _Names  #: by first word, longest first
    _stems: Mapping[str, str]  #: single-word names without their last vowel, to the entry
    _heads: Mapping[str, tuple[str, ...]]  #: beginnings with letters left out, to the single-word names
    _never: frozenset[str]
    _not_taken: _Names
    _local: _Names
    _atc: tuple[tuple[str, str], ...]  #: code prefix, class; longest first
    #: What words came to that are not listed as they stand: to find that out costs as much as the rest of a sentence.
    _seen: dict[str, str | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def read(cls, packaged: Packaged, problems: list[str]) -> "DrugTable":
        """The packaged table; what is wrong with it is added to `problems`: an unknown family, a name of two things."""
        raw = packaged.read("drugs.toml", problems)
        groups, drugs, products = (table(raw.get(kind)) for kind in ("class", "drug", "product"))
        lists = _Lists(problems)
        parents = {name: lists.of(table(fields), "is", name) for name, fields in groups.items()}
        spoken = {name: lists.of(table(fields), "names", name) for name, fields in groups.items()}
        entries = {name: Entry(name, lists.closure({name}, parents), ()) for name in parents}
        for name, value in drugs.items():
            fields = table(value)
            own = {name, *lists.of(fields, "is", name)}
            entries[name] = Entry(name, lists.closure(own, {**parents, name: parents.get(name, ())}), (name,))
            spoken[name] = (name.replace("_", " "), *spoken.get(name, ()), *lists.of(fields, "names", name))
        for name, value in products.items():
            fields = table(value)
            of = lists.of(fields, "of", name)
            if name in entries or not of or any(part not in drugs for part in of):
                problems.append(f"drugs.toml: product {name} must be new and made of drugs of the table")
                continue
            entries[name] = Entry(name, frozenset().union(*(entries[part].classes for part in of)), of)
            spoken[name] = (name.replace("_", " "), *lists.of(fields, "names", name))
        reading = table(raw.get("reading"))
        named = _name_index(spoken, problems)
        single = {sequence[0]: entry for rows in named.values() for sequence, entry in rows if len(sequence) == 1}
        codes = [
            (code.casefold(), name)
            for name, fields in groups.items()
            for code in lists.of(table(fields), "atc", name)
        ]  # fmt: skip
        return cls(
            entries=entries,
            classes=frozenset(entries).union(*(entry.classes for entry in entries.values())),
            systemic_only=frozenset(lists.of(reading, "systemic_only", "reading")),
            _names=named,
            _stems={name[:-1]: entry for name, entry in single.items() if len(name) > _STEM and name[-1] in _VOWELS},
            _heads=_heads(name for name in single if len(name) >= _REPAIRED and name.isalpha()),
            _never=frozenset(fold(word) for word in lists.of(reading, "never", "reading")),
            _not_taken=_name_index({"-": lists.of(reading, "not_taken", "reading")}, problems),
            _local=_name_index({"-": lists.of(reading, "local_words", "reading")}, problems),
            _atc=tuple(sorted(codes, key=lambda row: -len(row[0]))),
        )

    def find(self, words: Sequence[str]) -> tuple[Mention, ...]:
        """The drugs and families that these words name, in their order; the longest name wins."""
        found: list[Mention] = []
        at = 0
        while at < len(words):
            skipped = _longest(self._not_taken, words, at)
            if skipped:
                at += len(skipped[0])
                continue
            match = _longest(self._names, words, at)
            name = match[1] if match else self._meant(words[at])
            length = len(match[0]) if match else 1
            if name is not None:
                found.append(Mention(self.entries[name], at, at + length - 1, self._is_local(words, at, length)))
            at += length
        return tuple(found)

    def classes_of(self, display: str, code: str | None = None) -> frozenset[str]:
        """The families of a prescription as a record writes it; nothing for a drug that the table has not."""
        words = split_words(display)
        local = any(_longest(self._local, words, at) for at in range(len(words)))
        found = frozenset().union(*(mention.entry.classes for mention in self.find(words)))
        folded = (code or "").casefold()
        if _ATC.fullmatch(folded):
            found |= frozenset().union(
                *(self.entries[name].classes for prefix, name in self._atc if folded.startswith(prefix))
            )
        return found - self.systemic_only if local else found

    def _is_local(self, words: Sequence[str], at: int, length: int) -> bool:
        # "hydrocortisone cream", "hydrocortisone 1 % cream", "cream with hydrocortisone"
        near = range(max(0, at - 2), min(len(words), at + length + 3))
        return any(_longest(self._local, words, place) for place in near)

    def _meant(self, word: str) -> str | None:
        if word not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[word] = self._inflected(word)
        return self._seen[word]

    def _inflected(self, word: str) -> str | None:
        """The entry that a word means without being listed so."""
        if word in self._never or is_sign(word):
            return None
        for form in _forms(word):
            rows = self._names.get(form)
            name = next((entry for sequence, entry in rows if len(sequence) == 1), None) if rows else None
            name = name or self._stems.get(form)
            if name is not None:
                return name
        slipped = self._nearest(word)
        return next(entry for sequence, entry in self._names[slipped] if len(sequence) == 1) if slipped else None

    def _nearest(self, word: str) -> str | None:
        """The name that a word was meant to be."""
        if not _STEM <= len(word) <= _MOST or not word.isalpha():
            return None
        candidates = {name for head in _left_out(word) for name in self._heads.get(head, ())}
        letters = frozenset(word)
        near: list[tuple[int, str]] = []
        for name in candidates:
            most = _forgiven(min(len(word), len(name)))
            # A slip changes two letters at most: most candidates go here, and comparing letter by letter is dear.
            if abs(len(word) - len(name)) > most or len(letters.symmetric_difference(name)) > 2 * most:
                continue
            slips = distance(word, name, most)
            if slips <= most:
                near.append((slips, name))
        return min(near)[1] if near else None


@dataclass(frozen=True, slots=True)
class _Lists:
    """Reads lists of words from the file and complains of what is none."""

    problems: list[str]

    def of(self, fields: Table, key: str, where: str) -> tuple[str, ...]:
        values = texts(fields.get(key))
        if any(not isinstance(value, str) for value in values):
            self.problems.append(f"drugs.toml: {where}.{key} must be a list of texts")
        return tuple(value for value in values if isinstance(value, str))

    def closure(self, start: Iterable[str], parents: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
        """These families and all wider ones."""
        found: set[str] = set()
        left = list(start)
        while left:
            name = left.pop()
            if name not in parents:
                self.problems.append(f"drugs.toml: there is no class {name}")
            elif name not in found:
                found.add(name)
                left.extend(parents[name])
        return frozenset(found)


def _name_index(spoken: Mapping[str, Iterable[str]], problems: list[str]) -> _Names:
    index: dict[str, dict[tuple[str, ...], str]] = {}
    for entry, names in spoken.items():
        for name in names:
            sequence = tuple(split_words(name))
            if not sequence:
                problems.append(f"drugs.toml: {entry} has a name without words: {name!r}")
                continue
            other = index.setdefault(sequence[0], {}).setdefault(sequence, entry)
            if other != entry:
                problems.append(f"drugs.toml: {name!r} means both {other} and {entry}")
    return {first: sorted(rows.items(), key=lambda row: -len(row[0])) for first, rows in index.items()}


def _heads(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in names:
        for head in _left_out(name):
            found.setdefault(head, []).append(name)
    return {head: tuple(near) for head, near in found.items()}


def _left_out(word: str) -> set[str]:
    """The beginning of a word without as many letters as slips are forgiven, the first one always kept.

    Words that are so many slips apart share one of these, so a look-up replaces a comparison with every name.
    """
    head = word[:_HEAD]
    found = {head}
    for _ in range(_forgiven(len(word))):
        found |= {part[:at] + part[at + 1 :] for part in found for at in range(1, len(part))}
    return found


def _forgiven(length: int) -> int:
    """Two slips in long words; in shorter ones two would meet by chance ("diabetic", "diuretic")."""
    return 2 if length >= _LONG else 1


def _longest(index: _Names, words: Sequence[str], at: int) -> tuple[tuple[str, ...], str] | None:
    for sequence, entry in index.get(words[at], ()):
        if len(sequence) == 1 or tuple(words[at : at + len(sequence)]) == sequence:
            return sequence, entry
    return None


def _forms(word: str) -> Iterable[str]:
    """A word without what its grammar adds to it."""
    if word.endswith("'s"):
        yield word[:-2]
    if "\u0600" <= word[0] <= "\u06ff":
        yield from (word[len(clitic) :] for clitic in _CLITICS if word.startswith(clitic) and len(word) > 4)
        return
    for cut in range(4):
        if len(word) - cut >= _STEM:
            yield word[: len(word) - cut]
