"""Takes out of free text what names a person. Pure.

Called by `context` for everything that somebody typed: notes, documents, reasons of a visit, instructions on a box.
The displays of codes need less, and names of drugs and allergens are left as they are: a drug that is missing from a
list is worse than anything its name could say of a person. Two ways, because neither is enough alone: words that the
record's store knows to be private (names, numbers, the birth date) are found wherever they stand, and what looks like a
name, an address, a number or an insurer is taken out by its look. A stranger's plain name in the middle of a sentence
has no look; that is why documents are the first to leave a prompt, and why they are excerpts.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date

from service_chat.services.sentences import sentence_spans

#: Stands where something was. One word for everything: what it was would be a hint.
TAKEN = "[…]"

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_CAPITAL = "[A-ZÀ-ÖØ-Þ]"
_NAME = rf"{_CAPITAL}[\w'\u2019-]+"
#: What can be told by its look.
_LOOKS = re.compile(
    "|".join(
        (
            r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+",  # an address for mail
            r"\b(?:https?://|www\.)\S+",
            r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
            r"(?<![\w.])\+\d[\d\s().-]{6,}\d",  # a telephone number with its country
            r"(?<![\w.])\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}\b",
            r"\b\d{3}-\d{2}-\d{4}\b",  # a number of social security
            r"\b\d{7,}\b",
            r"(?i:\b(?:mrn|ssn|nhs|policy|member|insurance|account|record|passport|licen[cs]e)"
            r"(?:\s*[:#]|\s*(?:no\b\.?|number\b|id\b)\s*[:#]?)\s*)[\w./-]*\d[\w./-]*",
            rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sr|Sra|Herr|Frau|Mme|Mlle)\.?\s+{_NAME}(?:[ \t]+{_NAME}){{0,3}}",
            # Synthea's names: letters with a number behind them.
            rf"\b{_CAPITAL}[^\W\d_]{{2,}}\d{{2,4}}\b(?:['\u2019]s\b)?",
            rf"\b\d{{1,5}}\s+(?:{_NAME}\s+){{1,3}}"
            r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Place|Pl|Terrace)\b\.?"
            r"(?:\s+(?:Apt|Suite|Unit|Ste)\.?\s*\w+)?(?:,\s*[\w' ]+)?(?:,?\s+[A-Z]{2})?(?:\s+\d{5}(?:-\d{4})?)?",
        )
    )
)
#: "Strength1000" is no name, and neither are these.
_NOT_NAMES = re.compile(r"(?i:(?:covid|omega|vitamin|factor|type|grade|stage|day|week|interleukin)-?\d)")
#: Sentences that are about who pays or who somebody is, and not about health.
_NOT_HEALTH = re.compile(
    r"(?i)\b(?:insur(?:er|ed|ance)|medicare|medicaid|payer|health plan|humana|aetna|cigna|anthem|unitedhealthcare|"
    r"blue cross|dual eligible|socioeconomic|identifies as|religio\w+|ethnicity|home address|lives at|next of kin)\b"
)
_RACE = re.compile(r"(?i)(?<=[- ]old )(?:non-?)?hispanic\s+\w+\s+|(?<=[- ]old )(?:white|black|asian|caucasian)\s+")


class Redaction:
    """For one patient: what the store knows to be private, and the birth date in its usual forms."""

    def __init__(self, private: Iterable[str] = (), born: date | None = None) -> None:
        words = {word.strip() for word in private if len(word.strip()) > 1} | set(_dates(born))
        # The longest first. A short name is an ordinary word in some language: it has to be written as a name is.
        parts = [
            re.escape(word) if len(word) < 4 else f"(?i:{re.escape(word)})"
            for word in sorted(words, key=lambda word: (-len(word), word))
        ]
        self._known = re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)") if parts else None

    def typed(self, text: str) -> str:
        """What somebody wrote, without what is private and without what looks like a person's or an insurer's."""
        text = _RACE.sub("", _LOOKS.sub(_take, self.coded(text)))
        kept = [text[start:end] for start, end in sentence_spans(text) if not _NOT_HEALTH.search(text, start, end)]
        return " ".join(" ".join(kept).split())

    def coded(self, text: str) -> str:
        """A code's display without what is private: whole words, in any case of letters."""
        return self._known.sub(TAKEN, text) if self._known is not None else text


def _take(match: re.Match[str]) -> str:
    return match[0] if _NOT_NAMES.match(match[0]) else TAKEN


def _dates(born: date | None) -> Iterator[str]:
    if born is None:
        return
    month = _MONTHS[born.month - 1]
    yield born.isoformat()
    yield f"{born:%Y%m%d}"
    for day, number in ((f"{born.day:02}", f"{born.month:02}"), (str(born.day), str(born.month))):
        for mark in "/.-":
            yield f"{day}{mark}{number}{mark}{born.year}"
            yield f"{number}{mark}{day}{mark}{born.year}"
            yield f"{day}{mark}{number}{mark}{born.year % 100:02}"
            yield f"{number}{mark}{day}{mark}{born.year % 100:02}"
        for name in (month, month[:3]):
            yield f"{name} {day}, {born.year}"
            yield f"{name} {day} {born.year}"
            yield f"{day} {name} {born.year}"
