"""The checks of the tour: what it must not let pass as an answer or as a forecast."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.routers.schemas import PredictAnswer
from scripts.tour import PATIENT, STEPS, TourFailed, check_forecast, check_triage, json_object, understood
from service_chat.routers.schemas import ContextBody, TimingsMs, TriageAnswer, Usage, Versions

SHA256 = "a" * 64
LAST = "2013-12-30T23:00:00Z"


def an_answer(**changes: object) -> TriageAnswer:
    good = TriageAnswer(
        trace_id="0" * 32,
        patient_mrn=PATIENT,
        query="Can I?",
        llm_mode="gguf",
        response="Rest.",
        inference_time_ms=1,
        conversation_id=None,
        job_id="a-job",
        acuity="routine",
        acuity_source="gate",
        red_flags=[],
        notices=[],
        gate=["vague"],
        next_steps=[],
        questions=[],
        citations=[],
        emergency_notice=None,
        emergency_numbers=[],
        ungrounded_terms=[],
        language="en",
        disclaimer="Not a device.",
        degraded=[],
        context=ContextBody(items=0, truncated=[]),
        usage=usage(3),
        timings=TimingsMs(queue_ms=0, prefill_ms=0, decode_ms=1, total_ms=1),
        versions=versions(SHA256),
    )
    return good.model_copy(update=changes)


def versions(sha256: str | None) -> Versions:
    return Versions(service="0", prompt="1", rules="1", model="tiny.gguf", model_sha256=sha256, seed=None)


def usage(written: int) -> Usage:
    return Usage(prompt_tokens=9, cached_tokens=0, completion_tokens=written, finish_reason="stop")


def a_forecast(begin: int = 0, steps: int = STEPS) -> list[dict[str, str | float]]:
    return [{"ts": f"2013-12-31T{hour:02}:00:00", "temp": 30.0 + hour} for hour in range(begin, begin + steps)]


def test_an_answer_of_the_chosen_model_for_the_patient_asked_about_passes() -> None:
    check_triage(an_answer(), SHA256)


def test_a_model_that_wrote_what_nobody_should_read_did_its_part_of_the_tour() -> None:
    check_triage(an_answer(degraded=["model_incoherent"]), SHA256)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"llm_mode": "mock"}, "mock engine"),
        ({"llm_mode": "remote"}, "remote engine"),
        ({"patient_mrn": "P000001"}, "for P000001"),
        ({"response": " \n"}, "no text"),
        ({"usage": None}, "not asked"),
        ({"usage": usage(0)}, "wrote nothing"),
        ({"degraded": ["model_unavailable"]}, "degraded: model_unavailable"),
        ({"versions": versions("b" * 64)}, "another model"),
        ({"versions": versions(None)}, "another model"),
    ],
)
def test_an_answer_that_is_not_the_models_own_fails_the_tour(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(TourFailed, match=complaint):
        check_triage(an_answer(**changes), SHA256)


def test_a_forecast_that_begins_one_step_later_and_is_the_bundles_passes() -> None:
    check_forecast(LAST, a_forecast(), a_forecast())


@pytest.mark.parametrize("last", ["2013-12-30T22:00:00Z", "2013-12-31T00:00:00Z"])
def test_a_forecast_that_begins_anywhere_else_fails_the_tour(last: str) -> None:
    with pytest.raises(TourFailed, match="not one step after"):
        check_forecast(last, a_forecast(), a_forecast())


@given(st.integers(0, STEPS - 1), st.floats().filter(lambda value: not abs(value) <= 0.01))
def test_a_value_that_differs_never_passes(at: int, by: float) -> None:
    served = a_forecast()
    served[at]["temp"] = 30.0 + at + by
    with pytest.raises(TourFailed, match="differs"):
        check_forecast(LAST, served, a_forecast())


@pytest.mark.parametrize("steps", [0, 1, STEPS - 1])
def test_a_forecast_that_is_too_short_fails_the_tour_on_either_side(steps: int) -> None:
    for served, computed in ((steps, STEPS), (STEPS, steps), (steps, steps)):
        with pytest.raises(TourFailed, match=f"asked: {STEPS}"):
            check_forecast(LAST, a_forecast(steps=served), a_forecast(steps=computed))


def test_a_later_step_at_another_time_fails_the_tour() -> None:
    served = a_forecast()
    served[5]["ts"] = "2013-12-31T05:30:00"
    with pytest.raises(TourFailed, match="05:30"):
        check_forecast(LAST, served, a_forecast())


def test_a_step_without_the_target_fails_the_tour() -> None:
    served = a_forecast()
    del served[3]["temp"]
    with pytest.raises(TourFailed, match="no temp"):
        check_forecast(LAST, served, a_forecast())


@pytest.mark.parametrize("text", ["", "<html>", "[]", '"ok"', "null"])
def test_a_body_that_is_no_json_object_is_told_in_a_sentence(text: str) -> None:
    answer = httpx.Response(503, text=text, request=httpx.Request("GET", "http://127.0.0.1:1/ready"))
    with pytest.raises(TourFailed, match="no JSON object"):
        json_object(answer)


@pytest.mark.parametrize("text", ["<html>", "{}", '{"predictions": 3}'])
def test_a_forecast_of_another_shape_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(TourFailed, match="not as documented"):
        understood(PredictAnswer, text)
