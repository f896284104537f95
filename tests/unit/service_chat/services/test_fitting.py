import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.records.ports import Allergy, Medication
from service_chat.safety.values import Acuity, Flag, Floor, RedFlag
from service_chat.services.context import context_of
from service_chat.services.fitting import GAP, Budget, fit, fit_query, least_context, spans_of, whole
from service_chat.services.record_items import Tier
from service_chat.services.token_estimate import estimate_tokens
from tests.unit.service_chat.services.full_records import DAY, RECORD, longest_record

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "50"))
CONTEXT = context_of(RECORD)
LONG = context_of(longest_record())


def test_what_fits_stays_whole_and_nothing_is_reported() -> None:
    fitted = fit(CONTEXT, "What now?")
    assert fitted.kept == CONTEXT.items
    assert (fitted.query, fitted.truncated) == ("What now?", ())
    assert fitted.record == whole(CONTEXT)
    for item in CONTEXT.items:
        assert f"[{item.id}] {item.text}" in fitted.record


def test_the_longest_record_of_the_predecessor_fits() -> None:
    record = longest_record()
    written = sum(len(visit.notes) for visit in record.encounters) + sum(len(each.text) for each in record.documents)
    assert written > 24_000
    fitted = fit(LONG, "What now?")
    assert estimate_tokens(fitted.record) <= Budget().record
    assert fitted.truncated[:2] == ("documents", "encounters")


def test_things_leave_in_the_order_that_is_written_down() -> None:
    reported: list[str] = []
    for tokens in range(1500, 0, -10):
        left_out = fit(CONTEXT, "", Budget(record=tokens)).truncated
        reported += [name for name in reversed(left_out) if name not in reported]
    assert reported[:6] == [
        "documents",
        "encounters",
        "old_labs",
        "resolved_conditions",
        "social_findings",
        "current_findings",
    ]


@settings(max_examples=EXAMPLES)
@given(
    tokens=st.integers(0, 3000),
    drugs=st.integers(0, 40),
    allergies=st.integers(0, 20),
)
def test_allergies_drugs_and_pregnancy_never_leave(tokens: int, drugs: int, allergies: int) -> None:
    record = replace(
        RECORD,
        medications=tuple(Medication(f"Drug{n}", "twice a day " * (n % 7), DAY) for n in range(drugs)),
        allergies=tuple(Allergy(f"Substance {n}", "rash") for n in range(allergies)),
    )
    fitted = fit(context_of(record), "What now?", Budget(record=tokens))
    for medication in record.medications:
        assert medication.name in fitted.record
    for allergy in record.allergies:
        assert allergy.substance in fitted.record
    assert "Pregnant: yes" in fitted.record


@settings(max_examples=EXAMPLES)
@given(tokens=st.integers(0, 2500))
def test_a_record_never_takes_more_than_its_share_but_for_what_never_leaves(tokens: int) -> None:
    for context in (CONTEXT, LONG):
        fitted = fit(context, "", Budget(record=tokens))
        if any(item.tier is not Tier.ALWAYS for item in fitted.kept):
            assert estimate_tokens(fitted.record) <= tokens


def test_only_what_is_shown_can_be_cited() -> None:
    fitted = fit(LONG, "", Budget(record=800))
    assert 0 < len(fitted.kept) < len(LONG.items)
    for item in LONG.items:
        assert (f"[{item.id}]" in fitted.record) == (item in fitted.kept)


def test_what_is_shown_of_a_record_does_not_depend_on_the_question() -> None:
    assert fit(LONG, "One?").record == fit(LONG, "Another and a longer one? " * 300).record


def test_details_leave_before_names() -> None:
    fitted = fit(CONTEXT, "", Budget(record=40))
    assert "Warfarin 5 MG Oral Tablet" in fitted.record
    assert "in the evening" not in fitted.record
    assert "details" in fitted.truncated


