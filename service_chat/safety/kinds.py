"""The classes of illnesses and allergens, and what belongs to each. Pure.

The table is `data/conditions.toml`. `facts` asks for a record's, `record_checks` for what a text says of itself. A
class that is missed costs a warning; so codes and words are both looked at, and either is enough.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from service_chat.safety.packaged import Packaged, Table, table, texts
from service_chat.safety.text import split_words

#: Displays whose classes are remembered: diagnoses have some thousand, free text has no end.
_MOST_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class Kind:
    """One class of conditions, or one allergen, as the table describes it."""

    name: str
    icd10: tuple[str, ...]
    snomed: frozenset[str]
    words: tuple[tuple[str, ...], ...]  #: beginnings of words; all of one row must stand
    excluded: tuple[str, ...]
    said: tuple[str, ...]  #: concepts by which a text says it of itself
    longest: timedelta | None  #: None: it lasts until it is resolved

    def covers(self, padded: str, code: str) -> bool:
        """Whether a diagnosis belongs here.

        Args:
            padded: the display's words with a space before, between and behind them.
            code: ICD-10-CM without its dot, or SNOMED CT.
        """
        if any(f" {word}" in padded for word in self.excluded):
            return False
        return (
            code in self.snomed
            or (code[:1].isalpha() and code.startswith(self.icd10))
            or any(all(f" {word}" in padded for word in row) for row in self.words)
        )


@dataclass(frozen=True, slots=True)
class Kinds:
    """All classes of conditions and allergens."""

    conditions: tuple[Kind, ...]
    allergens: tuple[Kind, ...]
    not_words: tuple[str, ...]
    #: Classes of displays seen before: records repeat each other, and a look-up costs a tenth of a millisecond.
    _seen: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def read(cls, packaged: Packaged, problems: list[str]) -> "Kinds":
        """The packaged table; what is wrong with it is added to `problems`."""
        raw = packaged.read("conditions.toml", problems)
        return cls(
            conditions=tuple(_kinds(table(raw.get("condition")), problems)),
            allergens=tuple(_kinds(table(raw.get("allergen")), problems)),
            not_words=tuple(words_of(item) for item in _strings(table(raw.get("reading")), "not_words", problems)),
        )

    def conditions_of(self, display: str, code: str) -> tuple[str, ...]:
        found = self._seen.get((display, code))
        if found is None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            found = self._seen[display, code] = self._of(self.conditions, display, code)
        return found

    def allergens_of(self, display: str, code: str = "") -> tuple[str, ...]:
        return self._of(self.allergens, display, code)

    def _of(self, kinds: Iterable[Kind], display: str, code: str) -> tuple[str, ...]:
        padded = f" {words_of(display)} "
        if any(f" {word}" in padded for word in self.not_words):
            return ()
        bare = code.replace(".", "").upper()
        return tuple(kind.name for kind in kinds if kind.covers(padded, bare))


def words_of(display: str) -> str:
    """A display as `Kind` compares it: folded, one space between two words."""
    return " ".join(split_words(display))


def _kinds(raw: Table, problems: list[str]) -> Iterable[Kind]:
    for name, value in raw.items():
        fields = table(value)
        days = fields.get("max_age_days")
        kind = Kind(
            name=name,
            icd10=tuple(code.replace(".", "") for code in _strings(fields, "icd10", problems)),
            snomed=frozenset(_strings(fields, "snomed", problems)),
            words=tuple(_row(words) for words in _strings(fields, "words", problems)),
            excluded=tuple(_prefix(word) for word in _strings(fields, "not", problems)),
            said=_strings(fields, "said", problems),
            longest=timedelta(days=days) if isinstance(days, int) else None,
        )
        if not (kind.icd10 or kind.snomed or kind.words):
            problems.append(f"conditions.toml: {name} can never be found")
        yield kind


def _row(words: str) -> tuple[str, ...]:
    return tuple(_prefix(part.strip()) for part in words.split("+")) if "+" in words else (_prefix(words),)


def _prefix(word: str) -> str:
    """Words as a display's are written; a space behind the last one says that it ends there."""
    return words_of(word) + (" " if word.endswith(" ") and not word.isspace() else "")


def _strings(fields: Mapping[str, object], key: str, problems: list[str]) -> tuple[str, ...]:
    values: Sequence[object] = texts(fields.get(key))
    for value in values:
        if not isinstance(value, str):
            problems.append(f"conditions.toml: {key} holds {value!r}, which is no text")
    return tuple(value for value in values if isinstance(value, str))
