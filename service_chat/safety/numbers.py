"""Quantities in a text: temperatures, oxygen, blood pressure, pulse, glucose, tablets, weeks, ages, scores, durations.

`assess` asks once for a text; `rules` compares. How they are written in which language stands in `data/numbers.toml`:
every figure, number word and Chinese numeral is found first, then each entry looks at what stands beside it. So the
work grows with the numbers of a text, and a page without any costs one scan.

A number that fits nothing is none of ours. Where units are not written, only values that a living body can have count:
"temperature 39" is Celsius and "temperature 103" Fahrenheit, and nothing else is guessed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from service_chat.safety.findings import Reading
from service_chat.safety.folding import fold
from service_chat.safety.packaged import Packaged, Table, table, text_items, texts
from service_chat.safety.text import Text

#: Names that rules may compare, each with its unit.
QUANTITIES: Final[Mapping[str, str]] = {
    "temp_c": "degrees Celsius",
    "spo2": "percent",
    "systolic": "mmHg",
    "diastolic": "mmHg",
    "pulse": "beats a minute",
    "glucose_mgdl": "mg/dl",
    "tablets": "pieces",
    "gestation_weeks": "weeks",
    "age_years": "years, months as a fraction",
    "pain_score": "0 to 10",
    "breaths_min": "a minute",
    "duration_min": "minutes",
    "potassium": "mmol/l",
    "sodium": "mmol/l",
    "inr": "ratio",
    "haemoglobin": "g/l",
}
#: Named groups of units: what one of them is in years, and in minutes.
_YEARS: Final[Mapping[str, float]] = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
_MINUTES: Final[Mapping[str, float]] = {"min": 1, "h": 60, "d": 1440, "w": 10080, "m": 43830, "y": 525960}

_WINDOW = 60
_FIGURE = re.compile(r"(?<![\d.,])\d{1,4}(?:[.,]\d{1,2})?(?!\d)|(?<=\d\d[.,])\d{1,4}(?!\d)")
_DEGREES_JA = re.compile(r"度(\d)分")
_NUMERAL = re.compile(r"[一二两兩三四五六七八九十百]+")
_NUMERALS: Final = {sign: value for value, sign in enumerate("一二三四五六七八九", start=1)} | {"两": 2, "兩": 2}
_PRESSURE = re.compile(
    r"(?<![\d/.])(\d{2,3})\s*(?:/|\\|over|sobre|por|sur|su|zu|auf|on|by(?=\s*(?:\d\d|1[0-2]\d)\b)|na|на|على|比)\s*(\d{2,3})(?![\d/])"
)
_STOP = re.compile(r"[!?\n]|\.(?!\d)")
_SAYS = re.compile(r"[^\d\s.,:;()-]")
_MACRO = re.compile(r"\{([A-Z_]+)\}")


@dataclass(frozen=True, slots=True)
class _Figure:
    value: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """One way of writing a quantity."""

    quantity: str
    least: float
    most: float
    scale: float
    fahrenheit: bool
    decimal: bool  #: only figures with a fraction: a bare 38.5 is a temperature, a bare 38 is not
    before: re.Pattern[str] | None
    after: re.Pattern[str] | None
    around: re.Pattern[str] | None
    unless_after: re.Pattern[str] | None

    def value(self, figure: _Figure, left: str, right: str) -> float | None:
        """What a number means here; None when it does not fit."""
        if not self.least <= figure.value <= self.most or (self.decimal and figure.value.is_integer()):
            return None
        factor = self.scale
        if self.after is not None:
            found = self.after.match(right)
            if found is None:
                return None
            factor *= self._factor(found)
        if self.before is not None and self.before.search(left) is None:
            return None
        if self.unless_after is not None and self.unless_after.match(right) is not None:
            return None
        if self.around is not None and not (self.around.search(left) or self.around.search(right)):
            return None
        return (figure.value - 32) / 1.8 if self.fahrenheit else figure.value * factor

    def _factor(self, found: re.Match[str]) -> float:
        units = {"age_years": _YEARS, "duration_min": _MINUTES}.get(self.quantity, {})
        groups = found.groupdict()
        return next((factor for unit, factor in units.items() if groups.get(unit) is not None), 1.0)


class Numbers:
    """Every way of writing every quantity. Read once, then shared."""

    def __init__(self, entries: tuple[_Entry, ...], words: Mapping[str, float]) -> None:
        self._entries = entries
        self._words = words

    def find(self, text: Text) -> tuple[Reading, ...]:
        """The quantities of a text, in its order. Never raises."""
        found: dict[Reading, None] = {}
        normal = text.normal
        figures = list(self._figures(text))
        for figure in figures:
            left = normal[max(0, figure.start - _WINDOW) : figure.start]
            right = normal[figure.end : figure.end + _WINDOW]
            stop = _STOP.search(right)
            right = right[: stop.start()] if stop else right
            stops = [stop.end() for stop in _STOP.finditer(left)]
            left = left[stops[-1] :] if stops else left
            if not _SAYS.search(left) and not _SAYS.search(right):
                continue
            for entry in self._entries:
                value = entry.value(figure, left, right)
                if value is not None:
                    found[Reading(entry.quantity, round(value, 4), figure.start, figure.end)] = None
        if figures:
            found.update(dict.fromkeys(_pressures(normal)))
        return tuple(sorted(found, key=lambda reading: (reading.start, reading.quantity, reading.value)))

    def _figures(self, text: Text) -> Iterator[_Figure]:
        normal = text.normal
        for found in _FIGURE.finditer(normal):
            value = float(found.group().replace(",", "."))
            more = _DEGREES_JA.match(normal, found.end())
            yield _Figure(value + int(more.group(1)) / 10 if more else value, found.start(), found.end())
        for found in _NUMERAL.finditer(normal):
            yield _Figure(_numeral(found.group()), found.start(), found.end())
        last: _Figure | None = None
        for at, word in enumerate(text.words):
            value = self._words.get(word, 0.0)
            if not value:
                last = None
                continue
            figure = _Figure(value, text.starts[at], text.ends[at])
            if last is not None and last.value % 10 == 0 and value < 10:  # "twenty five", and the five by itself
                yield _Figure(last.value + value, last.start, figure.end)
            yield figure
            last = figure


def _numeral(signs: str) -> float:
    """A Chinese numeral up to the hundreds: 三十五 is 35."""
    total, current = 0, 0
    for sign in signs:
        if sign in "十百":
            total += (current or 1) * (10 if sign == "十" else 100)
            current = 0
        else:
            current = _NUMERALS[sign]
    return float(total + current)


def _pressures(normal: str) -> Iterator[Reading]:
    """Pairs like 180/120. The first is the greater one; scores and dates are not that large."""
    for found in _PRESSURE.finditer(normal):
        upper, lower = float(found.group(1)), float(found.group(2))
        if 60 <= upper <= 300 and 25 <= lower <= 200 and lower < upper:
            yield Reading("systolic", upper, found.start(), found.end())
            yield Reading("diastolic", lower, found.start(), found.end())


def read_numbers(data: Packaged, problems: list[str]) -> Numbers:
    """The entries and number words of `numbers.toml`."""
    path = "numbers.toml"
    file = data.read(path, problems)
    macros = dict(text_items(table(file.get("macro"))))
    entries: list[_Entry] = []
    for at, entry in enumerate(texts(file.get("reading")), start=1):
        try:
            entries.append(_entry(table(entry), macros))
        except (ValueError, KeyError, re.error, RecursionError) as wrong:
            problems.append(f"{path}: reading {at}: {wrong}")
    words = {word: float(value) for value, some in text_items(table(file.get("words"))) for word in fold(some).split()}
    return Numbers(tuple(entries), words)


def _entry(values: Table, macros: Mapping[str, str]) -> _Entry:
    def compiled(key: str, end: str = "") -> re.Pattern[str] | None:
        source = values.get(key)
        if source is None:
            return None
        expanded = str(source)
        while _MACRO.search(expanded):
            expanded = _MACRO.sub(lambda name: f"(?:{macros[name.group(1)]})", expanded)
        if key == "unless_after" or key == "around":
            expanded = re.sub(r"\(\?P<\w+>", "(?:", expanded)
        return re.compile(f"(?:{expanded}){end}")

    quantity = str(values["quantity"])
    if quantity not in QUANTITIES:
        raise ValueError(f"{quantity!r} is no quantity")
    return _Entry(
        quantity=quantity,
        least=float(str(values["min"])),
        most=float(str(values["max"])),
        scale=float(str(values.get("scale", 1))),
        fahrenheit=values.get("fahrenheit") is True,
        decimal=values.get("decimal") is True,
        before=compiled("before", "$"),
        after=compiled("after"),
        around=compiled("around"),
        unless_after=compiled("unless_after"),
    )
