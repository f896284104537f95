"""The fixed words of an answer: how urgent, whom to call, what to notice, what to ask. Never written by a model.

`data/templates/<language>.toml` has them, with the same keys in every language; `data/regions.toml` the numbers to
call. The service and its doors ask here. A language that has no file, or lacks a key, is answered in English; a region
that is not known gets 112, which mobile networks connect almost everywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service_chat.safety.packaged import Packaged, Table, refuse, table, text_items
from service_chat.safety.values import Acuity, Notice

ENGLISH: Final = "en"
DEFAULT_REGION: Final = "EU"
SECTIONS: Final = ("acuity", "crisis", "notice", "question", "flag")
#: Digits of the shortest line for people in despair.
_SHORTEST: Final = 3
_PLACEHOLDER = re.compile(r"\{[^}]*\}")
#: Sentences of every script, with what ends them.
_SENTENCE = re.compile(r"[^.!?\u3002\uff01\uff1f\u0964\u061f]*(?:[.!?\u3002\uff01\uff1f\u0964\u061f]+\s*|$)")


@dataclass(frozen=True, slots=True)
class Region:
    """Whom to call somewhere."""

    code: str  #: ISO 3166 alpha-2, or EU
    emergency: str  #: a number that a phone can dial
    crisis: str | None  #: a line for people in despair, with its name

    @property
    def numbers(self) -> "tuple[PhoneNumber, ...]":
        said = (self.emergency, *([self.crisis] if self.crisis is not None else []))
        return tuple(PhoneNumber(label, _dialled(label)) for label in said)


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number to call, for who wants to link it."""

    label: str  #: as fixed words say it, a line's name included
    number: str  #: what a phone dials: digits


class Templates:
    """Fixed sentences in every language, and the numbers to put into them."""

    def __init__(self, texts: Mapping[str, Mapping[str, Mapping[str, str]]], regions: Mapping[str, Region]) -> None:
        self._texts = texts
        self._regions = regions

    @classmethod
    def load(cls) -> "Templates":
        """
        Raises:
            RulesError: a file, a key or a placeholder is wrong; all of it is named.
        """
        problems: list[str] = []
        templates = cls.read(Packaged(), problems)
        refuse(problems)
        return templates

    @classmethod
    def read(cls, data: Packaged, problems: list[str]) -> "Templates":
        """What can be read; what can not goes to `problems`."""
        files = {language: data.read(f"templates/{language}.toml", problems) for language in data.names("templates")}
        texts = {
            language: {section: dict(text_items(table(file.get(section)))) for section in SECTIONS}
            for language, file in files.items()
        }
        english = texts.get(ENGLISH, {section: {} for section in SECTIONS})
        for language, sections in texts.items():
            for section in SECTIONS:
                problems.extend(_differences(language, section, sections[section], english[section]))
        problems.extend(_missing(english))
        regions = _read_regions(data.read("regions.toml", problems), problems)
        return cls(texts, regions)

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(self._texts)

    @property
    def questions(self) -> frozenset[str]:
        """Codes of the questions that there are words for."""
        return frozenset(self._texts.get(ENGLISH, {}).get("question", {}))

    @property
    def flags(self) -> Mapping[str, Mapping[str, str]]:
        """What each flag is called, by language: the labels of rules are in English only."""
        return {language: sections["flag"] for language, sections in self._texts.items()}

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(sorted(self._regions))

    def region(self, code: str | None) -> Region:
        """The numbers of a region; those of `DEFAULT_REGION` when it is not known."""
        return self._regions.get((code or "").upper()) or self._regions[DEFAULT_REGION]

    def acuity(self, acuity: Acuity, language: str, region: str | None) -> str:
        """What to do, said once and plainly."""
        return self._say("acuity", acuity.code, language, region)

    def crisis(self, code: str, language: str, region: str | None) -> str:
        """For people in danger from themselves or others: `self_harm`, `self_harm_now`, `no_doses`, `violence`."""
        return self._say("crisis", code, language, region)

    def notice(self, notice: Notice | str, language: str, region: str | None) -> str:
        return self._say("notice", str(notice), language, region)

    def question(self, code: str, language: str) -> str:
        return self._say("question", code, language, None)

    def emergency_number(self, region: str | None) -> PhoneNumber:
        return self.region(region).numbers[0]

    def numbers(self, text: str, region: str | None) -> tuple[PhoneNumber, ...]:
        """Those of the region that stand in `text`, which is one of ours, the emergency number first."""
        return tuple(number for number in self.region(region).numbers if number.label in text)

    def _say(self, section: str, key: str, language: str, region: str | None) -> str:
        """
        Raises:
            KeyError: English has no such key; a defect of ours.
        """
        words = self._texts.get(language, {}).get(section, {}).get(key) or self._texts[ENGLISH][section][key]
        place = self.region(region)
        if place.crisis is None and "{crisis}" in words:
            words = "".join(part for part in _SENTENCE.findall(words) if "{crisis}" not in part).strip()
        return words.replace("{number}", place.emergency).replace("{crisis}", place.crisis or "")


def _dialled(label: str) -> str:
    return "".join(sign for sign in label.split("(")[0] if sign in "0123456789")


def _differences(language: str, section: str, own: Mapping[str, str], english: Mapping[str, str]) -> list[str]:
    where = f"templates/{language}.toml: {section}"
    problems = [f"{where}.{key}: is missing" for key in sorted(english.keys() - own.keys())]
    problems += [f"{where}.{key}: English has no such key" for key in sorted(own.keys() - english.keys())]
    for key in sorted(own.keys() & english.keys()):
        if set(_PLACEHOLDER.findall(own[key])) != set(_PLACEHOLDER.findall(english[key])):
            problems.append(f"{where}.{key}: has other placeholders than English")
        if not own[key].strip():
            problems.append(f"{where}.{key}: is empty")
    return problems


def _missing(english: Mapping[str, Mapping[str, str]]) -> list[str]:
    wanted = [("acuity", acuity.code) for acuity in Acuity] + [("notice", notice.value) for notice in Notice]
    wanted += [("crisis", code) for code in ("self_harm", "self_harm_now", "no_doses", "violence")]
    return [f"templates/en.toml: {section}.{key}: is missing" for section, key in wanted if key not in english[section]]


def _read_regions(file: Table, problems: list[str]) -> dict[str, Region]:
    regions: dict[str, Region] = {}
    for code, entry in file.items():
        values = dict(text_items(table(entry)))
        if not values.get("emergency", "").replace(" ", "").isdigit():
            problems.append(f"regions.toml: {code}: emergency is one number that a phone can dial")
            continue
        if not values.get("source", "").startswith("https://"):
            problems.append(f"regions.toml: {code}: source is the https address of a public page")
        if "crisis" in values and len(_dialled(values["crisis"])) < _SHORTEST:
            problems.append(f"regions.toml: {code}: crisis begins with a number that a phone can dial")
        regions[code] = Region(code, values["emergency"], values.get("crisis"))
    if DEFAULT_REGION not in regions:
        problems.append(f"regions.toml: {DEFAULT_REGION}: is missing")
    return regions
