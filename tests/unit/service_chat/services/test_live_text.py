import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_chat.safety.drugs import DrugTable
from service_chat.safety.packaged import Packaged
from service_chat.safety.values import Acuity, Flag, Floor, RedFlag
from service_chat.services.condition_names import condition_names
from service_chat.services.context import context_of
from service_chat.services.fitting import fit
from service_chat.services.grounding import Vocabulary
from service_chat.services.live_text import LiveText
from tests.unit.service_chat.services.full_records import RECORD

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "50"))
VOCABULARY = Vocabulary(DrugTable.read(Packaged(), []), condition_names())
SHOWN = fit(context_of(RECORD), "I cut my finger.")
MILD = Floor(Acuity.SELF_CARE, (), (), "en")


def streamed(rationale: str, floor: Floor = MILD, sizes: tuple[int, ...] = (1,)) -> list[str]:
    """What is shown of a rationale that comes in pieces of these sizes, over and over."""
    form = json.dumps({"record_refs": ["M1"], "rationale": rationale, "acuity": "urgent", "next_steps": ["Never."]})
    live, shown, at, turn = LiveText(floor, SHOWN, VOCABULARY), list[str](), 0, 0
    while at < len(form):
        size = sizes[turn % len(sizes)]
        shown.append(live.feed(form[at : at + size]))
        at, turn = at + size, turn + 1
    return [piece for piece in shown if piece]


def test_a_sentence_is_shown_when_it_is_whole() -> None:
    assert streamed("You take warfarin. A cut bleeds longer") == ["You take warfarin.", " A cut bleeds longer"]


def test_only_the_rationale_is_shown() -> None:
    assert "".join(streamed('He said "press on it". Then it stopped.')) == 'He said "press on it". Then it stopped.'


@pytest.mark.parametrize(
    "sentence", ["Take ibuprofen.", "You are fine.", "Wait and see.", "Call 911.", "Stop your warfarin."]
)
def test_what_may_not_stand_is_never_shown(sentence: str) -> None:
    assert "".join(streamed(f"You take warfarin. {sentence} It bleeds.")) == "You take warfarin. It bleeds."


def test_what_nobody_can_have_meant_is_never_shown() -> None:
    said = "You take warfarin. No, I am a patient, I am a patient, I am a patient. I cut my finger. You take warfarin."
    assert streamed(said) == ["You take warfarin."]


def test_the_stump_of_a_text_that_was_stopped_by_its_length_is_not_shown() -> None:
    assert streamed("You take warfarin. " + "A cut that is deep bleeds longer than others " * 9) == [
        "You take warfarin."
    ]


def test_a_number_is_not_torn_apart() -> None:
    assert streamed("Your INR is 3.4 now. It bleeds.")[0] == "Your INR is 3.4 now."


@pytest.mark.parametrize(
    "floor",
    [
        Floor(Acuity.EMERGENCY, (), (), "en"),
        Floor(Acuity.URGENT, (RedFlag(Flag.SELF_HARM, Acuity.URGENT, "m.p@1", "A wish", ("x",)),), (), "en"),
    ],
)
def test_nothing_is_shown_in_an_emergency_or_a_crisis(floor: Floor) -> None:
    assert streamed("You take warfarin. It bleeds.", floor) == []


@settings(max_examples=EXAMPLES)
@given(
    st.lists(st.sampled_from(["It bleeds.", "Bitte.", "好。", 'A "b" \\ c.', "3.5 of 4.", "😀 ok.", "é"]), max_size=8),
    st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple),
)
def test_how_the_text_is_cut_into_pieces_never_changes_what_is_shown(said: list[str], sizes: tuple[int, ...]) -> None:
    rationale = " ".join(said)
    assert "".join(streamed(rationale, sizes=sizes)) == "".join(streamed(rationale, sizes=(10_000,)))


def test_what_is_not_of_the_form_shows_nothing() -> None:
    live = LiveText(MILD, SHOWN, VOCABULARY)
    assert live.feed("You should rest. And drink. " * 20) == ""
