from dataclasses import replace

import pytest

from bench.chats.client import Answer
from bench.chats.crowd import Probes
from bench.chats.figures import ChatFigures
from bench.chats.parts import burst, chats, decode, emergency, schema
from bench.chats.stage import EXAMPLE, NAIVE
from bench.contest import OURS
from bench.verdict import Line

ROUND = ChatFigures(
    wall_s=10.0,
    first_p50_s=2.0,
    first_max_s=4.0,
    gap_p50_s=0.2,
    gap_p99_s=0.5,
    tokens_per_s=50.0,
    whole=8,
    asked=8,
    prompt_tokens=400,
    cached_tokens=300,
    health_p99_ms=5.0,
    health_max_ms=9.0,
    probes=100,
    probes_failed=0,
)


def verdicts(lines: list[Line]) -> dict[str, str]:
    return {line.promise: line.verdict for line in lines}


def against(peer: str, wall_s: float, first_s: float) -> dict[str, str]:
    return verdicts(chats.lines({OURS: [ROUND], peer: [replace(ROUND, wall_s=wall_s, first_p50_s=first_s)]}))


@pytest.mark.parametrize(
    ("wall_s", "first_s", "wall", "first"),
    [
        (10 / 0.93, 2 / 0.68, "FLOOR MISSED", "FLOOR MISSED"),
        (10 / 0.91, 2 / 0.66, "floor holds", "floor holds"),
        (10 / 0.77, 2 / 0.49, "aim reached", "aim reached"),
    ],
)
def test_the_example_server_is_beaten_by_a_floor_or_by_an_aim(
    wall_s: float, first_s: float, wall: str, first: str
) -> None:
    found = against(EXAMPLE, wall_s, first_s)
    assert found[f"8 chats: wall against {EXAMPLE}"] == wall
    assert found[f"8 chats: TTFT p50 against {EXAMPLE}"] == first


def test_the_naive_server_streams_nothing_and_is_compared_by_its_end() -> None:
    found = against(NAIVE, 10 / 0.41, 30.0)
    assert found[f"8 chats: wall against {NAIVE}"] == "aim reached"
    assert not any("TTFT" in promise for promise in found)
    assert against(NAIVE, 10 / 0.53, 30.0)[f"8 chats: wall against {NAIVE}"] == "FLOOR MISSED"


@pytest.mark.parametrize(
    ("worse", "promise"),
    [
        (replace(ROUND, gap_p99_s=1.7), "8 chats: gap between tokens, p99"),
        (replace(ROUND, whole=7), "8 chats: answers cut or failed"),
        (replace(ROUND, health_p99_ms=10.1), "8 chats: health p99"),
        (replace(ROUND, probes_failed=1), "8 chats: failed probes of health"),
    ],
    ids=["gap", "cut", "health", "failed probe"],
)
def test_a_round_that_breaks_a_promise_misses_its_floor(worse: ChatFigures, promise: str) -> None:
    assert verdicts(chats.lines({OURS: [ROUND]}))[promise] != "FLOOR MISSED"
    assert verdicts(chats.lines({OURS: [worse]}))[promise] == "FLOOR MISSED"


def test_the_table_has_a_row_for_each_server_and_a_dash_for_what_does_not_stream() -> None:
    silent = replace(ROUND, gap_p50_s=float("nan"), gap_p99_s=float("nan"), wall_s=20.0)
    rows = chats.table({OURS: [ROUND], NAIVE: [silent]}).splitlines()
    assert len(rows) == 2 + 2
    assert "0.50 x" in rows[3]
    assert "| - | - |" in rows[3]


def test_decoding_is_judged_by_the_ratio_of_each_round() -> None:
    def speeds(ours: float, machine: float) -> decode.Speeds:
        return decode.Speeds(dict.fromkeys(decode.ROWS, ours * machine), dict.fromkeys(decode.ROWS, machine), machine)

    # The machine was twice as fast in one round; what the engine made of it was the same.
    lines = decode.lines([speeds(0.98, 10.0), speeds(0.98, 20.0), speeds(0.98, 10.0)])
    assert [line.found for line in lines] == pytest.approx([0.98] * 4)
    assert {line.verdict for line in lines} == {"floor holds"}
    assert {line.verdict for line in decode.lines([speeds(0.96, 10.0)])[:3]} == {"FLOOR MISSED"}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('{"urgency": "urgent", "advice": "x', True),
        ('{ "advice": "noi', True),
        ('{"urgency": "later"', False),
        ('{"other": 1', False),
        ("people Secret Calc", False),
        ("", False),
    ],
)
def test_text_that_was_held_to_no_form_is_told_from_json(text: str, fits: bool) -> None:
    assert schema.fits(text) is fits


