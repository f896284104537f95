"""Who reads in the next step: the chunk is kept, the short go first, and nobody starves."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from service_chat.engines.gguf.schedule import Reading, plan_step


def plan(
    *reading: Reading, decoding: int = 0, now: float = 0.0, ageing: float = 10.0, batch: int = 256
) -> list[tuple[int, int]]:
    return plan_step(reading, decoding, chunk_busy=64, chunk_quiet=256, now=now, ageing_per_s=ageing, batch=batch)


def test_the_chunk_is_large_while_nobody_writes_and_small_once_someone_does() -> None:
    assert plan(Reading(1, 1000, 0.0)) == [(1, 256)]
    assert plan(Reading(1, 1000, 0.0), decoding=1) == [(1, 64)]


def test_rows_that_write_leave_the_rest_of_the_batch() -> None:
    assert plan(Reading(1, 1000, 0.0), decoding=16, batch=64) == [(1, 48)]
    assert plan(Reading(1, 1000, 0.0), decoding=64, batch=64) == []


def test_the_shortest_goes_first_and_the_next_takes_what_is_left() -> None:
    assert plan(Reading(1, 300, 0.0), Reading(2, 40, 0.0), decoding=1) == [(2, 40), (1, 24)]


def test_of_equals_the_one_that_came_first_goes_first() -> None:
    assert plan(Reading(1, 100, 1.0), Reading(2, 100, 0.0), now=1.0, ageing=0.0) == [(2, 100), (1, 100)]


def test_waiting_makes_a_long_prompt_urgent() -> None:
    old, new = Reading(1, 300, 0.0), Reading(2, 40, 25.9)
    assert plan(old, new, decoding=1, now=25.9)[0] == (2, 40)
    assert plan(old, replace(new, since=26.1), decoding=1, now=26.1)[0] == (1, 64)


def test_a_follower_waits_while_its_leader_reads() -> None:
    leader, follower = Reading(1, 600, 0.0), Reading(2, 700, 0.5, leader=1)
    assert plan(leader, follower, now=1.0) == [(1, 256)]
    assert plan(follower, now=1.0) == [(2, 256)]


def test_two_that_would_follow_each_other_do_not_both_wait() -> None:
    assert plan(Reading(1, 10, 0.0, leader=2), Reading(2, 10, 0.0, leader=1)) == [(1, 10)]
    assert plan(Reading(1, 10, 0.0, leader=1)) == [(1, 10)]


def test_what_is_read_to_its_end_takes_no_part() -> None:
    assert plan(Reading(1, 0, 0.0), Reading(2, 5, 0.0)) == [(2, 5)]


READINGS = st.lists(
    st.builds(
        Reading,
        request_id=st.integers(0, 20),
        left=st.integers(0, 2000),
        since=st.floats(0, 100),
        leader=st.none() | st.integers(0, 20),
    ),
    max_size=12,
    unique_by=lambda reading: reading.request_id,
)


@given(
    reading=READINGS,
    decoding=st.integers(0, 40),
    busy=st.integers(1, 128),
    quiet=st.integers(1, 512),
    batch=st.integers(1, 512),
)
def test_a_step_never_reads_more_than_the_chunk_and_never_nothing(
    reading: list[Reading], decoding: int, busy: int, quiet: int, batch: int
) -> None:
    steps = plan_step(reading, decoding, busy, quiet, now=100.0, ageing_per_s=5.0, batch=batch)
    left = {request.request_id: request.left for request in reading}
    room = max(0, min(busy if decoding else quiet, batch - decoding))
    assert len({request_id for request_id, _ in steps}) == len(steps)
    assert all(0 < tokens <= left[request_id] for request_id, tokens in steps)
    assert sum(tokens for _, tokens in steps) <= room
    assert bool(steps) or not room or not any(left[request.request_id] for request in reading if request.leader is None)


@given(reading=READINGS, ageing=st.floats(0.5, 100))
def test_who_waited_long_enough_is_always_before_a_newer_one(reading: list[Reading], ageing: float) -> None:
    free = [replace(request, leader=None, left=max(1, request.left)) for request in reading]
    order = [request_id for request_id, _ in plan_step(free, 0, 10**9, 10**9, 100.0, ageing, 10**9)]
    longest = max((request.left for request in free), default=0)
    for old in free:
        for new in free:
            if new.since - old.since >= longest / ageing:
                assert order.index(old.request_id) < order.index(new.request_id)


@given(
    left=st.integers(1, 800),
    arrivals=st.lists(st.lists(st.integers(1, 200), max_size=4), min_size=1, max_size=20),
    decoding=st.integers(0, 8),
)
def test_a_long_prompt_is_always_read_whatever_short_ones_arrive(
    left: int, arrivals: list[list[int]], decoding: int
) -> None:
    """A step takes a second; more comes all the time, in the same rhythm, than can be read."""
    ageing, chunk = 20.0, 64
    reading = {0: Reading(0, left, 0.0)}
    # After left / ageing seconds nobody who comes goes before it; what came until then, and itself, is read by:
    head_start = int(left / ageing) + 1
    due = head_start + (left + sum(sum(arrivals[step % len(arrivals)]) for step in range(head_start + 1))) // chunk + 1
    for step in range(due + 1):
        for place, tokens in enumerate(arrivals[step % len(arrivals)]):
            reading[1000 * (step + 1) + place] = Reading(1000 * (step + 1) + place, tokens, float(step))
        for request_id, tokens in plan_step(
            list(reading.values()), decoding, chunk, chunk, float(step), ageing, batch=128
        ):
            request = reading[request_id]
            reading[request_id] = replace(request, left=request.left - tokens)
        reading = {request_id: request for request_id, request in reading.items() if request.left}
        if 0 not in reading:
            return
    raise AssertionError(f"it was not read within {due} seconds")
