"""Whether somebody is pregnant, and since when: told by conditions and by observations, which age quickly. Pure.

Called by `assembly`. The newest statement counts and none counts for ever: a pregnancy that nobody closed is over
after ten months, and "not pregnant" says little after three. Where nothing was said it is not recorded, except of men,
of children under twelve and of women over fifty-five, as in the made-up records.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from service_chat.records.ports import Condition, ConditionKind, Pregnancy, Sex

_TERM = timedelta(days=280)
_LONGEST = timedelta(weeks=44)
_NO_HOLDS = timedelta(days=90)
_AGES = (12, 55)

_CODES = (
    "77386006 72892002 47200007 237238006 16356006 65147003 79586000 34801009 198992004 398254007 46764007 41114007 "
    "11687002 48194001 237240001 314204000 29399001"
)
_SNOMED = frozenset(_CODES.split())
#: ICD-10: pregnant state, supervision, weeks of gestation, disorders of pregnancy; what ends it and comes after is not.
_ICD = re.compile(r"^(?:Z33\.?1|Z34|Z3A|O0[0129]|O1\d|O2\d|O3\d|O4[0-8]|O99)", re.IGNORECASE)
_ICD_WEEKS = re.compile(r"^Z3A\.?(\d\d)", re.IGNORECASE)
_WORDS = re.compile(r"\b(?:pregnan\w*|antepartum|gestational|gravid)\b", re.IGNORECASE)
#: Names that hold such a word and mean no pregnancy of today.
_NOT_NOW = re.compile(
    r"\b(?:history|past|previous|ended|not|no|post|postpartum|test|miscarriage|abortion|terminat\w*|plan(?:s|ned|ning)?|"
    r"prevent\w*|desires?|trying|fear|risk of|age newborn)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Evidence:
    """What observations say; each with the day on which it was true."""

    statements: list[tuple[date, bool]] = field(default_factory=list)
    due: list[tuple[date, date]] = field(default_factory=list)  #: (said on, expected day of birth)
    last_period: list[tuple[date, date]] = field(default_factory=list)  #: (said on, its first day)
    gestation: list[tuple[date, float]] = field(default_factory=list)  #: (said on, weeks)


@dataclass(frozen=True, slots=True)
class Found:
    status: Pregnancy
    began: date | None = None  #: day 0, by the last period
    holds_until: date | None = None


def is_pregnancy(condition: Condition) -> bool:
    if condition.kind is ConditionKind.HISTORY:
        return False
    if condition.code in _SNOMED or _ICD.match(condition.code):
        return True
    return bool(_WORDS.search(condition.display)) and not _NOT_NOW.search(condition.display)


def pregnancy_of(
    sex: Sex, born: date | None, conditions: Iterable[Condition], evidence: Evidence, today: date
) -> Found:
    """As of `today`. Days that lie in the future say nothing yet."""
    about = [condition for condition in conditions if is_pregnancy(condition)]
    said = [(day, yes) for day, yes in evidence.statements if day <= today]
    said += [(condition.onset or today, True) for condition in about if condition.active]
    said += [(condition.resolved, False) for condition in about if condition.resolved]
    # That somebody dates a pregnancy says that there is one.
    said += [(day, True) for day, _ in (*evidence.due, *evidence.gestation) if day <= today]
    newest = max((day for day, _ in said), default=None)
    if newest is None:
        return _unsaid(sex, born, today)
    if not any(yes for day, yes in said if day == newest):
        holds = newest + _NO_HOLDS
        return Found(Pregnancy.NOT_PREGNANT, None, holds) if today <= holds else _unsaid(sex, born, today)
    began = _day_zero(about, evidence, today)
    holds = (began or newest) + _LONGEST
    return Found(Pregnancy.PREGNANT, began, holds) if today <= holds else _unsaid(sex, born, today)


def _unsaid(sex: Sex, born: date | None, today: date) -> Found:
    if sex is Sex.MALE:
        return Found(Pregnancy.NOT_PREGNANT)
    if born is not None:
        youngest, oldest = _birthday(born, _AGES[0]), _birthday(born, _AGES[1] + 1)
        if today < youngest:
            return Found(Pregnancy.NOT_PREGNANT, None, youngest - timedelta(days=1))
        if today >= oldest:
            return Found(Pregnancy.NOT_PREGNANT)
    return Found(Pregnancy.NOT_RECORDED)


def _day_zero(about: Iterable[Condition], evidence: Evidence, today: date) -> date | None:
    """By the best means that this pregnancy has: due day, weeks told, last period, the onset of the condition.

    The onset comes after day 0, so weeks counted from it are too few rather than too many.
    """
    onsets = [(condition.onset, condition.code) for condition in about if condition.onset and condition.active]
    weeks_coded = [(day, int(match[1])) for day, code in onsets if (match := _ICD_WEEKS.match(code))]
    ways = (
        [(day, due - _TERM) for day, due in evidence.due],
        [(day, day - timedelta(days=round(weeks * 7))) for day, weeks in evidence.gestation],
        [(day, day - timedelta(weeks=weeks)) for day, weeks in weeks_coded],
        evidence.last_period,
    )
    for way in ways:
        likely = [(day, zero) for day, zero in way if day <= today and zero <= today <= zero + _LONGEST]
        if likely:
            return max(likely)[1]
    # Of the conditions the first: eclampsia comes late in what began long before.
    return min((day for day, _ in onsets if day <= today <= day + _LONGEST), default=None)


def _birthday(born: date, age: int) -> date:
    try:
        return born.replace(year=born.year + age)
    except ValueError:  # the 29th of February
        return date(born.year + age, 3, 1)
