"""Whether somebody is pregnant: the newest statement counts, and none counts for ever."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.records.ports import Condition, ConditionKind, Pregnancy, Sex
from service_chat.records.pregnancy import Evidence, Found, is_pregnancy, pregnancy_of

TODAY = date(2026, 11, 21)
BORN = date(1996, 1, 1)


def found(*conditions: Condition, sex: Sex = Sex.FEMALE, born: date | None = BORN, **evidence: object) -> Found:
    said = Evidence()
    for name, value in evidence.items():
        setattr(said, name, value)
    return pregnancy_of(sex, born, conditions, said, TODAY)


@pytest.mark.parametrize(
    ("display", "code", "expected"),
    [
        ("Normal pregnancy", "72892002", True),
        ("Antepartum eclampsia", "198992004", True),
        ("Gestational diabetes mellitus", "", True),
        ("anything", "O13.3", True),
        ("anything", "Z3A.28", True),
        ("Past pregnancy history of miscarriage", "", False),
        ("Miscarriage in first trimester", "19169002", False),
        ("Not pregnant", "", False),
        ("Pregnancy test negative", "", False),
        ("anything", "O80", False),
        ("anything", "O03.9", False),
        ("Postpartum depression", "", False),
    ],
)
def test_names_and_codes_of_a_pregnancy(display: str, code: str, expected: bool) -> None:
    assert is_pregnancy(Condition(display, code)) is expected


def test_history_is_no_pregnancy() -> None:
    assert not is_pregnancy(Condition("Pregnancy", "77386006", kind=ConditionKind.HISTORY))


def test_a_pregnancy_that_nobody_closed_is_over_after_ten_months() -> None:
    fresh = found(Condition("Normal pregnancy", "72892002", date(2026, 4, 20)))
    assert (fresh.status, fresh.began) == (Pregnancy.PREGNANT, date(2026, 4, 20))
    assert found(Condition("Normal pregnancy", "72892002", date(2024, 4, 20))).status is Pregnancy.NOT_RECORDED


def test_a_pregnancy_that_ended_is_none_for_a_while() -> None:
    ended = Condition("Normal pregnancy", "72892002", date(2026, 1, 1), date(2026, 10, 1))
    assert found(ended).status is Pregnancy.NOT_PREGNANT
    long_ago = Condition("Normal pregnancy", "72892002", date(2025, 1, 1), date(2025, 10, 1))
    assert found(long_ago).status is Pregnancy.NOT_RECORDED


def test_the_newest_statement_counts() -> None:
    pregnant, later = Condition("Pregnancy", "", date(2026, 6, 1)), date(2026, 11, 1)
    assert found(pregnant, statements=[(later, False)]).status is Pregnancy.NOT_PREGNANT
    assert found(pregnant, statements=[(date(2026, 5, 1), False)]).status is Pregnancy.PREGNANT


def test_weeks_are_counted_by_the_best_means_there_is() -> None:
    condition = Condition("Pregnancy", "Z3A.20", date(2026, 10, 10))
    by_code = found(condition)
    assert by_code.began == date(2026, 10, 10) - timedelta(weeks=20)
    by_weeks = found(condition, gestation=[(date(2026, 11, 1), 24.0)])
    assert by_weeks.began == date(2026, 11, 1) - timedelta(weeks=24)
    by_due_day = found(condition, gestation=[(date(2026, 11, 1), 24.0)], due=[(date(2026, 9, 1), date(2027, 2, 1))])
    assert by_due_day.began == date(2027, 2, 1) - timedelta(days=280)


@pytest.mark.parametrize(
    ("sex", "born", "expected"),
    [
        (Sex.MALE, BORN, Pregnancy.NOT_PREGNANT),
        (Sex.FEMALE, BORN, Pregnancy.NOT_RECORDED),
        (Sex.FEMALE, None, Pregnancy.NOT_RECORDED),
        (Sex.UNKNOWN, None, Pregnancy.NOT_RECORDED),
        (Sex.FEMALE, date(2020, 2, 29), Pregnancy.NOT_PREGNANT),
        (Sex.FEMALE, date(1950, 1, 1), Pregnancy.NOT_PREGNANT),
    ],
)
def test_where_nothing_was_said_only_who_can_not_be_is_not(sex: Sex, born: date | None, expected: Pregnancy) -> None:
    assert found(sex=sex, born=born).status is expected


def test_a_girl_is_asked_again_when_she_grows_up() -> None:
    assert found(born=date(2016, 5, 5)).holds_until == date(2028, 5, 4)


@given(st.dates(date(2020, 1, 1), TODAY), st.dates(date(2020, 1, 1), TODAY))
def test_weeks_are_never_negative_and_never_beyond_what_a_pregnancy_lasts(onset: date, said: date) -> None:
    told = found(Condition("Pregnancy", "", onset), statements=[(said, True)])
    if told.began is not None:
        assert 0 <= (TODAY - told.began).days <= 44 * 7