@settings(max_examples=EXAMPLES)
@given(
    before=st.integers(0, 120),
    after=st.integers(0, 120),
    filler=st.sampled_from(["I slept badly and then it rained.", "मैं कल बाजार गया था।", "昨日はよく眠れませんでした。"]),
)
def test_a_sentence_that_matters_is_never_left_out_of_a_long_question(before: int, after: int, filler: str) -> None:
    hit = "Now my chest feels crushed."
    query = " ".join([filler] * before + [hit] + [filler] * after)
    start = query.index(hit)
    words, cut = fit_query(query, 300, hits=[(start, start + len(hit))])
    assert hit in words
    assert estimate_tokens(words) <= 300
    assert cut == (estimate_tokens(query) > 300)


def test_of_a_long_question_the_beginning_and_the_end_stand() -> None:
    query = " ".join(f"Sentence number {n} of a long story." for n in range(200))
    words, cut = fit_query(query, 200)
    assert cut
    assert words.startswith("Sentence number 0 ")
    assert words.endswith("Sentence number 199 of a long story.")
    assert words.count(GAP) == 1
    assert "query" in fit(LONG, query, Budget(query=200)).truncated


def test_the_question_may_have_what_the_record_leaves() -> None:
    query = "It began on a Monday and then it went on. " * 80
    assert Budget().query < estimate_tokens(query) < 1700
    assert fit(CONTEXT, query).query == query
    fitted = fit(LONG, query)
    assert estimate_tokens(fitted.record) + estimate_tokens(fitted.query) <= Budget().record + Budget().query
    assert fitted.truncated[-1] == "query"


def test_a_question_without_blanks_is_cut_as_well() -> None:
    words, cut = fit_query("x" * 8000, 100)
    assert cut
    assert 0 < estimate_tokens(words) <= 100


def test_shares_of_another_context() -> None:
    assert Budget.of(4096) == Budget()
    small = Budget.of(2048)
    assert small.system + small.record + small.query + small.answer <= 2048
    assert Budget.of(256).record == 0


def test_a_second_attempt_is_as_much_shorter_as_the_first_was_too_long() -> None:
    second = Budget().shrunk(tokens=3600, room=3000)
    assert second.record < 1500 * (2400 / 3000)
    assert Budget().shrunk(tokens=1000, room=3000).record == pytest.approx(1500, abs=1)


def test_the_words_that_rules_fired_on_are_found_again() -> None:
    flag = RedFlag(Flag.CARDIAC, Acuity.EMERGENCY_NOW, "cardiac.x@1", "Chest", ("chest", "crushed", "not there"))
    floor = Floor(Acuity.EMERGENCY_NOW, (flag,), (), "en")
    assert spans_of("My chest feels crushed.", floor) == ((3, 8), (15, 22))


@pytest.mark.parametrize(
    ("text", "at_least"),
    [("", 0), ("a", 1), ("hydrochlorothiazide", 6), ("120/80", 6), ("胸が痛い", 4), ("ABCDEF", 3), ("a  b", 3)],
)
def test_the_guess_errs_upwards(text: str, at_least: int) -> None:
    assert estimate_tokens(text) >= at_least


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=60), st.text(max_size=60))
def test_more_text_never_has_fewer_tokens(first: str, second: str) -> None:
    assert estimate_tokens(first + "\n" + second) >= max(estimate_tokens(first), estimate_tokens(second))


@pytest.mark.parametrize("answer", [32, 256, 512, 4000])
def test_in_the_least_context_a_question_can_be_asked_about_the_largest_record(answer: int) -> None:
    budget = Budget.of(least_context(answer), answer)
    fitted = fit(LONG, "My knee hurts since Sunday, what can I do?", budget)
    assert "My knee hurts" in fitted.query
    assert budget.system + budget.record + budget.query + budget.answer <= least_context(answer)
    assert Budget.of(least_context(answer) - 200, answer).query == 0
