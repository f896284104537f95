"""Takes out of free text what names a person: notes and letters repeat what the record's own fields keep apart. Pure.

Used by the mappings, which know the names: a `PatientRecord` never held them, so nobody behind the mapping could look
for them. What pays for the care is taken out too. This is no anonymisation of a text: somebody else's name, a rare
occupation or a street that no field holds stay as they are.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: As `services.redaction` writes it.
REMOVED = "[…]"

#: A whole sentence goes: nothing in it is about health.
_INSURANCE = re.compile(
    r"[^.\n]*\b(?:insurance|insurer|insured|medicaid|medicare|health plan|copay|co-pay|self-pay|payer|aetna|anthem|"
    r"blue ?cross|blue ?shield|cigna|humana|kaiser permanente|united ?healthcare)\b[^.\n]*\.?",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t]+")
_LINES = re.compile(r"\s*\n\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Private:
    """What must not be read again in a patient's texts."""

    names: tuple[str, ...] = ()  #: given, family and maiden names, a word or several each
    others: tuple[str, ...] = ()  #: numbers, addresses, birth dates, payers: taken out in any case of letters


def redacted(text: str, private: Private) -> str:
    """`text` without them, and with its white space put in order."""
    for pattern in _patterns(private):
        text = pattern.sub(REMOVED, text)
    text = _INSURANCE.sub("", text)
    return _LINES.sub("\n\n", _SPACES.sub(" ", text)).strip()


def _patterns(private: Private) -> Iterable[re.Pattern[str]]:
    whole = {other for other in private.others if len(other) > 2}
    if whole:
        yield re.compile(_any_of(whole), re.IGNORECASE)
    words = {word for name in private.names for word in name.split() if len(word) > 1}
    if words:
        # As written and in capitals only: `will` and `may` are words, Will and May are people.
        spellings = words | {word.upper() for word in words} | {word.lower() for word in words if len(word) > 5}
        yield re.compile(_any_of(spellings))


def _any_of(words: Iterable[str]) -> str:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)"
