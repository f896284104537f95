from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Partition, Record
from inference_container.claims.consuming.ledger import Completion, Delivery, Ledger, Revoked
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.samples import record

P, Q = Partition("inference-data", 0), Partition("inference-data", 1)


def at(offset: int, partition: Partition = P) -> Record:
    return record(offset=offset, partition=partition)


def ledger_of(*partitions: Partition, committed: int | None = None) -> Ledger:
    ledger = Ledger(ManualClock())
    known = dict.fromkeys(partitions, committed) if committed is not None else {}
    assert ledger.assigned(partitions, known) == {}
    return ledger


def deliver(ledger: Ledger, *offsets: int, partition: Partition = P) -> list[Delivery]:
    found = [ledger.deliver(at(offset, partition)) for offset in offsets]
    assert None not in found
    return [each for each in found if each is not None]


def test_what_may_be_committed_is_the_lowest_unfinished_offset() -> None:
    ledger = ledger_of(P)
    first, second, third = deliver(ledger, 5, 6, 7)
    assert ledger.committable() == {P: 5}
    assert ledger.finish(second) is ledger.finish(third) is Completion.COUNTED
    assert ledger.committable() == {P: 5}
    ledger.finish(first)
    assert ledger.committable() == {P: 8}


def test_what_was_committed_is_not_offered_again() -> None:
    ledger = ledger_of(P, Q)
    (one,) = deliver(ledger, 5)
    deliver(ledger, 3, partition=Q)
    ledger.finish(one)
    assert ledger.committable() == {P: 6, Q: 3}
    ledger.committed({P: 6, Q: 3})
    assert ledger.committable() == {}
    assert ledger.positions() == {P: 6, Q: 3}


def test_nothing_is_committed_where_nothing_was_delivered() -> None:
    ledger = ledger_of(P)
    assert (ledger.committable(), ledger.positions()) == ({}, {})
    assert ledger.revoked([P]) == Revoked({}, ())


def test_offsets_that_do_not_exist_hold_nothing_up() -> None:
    ledger = ledger_of(P, committed=2)
    for each in deliver(ledger, 4, 9, 12):
        ledger.finish(each)
    assert ledger.committable() == {P: 13}


def test_a_revoked_partition_leaves_its_position_and_what_is_in_flight() -> None:
    ledger = ledger_of(P, Q)
    one, two = deliver(ledger, 0, 1)
    (other,) = deliver(ledger, 5, partition=Q)
    ledger.finish(one)
    assert ledger.revoked([P]) == Revoked({P: 1}, (two,))
    assert not ledger.current(two)
    assert ledger.current(other)
    assert ledger.committable() == {Q: 5}


def test_a_partition_that_comes_straight_back_is_read_from_its_lowest_unfinished_offset() -> None:
    ledger = ledger_of(P)
    one, _, three = deliver(ledger, 10, 11, 12)
    ledger.finish(one)
    ledger.finish(three)
    revoked = ledger.revoked([P])
    assert ledger.assigned([P], revoked.commit) == {P: 11}
    assert [each.offset for each in deliver(ledger, 11, 12)] == [11, 12]


def test_where_the_commit_at_the_revocation_failed_it_is_made_up_for() -> None:
    ledger = ledger_of(P)
    one, _ = deliver(ledger, 10, 11)
    ledger.finish(one)
    ledger.revoked([P])
    assert ledger.assigned([P], {}) == {P: 11}
    assert ledger.committable() == {P: 11}


def test_a_partition_that_somebody_else_took_further_is_read_from_there() -> None:
    ledger = ledger_of(P)
    deliver(ledger, 10)
    ledger.revoked([P])
    assert ledger.assigned([P], {P: 500}) == {P: 500}
    assert ledger.committable() == {}


def test_where_nobody_knows_what_is_committed_reading_begins_there() -> None:
    ledger = ledger_of(P)
    deliver(ledger, 10)
    ledger.revoked([P])
    assert ledger.assigned([P], None) == {}


def test_a_position_is_remembered_for_one_assignment_only() -> None:
    ledger = ledger_of(P, Q)
    deliver(ledger, 10)
    ledger.revoked([P])
    ledger.assigned([Q], {})
    assert ledger.assigned([P], {}) == {}