# --- burst --------------------------------------------------------------------------------------------------------


def served(took_s: float) -> Answer:
    return Answer(status=200, stamps=[took_s], usage=1, took_s=took_s)


def refused(took_s: float, retry_after: str | None) -> Answer:
    return Answer(status=429, took_s=took_s, retry_after=retry_after)


GONE = burst.HangUp(busy=8, free_s=0.4, idle_s=0.5, next_s=0.9)


def kept(*answers: Answer, counts: tuple[int, int] | None = None, hang_up: burst.HangUp = GONE) -> dict[str, str]:
    others = [served(1.0)] * (burst.BURST - len(answers))
    told = sum(answer.status == 429 for answer in answers)
    return verdicts(
        burst.lines(
            burst.judged(hang_up, [*others, *answers], counts or (burst.BURST, told), Probes([0.001], 0)),
        )
    )


def test_a_burst_that_is_served_or_refused_in_time_keeps_every_promise() -> None:
    assert set(kept(refused(0.05, "3")).values()) <= {"floor holds", "aim reached"}


@pytest.mark.parametrize(
    ("answer", "promise"),
    [
        (served(burst.DEADLINE_S + 1), "64 at once: neither served in time nor refused"),
        (Answer(status=200, error="ended without [DONE]"), "64 at once: neither served in time nor refused"),
        (Answer(status=503), "64 at once: neither served in time nor refused"),
        (refused(0.11, "3"), "64 at once: slowest refusal"),
        (refused(0.01, None), "64 at once: refusals without Retry-After"),
        (refused(0.01, "1.5"), "64 at once: refusals without Retry-After"),
    ],
    ids=["late", "cut", "lost", "slow refusal", "no Retry-After", "half a second"],
)
def test_one_caller_who_is_treated_otherwise_misses_a_floor(answer: Answer, promise: str) -> None:
    assert kept(answer)[promise] == "FLOOR MISSED"


@pytest.mark.parametrize(
    ("gone", "promise"),
    [
        (replace(GONE, busy=7), "8 hang up in prefill: slots they held"),
        (replace(GONE, free_s=1.1), "8 hang up in prefill: all slots free"),
        # It said that all were free and went on reading for them.
        (replace(GONE, next_s=1.6), "8 hang up in prefill: delay of the next"),
    ],
)
def test_work_for_those_who_have_gone_misses_a_floor(gone: burst.HangUp, promise: str) -> None:
    assert kept()[promise] == "floor holds"
    assert kept(hang_up=gone)[promise] == "FLOOR MISSED"


def test_a_burst_that_refuses_nobody_is_not_blamed_for_its_refusals() -> None:
    found = kept()
    assert not any("refusal" in promise for promise in found)
    assert "FLOOR MISSED" not in found.values()


def test_what_the_service_counted_must_add_up() -> None:
    promise = "64 at once: not in the service's own counters"
    assert kept(counts=(burst.BURST - 1, 0))[promise] == "FLOOR MISSED"
    assert kept(refused(0.01, "1"), counts=(burst.BURST, 0))[promise] == "FLOOR MISSED"


def test_counters_are_read_over_all_their_labels() -> None:
    before = 'triage_chats_total{llm_mode="gguf",outcome="stop"} 3.0\ntriage_slots_busy 8.0\n'
    after = (
        "# HELP triage_chats_total Chats.\n"
        'triage_chats_total{llm_mode="gguf",outcome="stop"} 5.0\n'
        'triage_chats_total{llm_mode="gguf",outcome="queue_full"} 4.0\n'
        'triage_rejected_total{reason="queue_full"} 4.0\n'
        "triage_slots_busy 0.0\n"
    )
    assert burst.counted(burst.samples(before), burst.samples(after)) == (6, 4)
    assert burst.samples(before)["triage_slots_busy"][""] == 8.0


@pytest.mark.parametrize(
    ("took_s", "wrong", "p99", "answered"),
    [
        ([0.01] * 99 + [0.2], 0, "floor holds", "floor holds"),
        ([0.01] * 98 + [0.2] * 2, 0, "FLOOR MISSED", "floor holds"),
        ([0.01] * 100, 1, "floor holds", "FLOOR MISSED"),
        ([0.01] * 4, 0, "FLOOR MISSED", "floor holds"),  # too few to say anything
    ],
)
def test_an_emergency_is_answered_at_once_and_always(took_s: list[float], wrong: int, p99: str, answered: str) -> None:
    found = verdicts(emergency.lines({"model loading": emergency.Answered(took_s, wrong)}))
    assert found == {
        "emergency, model loading: p99": p99,
        "emergency, model loading: not answered as one": answered,
    }
