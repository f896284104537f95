from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.kafka_holdings import Holdings
from inference_container.broker.ports import Partition

A, B = Partition("claims", 0), Partition("claims", 1)
STEPS: list[Callable[[Holdings, set[Partition]], object]] = [
    Holdings.took,
    Holdings.gave_back,
    Holdings.lost,
    Holdings.pause,
    Holdings.resume,
    Holdings.put_right,
]


def test_what_comes_straight_back_is_shut_until_it_is_put_right() -> None:
    held = Holdings()
    held.took({A, B})
    assert held.shut == set()
    held.gave_back({A, B})
    held.took({A})
    assert held.to_rewind == held.shut == {A}
    assert not held.trusted(A)
    assert not held.trusted(B)
    held.put_right({A})
    assert held.trusted(A)
    assert held.shut == set()


def test_what_was_lost_comes_back_with_a_new_position() -> None:
    held = Holdings()
    held.took({A, B})
    held.gave_back({A})
    held.lost({B})
    held.took({A, B})
    assert held.to_rewind == set()


def test_only_what_is_ours_can_be_paused_and_what_is_new_is_open() -> None:
    held = Holdings()
    held.took({A})
    held.pause({A, B})
    assert held.paused == {A}
    held.took({A})
    assert held.paused == set()


def test_holding_shuts_everything_and_no_pause_is_forgotten_by_it() -> None:
    held = Holdings()
    held.took({A, B})
    held.pause({A})
    held.holding = True
    assert held.shut == {A, B}
    held.holding = False
    assert held.shut == {A}


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sets(st.sampled_from([A, B])))))
def test_nothing_of_others_is_ever_paused_shut_or_trusted(
    steps: list[tuple[Callable[[Holdings, set[Partition]], object], set[Partition]]],
) -> None:
    held = Holdings()
    for step, partitions in steps:
        step(held, partitions)
        assert held.paused | held.shut | held.to_rewind <= held.ours
        assert all(held.trusted(each) == (each in held.ours - held.to_rewind) for each in (A, B))