def test_a_lost_partition_leaves_nothing_to_commit_and_is_not_rewound() -> None:
    ledger = ledger_of(P)
    one, two = deliver(ledger, 10, 11)
    ledger.finish(one)
    assert ledger.lost([P]) == (two,)
    assert ledger.committable() == {}
    assert ledger.assigned([P], {P: 3}) == {}


def test_a_completion_of_an_old_epoch_is_dropped_and_counted() -> None:
    ledger = ledger_of(P)
    (old,) = deliver(ledger, 10)
    ledger.assigned([P], ledger.revoked([P]).commit)
    (new,) = deliver(ledger, 10)
    assert ledger.finish(old) is Completion.LATE
    assert ledger.current(new)
    assert ledger.positions() == {P: 10}
    assert ledger.finish(old) is Completion.UNKNOWN
    assert ledger.finish(new) is Completion.COUNTED
    books = ledger.statistics()
    assert (books.finished, books.late, books.unknown) == (1, 1, 1)


def test_an_assignment_without_a_word_of_the_revocation_is_a_new_epoch_too() -> None:
    ledger = ledger_of(P)
    one, two = deliver(ledger, 10, 11)
    ledger.finish(one)
    assert ledger.assigned([P], {}) == {P: 11}
    assert ledger.finish(two) is Completion.LATE
    assert ledger.depth == 0


def test_work_that_was_orphaned_keeps_its_place_until_it_is_over() -> None:
    ledger = ledger_of(P)
    one, two = deliver(ledger, 10, 11)
    ledger.lost([P])
    assert ledger.depth == ledger.statistics().orphaned == 2
    ledger.finish(one)
    ledger.finish(two)
    assert ledger.depth == 0


def test_records_of_partitions_that_are_not_ours_are_counted_and_left() -> None:
    ledger = ledger_of(P)
    assert ledger.deliver(at(0, Q)) is None
    assert ledger.statistics().strays == 1


def test_a_record_that_is_in_flight_is_not_worked_on_twice() -> None:
    ledger = ledger_of(P)
    deliver(ledger, 10, 11)
    assert ledger.deliver(at(10)) is None
    assert ledger.statistics().repeated == 1
    assert ledger.depth == 2


def test_a_client_that_goes_back_is_followed_and_nothing_between_is_passed_over() -> None:
    """Records that were fetched before a rebalance may be handed out after it, ahead of where reading begins again."""
    ledger = ledger_of(P)
    (early,) = deliver(ledger, 12)
    (ten,) = deliver(ledger, 10)
    ledger.finish(early)
    ledger.finish(ten)
    assert ledger.committable() == {P: 11}
    (eleven,) = deliver(ledger, 11)
    assert ledger.committable() == {P: 11}
    ledger.finish(eleven)
    assert ledger.committable() == {P: 12}


def test_a_topic_that_began_anew_is_worked_on_though_nothing_of_it_can_be_committed() -> None:
    ledger = ledger_of(P, committed=500)
    (first,) = deliver(ledger, 0)
    ledger.finish(first)
    assert ledger.committable() == {}


def test_the_oldest_in_flight_is_known() -> None:
    clock = ManualClock()
    ledger = Ledger(clock)
    ledger.assigned([P, Q], {})
    assert ledger.statistics().oldest_s == 0
    (one,) = deliver(ledger, 10)
    clock.turn(2)
    deliver(ledger, 4, partition=Q)
    clock.turn(3)
    assert ledger.statistics().oldest_s == 5
    ledger.finish(one)
    assert ledger.statistics().oldest_s == 3


@pytest.mark.parametrize("unknown", [Delivery(P, 9, 1), Delivery(P, 10, 99), Delivery(Q, 10, 1)])
def test_a_completion_of_what_was_never_delivered_changes_nothing(unknown: Delivery) -> None:
    ledger = ledger_of(P)
    deliver(ledger, 10)
    assert ledger.finish(unknown) is Completion.UNKNOWN
    assert ledger.depth == 1


@given(st.lists(st.integers(1, 3), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_in_whatever_order_work_ends_the_position_is_always_the_lowest_unfinished(
    gaps: list[int], random: Random
) -> None:
    ledger = ledger_of(P)
    offset, waiting = 0, []
    for gap in gaps:
        offset += gap
        waiting += deliver(ledger, offset)
    random.shuffle(waiting)
    while waiting:
        ledger.finish(waiting.pop())
        lowest = min((each.offset for each in waiting), default=offset + 1)
        assert ledger.positions() == {P: lowest}
    assert ledger.depth == 0
