import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from scripts.evaluation import __main__ as command
from scripts.evaluation import semigran
from scripts.evaluation.figures import (
    EMERGENCY_RECALL,
    FLAG_RECALL,
    OVERSHOOT,
    Outcomes,
    broken_orders,
    figures,
    grouped,
    misses,
    regressions,
)
from scripts.evaluation.outcomes import Answerer, NoAnswer, Outcome
from scripts.evaluation.report import report
from scripts.evaluation.service import ServiceAnswers
from scripts.evaluation.vignettes import BadVignette, Patient, Vignette, load, read
from service_chat.records.ports import AllergyStatus, Pregnancy
from service_chat.records.sqlite import read_patient
from service_chat.records.sqlite_file import connect
from service_chat.safety.values import Acuity, Flag, Notice

LANGUAGES = ("es", "fr", "de", "pt", "it", "zh", "ar", "hi", "ru", "pl", "ja")
TODAY = date(2026, 6, 30)


def line(**changes: object) -> str:
    plain: dict[str, object] = {
        "id": "one-001",
        "class": "one",
        "language": "en",
        "text": "my chest hurts",
        "acuity_min": "emergency",
        "acuity_max": None,
        "flags": [],
        "flags_not": [],
        "notes": "",
    }
    return json.dumps({**plain, **changes})


def vignette(**changes: object) -> Vignette:
    return read(line(**changes), "test")


def said(acuity: Acuity, *flags: Flag) -> Outcome:
    return Outcome(acuity, frozenset(flags))


def perfect(vignettes: tuple[Vignette, ...]) -> Outcomes:
    """What a triage without a fault would say."""
    return {
        v.id: Outcome(v.acuity_min or Acuity.INFORMATIONAL, frozenset(v.flags), frozenset(v.notices)) for v in vignettes
    }


# The set itself


@pytest.fixture(scope="module")
def ours() -> tuple[Vignette, ...]:
    return load()


def test_the_set_is_large_and_holds_every_danger_more_than_once(ours: tuple[Vignette, ...]) -> None:
    assert len(ours) >= 330
    fired = Counter(flag for v in ours for flag in v.flags)
    assert [flag.value for flag in Flag if fired[flag] < 3] == []


def test_every_language_has_emergencies_and_mild_complaints(ours: tuple[Vignette, ...]) -> None:
    for language in LANGUAGES:
        written = [v for v in ours if v.language == language]
        assert len(written) >= 12, language
        assert sum(v.acuity_max is not None for v in written) >= 3, language
        assert sum(v.emergency for v in written) >= 8, language


def test_the_harmless_are_many_enough_to_tell_five_percent(ours: tuple[Vignette, ...]) -> None:
    assert sum(v.acuity_max is not None for v in ours) >= 100


def test_no_text_stands_twice_but_where_the_record_makes_the_difference(ours: tuple[Vignette, ...]) -> None:
    texts = Counter(v.text for v in ours if v.pair is None)
    assert [text for text, count in texts.items() if count > 1] == []


def test_a_triage_without_a_fault_breaks_no_bound(ours: tuple[Vignette, ...]) -> None:
    assert regressions(ours, [perfect(ours)] * 3) == []


def test_a_triage_that_sends_everybody_to_hospital_breaks_one(ours: tuple[Vignette, ...]) -> None:
    alarm = {v.id: Outcome(Acuity.EMERGENCY_NOW, frozenset(Flag)) for v in ours}
    assert any("above their maximum" in told for told in regressions(ours, [alarm]))


# Reading


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"acuity_min": "critical"}, "critical"),
        ({"acuity_min": 4}, "is no acuity"),
        ({"flags": ["heart"]}, "flags"),
        ({"acuity_min": None}, "any answer would do"),
        ({"acuity_max": "routine"}, "above"),
        ({"flags": ["cardiac"], "flags_not": ["cardiac"]}, "must fire and must not"),
        ({"text": ""}, "text"),
        ({"severity": 3}, "severity"),
        ({"patient": {"age": 40}}, "age"),
    ],
)
def test_a_vignette_that_says_nothing_clear_is_refused_with_its_place(changes: dict[str, object], why: str) -> None:
    with pytest.raises(BadVignette, match=why) as refused:
        read(line(**changes), "file.jsonl:7")
    assert str(refused.value).startswith("file.jsonl:7")


