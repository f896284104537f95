"""Conditions and ranges, sentence by sentence of RFC 9110."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.routers.selection import Asked, Held, Part, Unsatisfiable, Verdict, judge, part_of

MODIFIED = datetime(2026, 3, 4, 5, 6, 7, 890_000, UTC)
NOW = MODIFIED + timedelta(hours=1)
HELD = Held("abc", MODIFIED, 1000)
SAME = "Wed, 04 Mar 2026 05:06:07 GMT"
EARLIER, LATER = "Wed, 04 Mar 2026 05:06:06 GMT", "Wed, 04 Mar 2026 05:06:08 GMT"


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (Asked(), Verdict.SEND),
        (Asked(if_match=['"abc"']), Verdict.SEND),
        (Asked(if_match=["*"]), Verdict.SEND),
        (Asked(if_match=['"x", "abc"']), Verdict.SEND),
        (Asked(if_match=['"x"', '"abc"']), Verdict.SEND),
        (Asked(if_match=['W/"abc"']), Verdict.FAILED),
        (Asked(if_match=['"x"']), Verdict.FAILED),
        (Asked(if_match=["abc"]), Verdict.FAILED),
        (Asked(if_match=['"x"'], if_none_match=['"abc"']), Verdict.FAILED),
        (Asked(if_match=['"abc"'], if_unmodified_since=[EARLIER]), Verdict.SEND),
        (Asked(if_unmodified_since=[EARLIER]), Verdict.FAILED),
        (Asked(if_unmodified_since=[SAME]), Verdict.SEND),
        (Asked(if_unmodified_since=["yesterday"]), Verdict.SEND),
        (Asked(if_none_match=['"abc"']), Verdict.NOT_MODIFIED),
        (Asked(if_none_match=['W/"abc"']), Verdict.NOT_MODIFIED),
        (Asked(if_none_match=['"x" , "a,b", "abc"']), Verdict.NOT_MODIFIED),
        (Asked(if_none_match=["*"]), Verdict.NOT_MODIFIED),
        (Asked(if_none_match=['"x"']), Verdict.SEND),
        (Asked(if_none_match=['"x"'], if_modified_since=[LATER]), Verdict.SEND),
        (Asked(if_modified_since=[SAME]), Verdict.NOT_MODIFIED),
        (Asked(if_modified_since=[LATER]), Verdict.NOT_MODIFIED),
        (Asked(if_modified_since=[EARLIER]), Verdict.SEND),
        (Asked(if_modified_since=["99"]), Verdict.SEND),
        (Asked(if_modified_since=[SAME, SAME]), Verdict.SEND),
    ],
)
def test_conditions_are_judged_in_their_order(asked: Asked, verdict: Verdict) -> None:
    assert judge(asked, HELD) is verdict


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("bytes=0-0", Part(0, 1)),
        ("bytes=0-", Part(0, 1000)),
        ("bytes=999-", Part(999, 1)),
        ("bytes=10-19", Part(10, 10)),
        ("BYTES = 10-19", Part(10, 10)),
        ("bytes=990-5000", Part(990, 10)),
        ("bytes=0-" + "9" * 5000, Part(0, 1000)),
        ("bytes=-10", Part(990, 10)),
        ("bytes=-5000", Part(0, 1000)),
        ("bytes=00000000000000000000010-19", Part(10, 10)),
        *((line, None) for line in ("bytes=5-4", "bytes=-", "bytes=a-b", "rows=0-1", "bytes 0-1", "bytes=0-1,5-6", "")),
        ("bytes=\u0661-\u0662", None),
    ],
)
def test_one_range_is_one_part_and_what_is_none_is_the_whole(line: str, part: Part | None) -> None:
    assert part_of(Asked(range=[line]), HELD, NOW) == part


@pytest.mark.parametrize("line", ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_a_range_behind_the_end_is_told_apart(line: str) -> None:
    with pytest.raises(Unsatisfiable):
        part_of(Asked(range=[line]), HELD, NOW)


def test_of_an_empty_object_the_last_bytes_are_the_whole_and_any_first_byte_is_behind_the_end() -> None:
    empty = Held("e", MODIFIED, 0)
    assert part_of(Asked(range=["bytes=-5"]), empty, NOW) is None
    with pytest.raises(Unsatisfiable):
        part_of(Asked(range=["bytes=0-0"]), empty, NOW)


@pytest.mark.parametrize(
    ("line", "kept"),
    [('"abc"', True), ('W/"abc"', False), ('"x"', False), (SAME, True), (EARLIER, False), (LATER, False), ("x", False)],
)
def test_a_range_is_for_the_version_that_the_caller_has(line: str, kept: bool) -> None:
    asked = Asked(range=["bytes=0-1"], if_range=[line])
    assert part_of(asked, HELD, NOW) == (Part(0, 2) if kept else None)


def test_the_date_of_a_second_that_goes_on_names_no_version() -> None:
    asked = Asked(range=["bytes=0-1"], if_range=[SAME])
    assert part_of(asked, HELD, MODIFIED + timedelta(milliseconds=50)) is None


lines = st.lists(st.text(max_size=12) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}", fullmatch=True), max_size=2)
tags = st.lists(
    st.sampled_from(['"abc"', 'W/"abc"', "*", '"', SAME, format_datetime(NOW)]) | st.text(max_size=9), max_size=2
)


@given(lines, tags, tags, tags, st.integers(0, 50))
def test_a_part_never_reaches_outside_and_nothing_a_caller_writes_breaks_the_choice(
    ranges: list[str], first: list[str], second: list[str], third: list[str], size: int
) -> None:
    held = Held("abc", MODIFIED, size)
    asked = Asked(first, second, second, third, ranges, third)
    assert isinstance(judge(asked, held), Verdict)
    try:
        part = part_of(asked, held, NOW)
    except Unsatisfiable:
        return
    if part is not None:
        assert 0 <= part.start < part.start + part.length <= size
