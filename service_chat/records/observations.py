"""Vital signs and laboratory values as other systems write them: many codes for one thing, units of many kinds. Pure.

Used by both mappings. A vital sign gets one name, one unit and bounds of what a living body can show; outside them it
is a slip of the pen, and the one before it counts. A laboratory value keeps its unit: which one it is stands beside it.
Of each name the newest value is kept.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from service_chat.records.ports import Observation


@dataclass(frozen=True, slots=True)
class Reading:
    """One number as it was found."""

    name: str
    loincs: tuple[str, ...]  #: every code it carries; the first is the one it is known by
    value: float
    unit: str
    taken_at: datetime  #: UTC
    vital: bool  #: what its own system called it
    comparator: str = ""


@dataclass(frozen=True, slots=True)
class Vital:
    name: str
    unit: str  #: UCUM
    loincs: tuple[str, ...]  #: the first is the one that is kept
    low: float
    high: float
    #: Lower-case unit → factor and offset: value * factor + offset is in `unit`.
    units: Mapping[str, tuple[float, float]]


_MMHG = {"mm[hg]": (1.0, 0.0), "mmhg": (1.0, 0.0), "mm hg": (1.0, 0.0), "kpa": (7.50062, 0.0)}
_PER_MINUTE = dict.fromkeys(
    ("/min", "1/min", "min-1", "bpm", "{beats}/min", "beats/min", "beats/minute", "{breaths}/min", "breaths/min",
     "breaths/minute", "per minute"), (1.0, 0.0)
)  # fmt: skip
_CELSIUS = dict.fromkeys(("cel", "c", "degc", "°c", "deg c", "celsius"), (1.0, 0.0))
_FAHRENHEIT = dict.fromkeys(("[degf]", "f", "degf", "°f", "deg f", "fahrenheit"), (1 / 1.8, -32 / 1.8))
_POUNDS = dict.fromkeys(("[lb_av]", "lb", "lbs", "[lb_us]", "pound", "pounds"), (0.45359237, 0.0))
_INCHES = dict.fromkeys(("[in_i]", "in", "in.", "inch", "inches", "[in_us]"), (2.54, 0.0))
_PERCENT = {"%": (1.0, 0.0), "percent": (1.0, 0.0), "1": (100.0, 0.0), "{fraction}": (100.0, 0.0)}

VITALS: tuple[Vital, ...] = (
    Vital("Systolic blood pressure", "mm[Hg]", ("8480-6", "8459-0", "8460-8", "8461-6", "76534-7", "8479-8"), 30, 330,
          _MMHG),
    Vital("Diastolic blood pressure", "mm[Hg]", ("8462-4", "8453-3", "8454-1", "8455-8", "76535-4"), 10, 220, _MMHG),
    Vital("Heart rate", "/min", ("8867-4", "8889-8", "8893-0", "68999-2", "76282-3"), 15, 350, _PER_MINUTE),
    Vital("Respiratory rate", "/min", ("9279-1", "19840-8", "76270-8"), 3, 120, _PER_MINUTE),
    Vital("Body temperature", "Cel", ("8310-5", "8331-1", "8332-9", "8333-7", "8328-7", "8334-5", "75539-7", "8329-5",
          "76011-6", "91371-5"), 25, 45, {**_CELSIUS, **_FAHRENHEIT, "k": (1.0, -273.15)}),
    Vital("Oxygen saturation", "%", ("59408-5", "2708-6", "2710-2", "20564-1"), 30, 100, _PERCENT),
    Vital("Body weight", "kg", ("29463-7", "3141-9", "3142-7", "8335-2", "8341-0"), 0.2, 500,
          {"kg": (1.0, 0.0), "g": (0.001, 0.0), **_POUNDS, "[oz_av]": (0.0283495, 0.0), "[stone_av]": (6.35029, 0.0)}),
    Vital("Body height", "cm", ("8302-2", "8306-3", "8308-9", "3137-7"), 20, 260,
          {"cm": (1.0, 0.0), "m": (100.0, 0.0), "mm": (0.1, 0.0), **_INCHES, "[ft_i]": (30.48, 0.0)}),
    Vital("Body mass index", "kg/m2", ("39156-5",), 5, 150, {"kg/m2": (1.0, 0.0), "kg/m^2": (1.0, 0.0)}),
)  # fmt: skip
_BY_LOINC = {loinc: vital for vital in VITALS for loinc in vital.loincs}
#: Units that vitals come without, found out by what is possible: 98.6 is no temperature in degrees Celsius.
_GUESSES = {"Body temperature": ("cel", "[degf]"), "Oxygen saturation": ("%", "1")}

#: The newest, and the one before it: it says where the newest is going.
_MOST_OF_A_LAB = 2
#: Percentiles: a rank among other children, not a measurement of this one.
_NOT_READ = frozenset({"8289-1", "77606-2", "59576-9", "8303-0", "8336-0"})
#: Names that patients' letters use, for codes whose own name is a sentence.
_SHORT: Mapping[str, str] = {
    **dict.fromkeys(("33914-3", "48642-3", "48643-1", "62238-1", "88293-6", "98979-8", "69405-9"), "eGFR"),
    "4548-4": "Hemoglobin A1c",
    "6301-6": "INR",
    "34714-6": "INR",
}
_QUALIFIED = re.compile(r"^(.+?) \[[^\]]+\](?: by Automated count| - Reported.*)?$")
_LOINC_NAME = re.compile(r"^(.+?) \[[^\]]+\] (?:in|of) (Serum or Plasma|Serum|Plasma|Blood|Urine)\b")


def known_vital(loincs: Iterable[str]) -> Vital | None:
    return next((_BY_LOINC[loinc] for loinc in loincs if loinc in _BY_LOINC), None)


def sorted_out(readings: Iterable[Reading]) -> tuple[tuple[Observation, ...], tuple[Observation, ...]]:
    """Vital signs, the newest of each name, and laboratory values, the newest two of each; newest first."""
    vitals: dict[str, list[Observation]] = defaultdict(list)
    labs: dict[str, list[Observation]] = defaultdict(list)
    for reading in readings:
        if _NOT_READ.intersection(reading.loincs):
            continue
        known = known_vital(reading.loincs)
        found = _vital(reading, known) if known is not None else _as_named(reading)
        if found is not None:
            kept = vitals if known is not None or reading.vital else labs
            kept[found.name.casefold()].append(found)
    return _newest(vitals, 1), _newest(labs, _MOST_OF_A_LAB)


def _newest(found: Mapping[str, Iterable[Observation]], most: int) -> tuple[Observation, ...]:
    kept: list[Observation] = []
    for values in found.values():
        # Equal moments are decided by the value: the order in which a server sends them decides nothing.
        by_moment = {
            each.taken_at: each for each in sorted(values, key=lambda each: (each.value, each.unit, each.loinc or ""))
        }
        kept += sorted(by_moment.values(), key=lambda each: each.taken_at, reverse=True)[:most]
    by_name = sorted(kept, key=lambda each: each.name)
    return tuple(sorted(by_name, key=lambda each: each.taken_at, reverse=True))


def _vital(reading: Reading, vital: Vital) -> Observation | None:
    """In its own unit; None when the unit is none of its own or the value can not be."""
    unit = reading.unit.strip().lower()
    tried = [unit] if unit else list(_GUESSES.get(vital.name, (vital.unit.lower(),)))
    for each in tried:
        if each in vital.units:
            factor, offset = vital.units[each]
            value = round(reading.value * factor + offset, 2)
            if vital.low <= value <= vital.high:
                return Observation(vital.name, value, vital.unit, reading.taken_at, vital.loincs[0], reading.comparator)
    return None


def _as_named(reading: Reading) -> Observation | None:
    name = short_name(reading.name, reading.loincs)
    loinc = reading.loincs[0] if reading.loincs else None
    if not name:
        return None
    return Observation(name, reading.value, reading.unit, reading.taken_at, loinc, reading.comparator)


def short_name(name: str, loincs: Iterable[str]) -> str:
    """`Creatinine [Mass/volume] in Serum or Plasma` is Creatinine: blood and serum carry codes of their own for one
    question, and the newer answer counts. What is in urine stays so."""
    for loinc in loincs:
        if loinc in _SHORT:
            return _SHORT[loinc]
    match = _LOINC_NAME.match(name)
    if match is None:
        qualified = _QUALIFIED.match(name)
        return qualified[1] if qualified else name
    return f"{match[1]} in urine" if match[2] == "Urine" else match[1]