def test_two_vignettes_never_share_an_id(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line() + "\n" + line() + "\n")
    with pytest.raises(BadVignette, match=r"a\.jsonl:2: there is another one-001"):
        load(tmp_path)


def test_a_folder_without_vignettes_is_an_error_and_no_perfect_score(tmp_path: Path) -> None:
    with pytest.raises(BadVignette, match="no vignette"):
        load(tmp_path)


def test_the_record_of_a_vignette_says_what_is_known_and_nothing_else() -> None:
    patient = {
        "age_years": 0.5,
        "sex": "F",
        "conditions": ["Asthma"],
        "medications": ["Salbutamol"],
        "new_medications": ["Amoxicillin"],
        "allergies": ["Latex"],
    }
    record = vignette(patient=patient).record(TODAY)
    assert record.mrn == "one-001"
    assert record.birth_date is not None
    assert (TODAY - record.birth_date).days == 183
    assert record.pregnancy is Pregnancy.NOT_RECORDED
    assert [condition.active for condition in record.conditions] == [True]
    started = {drug.name: drug.started for drug in record.medications}
    assert started["Amoxicillin"] is not None
    assert started["Salbutamol"] is not None
    assert (TODAY - started["Amoxicillin"]).days < 30 < (TODAY - started["Salbutamol"]).days
    assert record.allergy_status is AllergyStatus.LISTED
    assert vignette().record(TODAY).allergy_status is AllergyStatus.NOT_RECORDED


# Counting


def test_figures_count_each_share_over_those_that_its_question_applies_to() -> None:
    both = (
        vignette(flags=["cardiac", "breathing"]),
        vignette(id="one-002", acuity_min=None, acuity_max="routine", flags_not=["cardiac"]),
        vignette(id="one-003", acuity_min="urgent"),
    )
    found = figures(
        both,
        {
            "one-001": said(Acuity.URGENT, Flag.CARDIAC),
            "one-002": said(Acuity.URGENT, Flag.CARDIAC),
            "one-003": said(Acuity.EMERGENCY),
        },
    )
    assert (found.under.part, found.under.whole) == (1, 2)
    assert (found.over.part, found.over.whole) == (1, 1)
    assert (found.emergencies.part, found.emergencies.whole) == (0, 1)
    assert (found.flags.part, found.flags.whole) == (1, 2)
    assert (found.false_flags.part, found.false_flags.whole) == (1, 1)
    assert found.missed == ()


def test_nothing_of_nothing_is_no_percentage() -> None:
    share = figures([vignette()], {"one-001": said(Acuity.EMERGENCY)}).over
    assert share.value is None
    assert str(share) == "-"


def test_groups_keep_the_order_in_which_they_come() -> None:
    several = (vignette(language="pl"), vignette(id="b-1", language="de"), vignette(id="c-1", language="pl"))
    found = grouped(several, {v.id: said(Acuity.EMERGENCY) for v in several}, lambda v: v.language)
    assert [(name, each.count) for name, each in found.items()] == [("pl", 2), ("de", 1)]


def test_misses_say_what_was_right() -> None:
    wanted = vignette(flags=["stroke"], flags_not=["clot"], notices=["privacy"])
    assert misses(wanted, said(Acuity.ROUTINE, Flag.CLOT)) == [
        "routine, at least emergency is right",
        "no flag stroke",
        "false flag clot",
        "no notice privacy",
    ]
    assert misses(wanted, Outcome(Acuity.EMERGENCY, frozenset({Flag.STROKE}), frozenset({Notice.PRIVACY}))) == []


# Judging


def many(count: int, **changes: object) -> tuple[Vignette, ...]:
    return tuple(vignette(id=f"one-{number:03d}", **changes) for number in range(count))


def answered(vignettes: tuple[Vignette, ...], wrong: int, bad: Outcome, good: Outcome) -> Outcomes:
    return {v.id: bad if number < wrong else good for number, v in enumerate(vignettes)}


def test_one_emergency_below_urgent_is_a_regression_whatever_the_share() -> None:
    set_of = many(500)
    runs = [answered(set_of, 1, said(Acuity.ROUTINE), said(Acuity.EMERGENCY))]
    assert regressions(set_of, runs) == ["one-000 is an emergency and was answered routine"]


