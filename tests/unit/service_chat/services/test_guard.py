"""The rules as the triage use case asks for them: what is settled before a model is thought of."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.records.ports import AllergyStatus, Pregnancy
from service_chat.safety.values import Acuity, Flag, Floor, RedFlag
from service_chat.services.guard import needs_no_model
from tests.fakes.answers import QUIET, guard
from tests.unit.service_chat.services.full_records import RECORD

GUARD = guard()
CRISES = {Flag.SELF_HARM, Flag.MENTAL_HEALTH_CRISIS, Flag.VIOLENCE_ABUSE}
flags = st.builds(
    RedFlag, st.sampled_from(Flag), st.sampled_from(Acuity), st.just("a.b@1"), st.just("A label"), st.just(("x",))
)


@pytest.mark.parametrize(
    "said",
    [
        "I have crushing chest pain and my left arm is numb.",
        "I want to kill myself and I have the pills here.",
        "I don't want to be alive anymore.",
        "My husband is abusing me.",
    ],
)
def test_what_is_answered_in_fixed_words_needs_no_model(said: str) -> None:
    floor = GUARD.of_text(GUARD.hear(said))
    assert needs_no_model(floor)
    assert GUARD.notice(floor)


@pytest.mark.parametrize("said", ["What now?", "I have had a severe headache since yesterday.", "Is my INR too high?"])
def test_what_is_left_may_be_put_to_one(said: str) -> None:
    assert not needs_no_model(GUARD.of_text(GUARD.hear(said)))


@given(st.lists(flags, max_size=3), st.sampled_from(Acuity))
def test_a_model_is_never_needed_in_an_emergency_or_a_crisis_and_never_left_out_elsewhere(
    fired: list[RedFlag], acuity: Acuity
) -> None:
    floor = Floor(max([acuity, *(flag.acuity for flag in fired)]), tuple(fired), (), "en")
    fixed = floor.acuity >= Acuity.EMERGENCY or not CRISES.isdisjoint(flag.flag for flag in fired)
    assert needs_no_model(floor) is fixed


def test_the_record_adds_to_what_the_question_says_and_takes_nothing_away() -> None:
    query = "Can I take ibuprofen?"
    alone, known = GUARD.of_text(GUARD.hear(query)), GUARD.of_record(GUARD.hear(query), RECORD)
    unmedicated = replace(RECORD, medications=(), allergies=(), allergy_status=AllergyStatus.NONE_KNOWN)
    assert known.acuity > alone.acuity
    assert (
        known.acuity
        > GUARD.of_record(
            GUARD.hear(query), replace(unmedicated, pregnancy=Pregnancy.NOT_PREGNANT, gestation_weeks=None)
        ).acuity
    )
    assert any("Warfarin" in item for flag in known.flags for item in flag.record)


def test_an_error_tells_the_floor_each_kind_of_danger_once_and_the_notice() -> None:
    floor = GUARD.of_text(GUARD.hear("I have crushing chest pain and my left arm is numb."))
    told = GUARD.told(floor)
    assert told["acuity_floor"] == floor.acuity.code
    assert told["emergency_notice"] == GUARD.notice(floor)
    assert told["emergency_numbers"] == [{"label": "911", "number": "911"}]
    codes = told["red_flags"]
    assert isinstance(codes, list)
    assert sorted(set(codes)) == sorted(codes)
    assert "cardiac" in codes


def test_an_error_tells_nothing_where_no_rule_fired() -> None:
    assert GUARD.told(QUIET) == {}
    assert GUARD.notice(QUIET) is None
