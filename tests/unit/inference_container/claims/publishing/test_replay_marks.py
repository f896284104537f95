import base64
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.claims.publishing.replay_marks import LONGEST_NOTE, ReplayMarks
from serving.errors import InvalidInput

_offsets = st.integers(0, 400)


def replayed(marks: ReplayMarks, offsets: list[int]) -> ReplayMarks:
    for offset in offsets:
        marks = marks.begin(offset).end(offset)
    return marks


@given(base=_offsets, offsets=st.lists(_offsets), sending=st.none() | _offsets)
def test_what_was_noted_is_always_read_again(base: int, offsets: list[int], sending: int | None) -> None:
    marks = replayed(ReplayMarks(base), [offset for offset in offsets if offset >= base])
    if sending is not None and not marks.has(sending):
        marks = marks.begin(sending)
    assert ReplayMarks.read(marks.base, marks.note()) == marks


@given(base=_offsets, offsets=st.lists(_offsets), first=_offsets)
def test_a_letter_counts_as_replayed_exactly_when_it_was_or_is_gone(base: int, offsets: list[int], first: int) -> None:
    marks = replayed(ReplayMarks(base), offsets).from_first(first)
    for offset in range(401):
        assert marks.has(offset) == (offset < base or offset in offsets or offset < first)


def test_what_is_replayed_in_order_needs_no_note() -> None:
    marks = replayed(ReplayMarks(5), [5, 6, 8, 7])
    assert (marks.base, marks.note()) == (9, "")


def test_a_letter_that_is_being_sent_is_in_the_note_before_it_is_sent() -> None:
    marks = ReplayMarks(5).begin(5)
    assert ReplayMarks.read(5, marks.note()).sending == 5
    assert not marks.has(5)
    assert marks.not_sent() == ReplayMarks(5)


def test_the_note_has_room_for_what_a_person_would_choose() -> None:
    chance = random.Random(7)
    some = frozenset(offset for offset in range(1, 20_000) if chance.random() < 0.5)
    assert len(ReplayMarks(0, some).note()) <= LONGEST_NOTE


def test_what_does_not_fit_is_refused_and_not_cut_off() -> None:
    chance = random.Random(7)
    with pytest.raises(InvalidInput):
        ReplayMarks(0, frozenset(offset for offset in range(1, 80_000) if chance.random() < 0.5)).note()


_BOMB = base64.b64encode(zlib.compress(bytes(100_000_000))).decode()


@pytest.mark.parametrize(
    "note", ["x", "replay1:!!:", "replay1:AAAA:", "replay1::x", "replay2:eJxjAAAAAQAB:", "a:b:c:d"]
)
def test_a_note_of_somebody_else_is_refused(note: str) -> None:
    with pytest.raises(InvalidInput):
        ReplayMarks.read(0, note)


def test_a_note_that_unpacks_to_everything_is_not_unpacked() -> None:
    assert ReplayMarks.read(0, f"replay1:{_BOMB}:") == ReplayMarks(0)