@pytest.mark.parametrize(
    ("changes", "bound", "bad", "good"),
    [
        ({}, 1 - EMERGENCY_RECALL, said(Acuity.URGENT), said(Acuity.EMERGENCY)),
        ({"acuity_min": None, "acuity_max": "routine"}, OVERSHOOT, said(Acuity.URGENT), said(Acuity.ROUTINE)),
        (
            {"acuity_min": "urgent", "flags": ["stroke"]},
            1 - FLAG_RECALL,
            said(Acuity.URGENT),
            said(Acuity.URGENT, Flag.STROKE),
        ),
    ],
    ids=["emergency recall", "overshoot", "flag recall"],
)
def test_a_share_may_reach_its_bound_and_not_pass_it(
    changes: dict[str, object], bound: float, bad: Outcome, good: Outcome
) -> None:
    set_of = many(200, **changes)
    allowed = round(200 * bound)
    assert regressions(set_of, [answered(set_of, allowed, bad, good)]) == []
    assert len(regressions(set_of, [answered(set_of, allowed + 1, bad, good)])) == 1


@pytest.mark.parametrize("other", [said(Acuity.EMERGENCY_NOW), said(Acuity.EMERGENCY, Flag.CLOT)])
def test_a_run_that_answers_otherwise_is_a_regression(other: Outcome) -> None:
    set_of = many(2)
    first: Outcomes = {v.id: said(Acuity.EMERGENCY) for v in set_of}
    assert regressions(set_of, [first, first]) == []
    assert regressions(set_of, [first, {**first, "one-001": other}]) == [
        "run 2 answered 1 otherwise than run 1: one-001"
    ]


def test_a_record_that_changes_nothing_is_a_regression() -> None:
    pair = (vignette(pair="fever"), vignette(id="b-1", pair="fever", acuity_min=None, acuity_max="urgent"))
    assert broken_orders(pair, {"one-001": said(Acuity.EMERGENCY), "b-1": said(Acuity.ROUTINE)}) == []
    told = broken_orders(pair, {"one-001": said(Acuity.URGENT), "b-1": said(Acuity.URGENT)})
    assert told == ["pair fever: the record made no difference"]


@given(st.lists(st.sampled_from(list(Acuity)), min_size=3, max_size=3))
def test_a_plan_is_never_answered_below_a_thought(levels: list[Acuity]) -> None:
    ranked = tuple(vignette(id=f"s-{order}", order=order, acuity_min="urgent") for order in (1, 2, 3))
    outcomes = {v.id: said(level) for v, level in zip(ranked, levels, strict=True)}
    assert (broken_orders(ranked, outcomes) == []) == (levels == sorted(levels))


def test_the_report_shows_each_miss_and_ends_with_the_verdict() -> None:
    wanted = (vignette(text="che\u200bst"),)
    outcomes: Mapping[str, Outcome] = {"one-001": said(Acuity.ROUTINE)}
    lines = list(report(wanted, outcomes, "model off", ["something broke"]))
    assert "one-001: routine, at least emergency is right" in lines
    assert r"    che\u200bst" in lines
    assert lines[-2:] == ["REGRESSION: something broke", "1 regressions"]


# Asking a service


def service(answers: Callable[[httpx.Request], httpx.Response], slept: list[float]) -> ServiceAnswers:
    client = httpx.Client(base_url="http://service.test", transport=httpx.MockTransport(answers))
    return ServiceAnswers(client, slept.append)


def test_a_service_is_asked_about_the_vignettes_own_patient() -> None:
    asked: list[object] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        body = {"acuity": "emergency_now", "red_flags": [{"code": "cardiac", "label": "x"}], "notices": ["privacy"]}
        return httpx.Response(200, json=body)

    outcome = service(answers, []).answer(vignette())
    assert asked == [{"patient_mrn": "one-001", "query": "my chest hurts"}]
    assert outcome == Outcome(Acuity.EMERGENCY_NOW, frozenset({Flag.CARDIAC}), frozenset({Notice.PRIVACY}))


def test_a_notice_may_come_with_its_words() -> None:
    body = {"acuity": "urgent", "red_flags": [], "notices": [{"code": "language_unsupported", "text": "…"}]}
    outcome = service(lambda _: httpx.Response(200, json=body), []).answer(vignette())
    assert outcome.notices == {Notice.LANGUAGE_UNSUPPORTED}


def test_a_refusal_is_taken_back_to_the_door_after_the_time_it_names() -> None:
    slept: list[float] = []
    responses = iter(
        [
            httpx.Response(429, headers={"Retry-After": "2"}),
            httpx.Response(503, headers={"Retry-After": "90"}),
            httpx.Response(200, json={"acuity": "routine", "red_flags": []}),
        ]
    )
    assert service(lambda _: next(responses), slept).answer(vignette()).acuity is Acuity.ROUTINE
    assert slept == [2.0, 5.0]


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(404, json={"code": "not_found"}),
        httpx.Response(503),
        httpx.Response(200, json={"response": "drink water"}),
        httpx.Response(200, json={"acuity": "fine", "red_flags": []}),
    ],
    ids=["unknown patient", "no hope", "no acuity", "unknown acuity"],
)
def test_what_is_no_answer_ends_the_run_with_the_vignettes_name(response: httpx.Response) -> None:
    with pytest.raises(NoAnswer, match="one-001"):
        service(lambda _: response, []).answer(vignette())


# Semigran


def cases(tmp_path: Path, *rows: tuple[str, str]) -> tuple[semigran.Case, ...]:
    file = tmp_path / "semigran.jsonl"
    file.write_text("\n".join(json.dumps({"case_description": text, "urgency_level": level}) for text, level in rows))
    return semigran.load(file)


@pytest.mark.parametrize(
    ("spelling", "level"), [("em", "em"), ("Emergent", "em"), ("Non-emergent", "ne"), ("Self-care", "sc")]
)
def test_semigran_levels_are_read_as_the_paper_and_the_download_spell_them(
    tmp_path: Path, spelling: str, level: str
) -> None:
    assert cases(tmp_path, ("a cold", spelling))[0].level.value == level


def test_an_unknown_level_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadVignette, match=r"semigran\.jsonl:2"):
        cases(tmp_path, ("a cold", "sc"), ("a cold", "soon"))


@pytest.mark.parametrize("path", ["missing.jsonl", "."])
def test_a_file_that_can_not_be_read_is_told(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadVignette):
        semigran.load(tmp_path / path)


@pytest.mark.parametrize(
    ("text", "patient"),
    [
        ("A 48-year-old woman with a history of migraine", Patient(48, "F")),
        ("Mr. E is a 26 year-old man who presents to your office; his mother is 60 years old", Patient(26, "M")),
        ("An 18-month-old toddler presents. Her parents report a cold.", Patient(1.5, "F")),
        ("A 22-year-old student with a 5-year history of sneezing; he has itchy eyes", Patient(22, "M")),
        ("A student presents", Patient()),
    ],
)
def test_age_and_sex_of_a_semigran_case_are_its_record(tmp_path: Path, text: str, patient: Patient) -> None:
    assert cases(tmp_path, (text, "ne"))[0].vignette.patient == patient


def test_semigran_counts_levels_and_the_way_they_are_missed(tmp_path: Path) -> None:
    read_cases = cases(tmp_path, ("a", "em"), ("b", "em"), ("c", "ne"), ("d", "sc"))
    acuities = [Acuity.EMERGENCY_NOW, Acuity.URGENT, Acuity.ROUTINE, Acuity.ROUTINE]
    outcomes = {case.vignette.id: said(acuity) for case, acuity in zip(read_cases, acuities, strict=True)}
    verdict = semigran.judge(read_cases, outcomes)
    assert (verdict.accuracy.part, verdict.recall.part, verdict.under.part, verdict.over.part) == (2, 1, 1, 1)
    assert len(semigran.broken(verdict, with_model=False)) == 1
    assert len(semigran.broken(verdict, with_model=True)) == 2


# The command


class Scripted(Answerer):
    """Says of every vignette what `outcome` makes of it."""

    def __init__(self, outcome: Callable[[Vignette], Outcome]) -> None:
        self._outcome = outcome

    @override
    def answer(self, vignette: Vignette) -> Outcome:
        return self._outcome(vignette)


def test_a_run_answers_every_vignette_under_its_own_name() -> None:
    set_of = many(20)
    outcomes = command.run(Scripted(lambda v: said(Acuity(int(v.id[-1]) % 6))), set_of)
    assert {v.id: outcomes[v.id].acuity for v in set_of} == {v.id: Acuity(int(v.id[-1]) % 6) for v in set_of}


def test_a_wrong_file_is_status_two_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    assert command.main(["--vignettes", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("a.jsonl:1")


def test_the_records_for_another_service_hold_every_patient(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"
    assert command.main(["--write-records", str(file)]) == 0
    first = load()[0].id
    with closing(connect(file)) as connection:
        assert read_patient(connection, first, TODAY).mrn == first
