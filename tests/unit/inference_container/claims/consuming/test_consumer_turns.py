"""The consumer's way, turn by turn, on the broker in memory with a clock that the tests turn."""

import pytest

from inference_container.broker.ports import Committed, Partition
from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.deadlines import deadline_header
from inference_container.claims.messages import MAX_MESSAGE_BYTES
from inference_container.claims.ports import Ended, Held, Refused, Work
from inference_container.errors import BrokerUnavailable, CommitRefused, MessageTooLarge
from serving.errors import DependencyFailed
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.consuming.consumer_house import (
    CLAIM,
    TOPIC,
    TRAINING,
    EagerDesk,
    Member,
    WorstBroker,
    policy,
)
from tests.unit.inference_container.claims.samples import body

ONE = Partition(TOPIC, 0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def broker(clock: ManualClock) -> WorstBroker:
    return WorstBroker(clock, partitions=1)


def committed(broker: WorstBroker, partition: Partition = ONE) -> int | None:
    found = broker.committed([partition])
    return found[partition].offset if partition in found else None


def note(broker: WorstBroker, partition: Partition = ONE) -> str:
    return broker.committed([partition])[partition].note


def offsets(member: Member) -> list[int]:
    return [item.delivery.offset for item in member.desk.taken]


def test_claims_reach_the_desk_in_their_order(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(3)
    member = Member(broker, clock)
    member.turn()
    assert offsets(member) == [0, 1, 2]
    assert all(isinstance(item, Work) and item.attempts == 1 for item in member.desk.taken)


def test_nothing_is_fetched_that_has_no_place(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(50)
    member = Member(broker, clock, policy(bound=8))
    member.turn(5)
    assert offsets(member) == list(range(8))
    assert member.books.most_depth == 8


def test_no_poll_brings_more_than_was_allowed_at_once(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(50)
    member = Member(broker, clock, policy(bound=40, max_poll_records=3))
    member.turn()
    assert offsets(member) == [0, 1, 2]


def test_a_shut_gate_opens_only_at_the_low_watermark(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(50)
    member = Member(broker, clock, policy(bound=10))
    member.turn(2)
    assert member.gate.closed
    for item in member.desk.works[:4]:
        member.desk.end(item)
    member.turn()
    assert len(member.desk.taken) == 10, "six of ten is not half"
    member.desk.end(member.desk.works[0])
    member.turn()
    assert len(member.desk.taken) == 15


def test_a_shut_gate_goes_on_polling(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(50)
    member = Member(broker, clock)
    member.turn(20)
    assert broker.asked["poll"] == 20
    assert broker.consumers[0].paused == {ONE}


def test_what_the_desk_holds_stops_the_fetching_and_its_release_lets_it_go_on(
    broker: WorstBroker, clock: ManualClock
) -> None:
    member = Member(broker, clock)
    member.turn()
    member.desk.why = "store_unavailable"
    member.turn()
    broker.put(2)
    member.turn(3)
    assert not member.desk.taken
    member.desk.why = None
    member.turn()
    assert offsets(member) == [0, 1]


def test_a_partition_that_comes_while_the_gate_is_shut_brings_nothing(clock: ManualClock) -> None:
    broker = WorstBroker(clock, partitions=2)
    first, second = Member(broker, clock), Member(broker, clock)
    for _ in range(4):
        first.turn()
        second.turn()
    broker.put(40)
    first.turn(3)
    assert first.gate.closed
    depth = first.books.depth
    second.turns.leave()
    for _ in range(5):
        first.turn()
        assert first.consumer.paused == first.consumer.assigned, "from the moment on in which it comes"
    assert len(broker.consumers[0].assigned) == 2
    assert first.books.depth == depth
    for _ in range(6):
        first.desk.end_all()
        first.turn()
    assert {each.delivery.partition.number for each in first.desk.taken} == {0, 1}


def test_what_came_open_by_whatever_way_is_shut_in_the_next_turn(clock: ManualClock) -> None:
    broker = WorstBroker(clock, partitions=2)
    broker.put(20)
    member = Member(broker, clock)
    member.turn(2)
    assert member.gate.closed
    member.consumer.resume([ONE])
    member.turn()
    assert member.consumer.paused == member.consumer.assigned


def test_only_what_is_finished_is_committed_whatever_was_read(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(5)
    member = Member(broker, clock)
    member.turn()
    for offset in (0, 1, 3):
        member.desk.end(member.desk.taken[offset])
    clock.turn(0.3)
    member.turn(2)
    assert committed(broker) == 2


def test_commits_go_on_while_the_gate_is_shut(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(50)
    member = Member(broker, clock)
    member.turn(2)
    member.desk.end(member.desk.works[0])
    clock.turn(0.3)
    member.turn()
    assert member.gate.closed
    assert committed(broker) == 1


def test_when_enough_has_ended_no_time_is_waited_for(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(3)
    member = Member(broker, clock, policy(max_poll_records=3))
    member.turn()
    for item in member.desk.works[:2]:
        member.desk.end(item)
    member.turn()
    assert committed(broker) == 0
    member.desk.end_all()
    member.turn()
    assert committed(broker) == 3


def test_a_commit_that_is_not_answered_is_sent_again(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    member = Member(broker, clock, desk=EagerDesk)
    member.turn()
    broker.once["commit"] = BrokerUnavailable()
    clock.turn(0.3)
    member.turn()
    assert (committed(broker), member.pulse.commit_failures) == (0, 1)
    clock.turn(3)
    member.turn()
    assert committed(broker) == 2


def test_a_refused_commit_is_counted_and_left(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1)
    member = Member(broker, clock, desk=EagerDesk)
    member.turn()
    broker.once["commit"] = CommitRefused()
    clock.turn(0.3)
    member.turn()
    assert member.pulse.commit_failures == 1


def test_what_has_ended_is_committed_as_its_partition_goes(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(3)
    member = Member(broker, clock)
    member.turn()
    member.desk.end(member.desk.works[0])
    member.turns.leave()
    assert broker.committed([ONE])[ONE] == Committed(1), "what it had begun is no suspect: it lives"
    assert member.desk.withdrawn == {Delivery(ONE, 1, 1), Delivery(ONE, 2, 1)}


def test_a_withdrawn_claim_that_ends_is_not_taken_for_finished(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(3)
    member = Member(broker, clock, policy(assignor="range"))
    member.turn()
    rival = Member(broker, clock, policy(assignor="range"))
    rival.turn()
    member.turn()
    rival.turn()
    assert member.desk.withdrawn
    member.desk.end_all()
    clock.turn(0.3)
    member.turn(3)
    assert committed(broker) == 0
    assert not member.books.out


def test_what_was_dropped_is_read_again_when_its_partition_comes_straight_back(clock: ManualClock) -> None:
    """The client would go on behind what it has handed out: those in between would be lost with no lag to show."""
    broker = WorstBroker(clock, partitions=2)
    broker.put(8)
    member = Member(broker, clock, policy(assignor="range"))
    member.turn()
    assert len(member.desk.taken) == 8
    before = {item.record.source for item in member.desk.taken}
    rival = Member(broker, clock, policy(assignor="range"))
    for _ in range(3):
        rival.turn()
        member.turn()
    member.desk.end_all()
    member.turn(3)
    again = {item.record.source for item in member.desk.taken[8:] + rival.desk.taken}
    assert again == before


def test_nothing_is_committed_for_what_was_lost(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    member = Member(broker, clock)
    member.turn()
    clock.turn(301)
    member.desk.end_all()
    member.turn()
    assert committed(broker) == 0
    clock.turn(3)
    member.turn()
    assert offsets(member) == [0, 1, 0], "nobody knows whether they had ended: one after the other"


def test_places_of_what_was_lost_are_free_only_once_it_has_ended(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(20)
    member = Member(broker, clock, policy(bound=4))
    member.turn()
    clock.turn(301)
    member.turn(3)
    assert len(member.desk.taken) == 4
    member.desk.end_all()
    member.turn(2)
    assert len(member.desk.taken) > 4


def test_the_first_work_waits_until_the_broker_knows_of_it(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    member = Member(broker, clock)
    broker.always["commit"] = BrokerUnavailable()
    member.turn(3)
    assert not member.desk.taken
    assert member.books.depth == 2
    broker.always.clear()
    clock.turn(3)
    member.turn()
    assert offsets(member) == [0, 1]
    assert note(broker) == "a1 0:1 1:1"
    assert [item.attempts for item in member.desk.works] == [1, 1]


def crash(broker: WorstBroker, clock: ManualClock) -> Member:
    """The process dies in the middle of its work; the next one."""
    broker.consumers[-1].inner.crash()
    clock.turn(46)
    return Member(broker, clock)


def test_who_was_in_work_in_a_crash_is_worked_alone(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    Member(broker, clock).turn()
    broker.put(2)
    member = crash(broker, clock)
    member.turn(5)
    assert offsets(member) == [0]
    assert member.books.depth == 4, "those that wait have their places"
    member.desk.end_all()
    member.turn()
    assert offsets(member) == [0, 1]
    member.desk.end_all()
    member.turn()
    assert offsets(member) == [0, 1, 2, 3]
    assert [item.attempts for item in member.desk.taken] == [2, 2, 1, 1]


def test_a_suspect_waits_for_the_end_of_all_else(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1)
    Member(broker, clock).turn()
    member = crash(broker, clock)
    member.turn()
    clock.turn(301)
    member.turn(4)
    assert len(member.desk.taken) == 1, "it is still out, although not ours, and may kill yet"
    member.desk.end_all()
    member.turn()
    assert [item.attempts for item in member.desk.taken] == [2, 2], "this process lives: only the crash counts"


def test_what_only_stood_in_line_is_not_taken_for_finished_when_its_partition_goes(
    broker: WorstBroker, clock: ManualClock
) -> None:
    chosen = policy(assignor="range")
    broker.put(3)
    member = Member(broker, clock, chosen)
    broker.always["commit"] = BrokerUnavailable()
    member.turn()
    assert (member.books.out, member.books.waiting) == (0, 3)
    rival = Member(broker, clock, chosen)
    for _ in range(3):
        rival.turn()
        member.turn()
    broker.always.clear()
    for _ in range(12):
        clock.turn(0.3)
        for each in (member, rival):
            each.turn()
            each.desk.end_all()
    assert set(member.desk.recorded + rival.desk.recorded) == {f"{ONE}-{offset}" for offset in range(3)}
    assert committed(broker) == 3


def test_whoever_kills_every_process_is_put_aside_and_the_others_live(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(4)
    killer = 1
    recorded: list[str] = []
    member = Member(broker, clock)
    lives = 1
    for _ in range(60):
        member.turn()
        if any(item.delivery.offset == killer for item in member.desk.works):
            recorded += member.desk.recorded
            member, lives = crash(broker, clock), lives + 1
            continue
        member.desk.end_all()
        clock.turn(0.3)
    (letter,) = member.desk.refused
    assert (letter.delivery.offset, letter.why.reason, letter.attempts) == (killer, "worker_killer", 3)
    assert letter.claim is not None
    assert lives == 4
    assert set(recorded + member.desk.recorded) == {f"{ONE}-{offset}" for offset in range(4)}
    assert broker.committed([ONE])[ONE] == Committed(4)


def test_a_suspect_that_others_deaths_have_counted_out_is_no_dead_letter_once_its_result_may_be_out(
    broker: WorstBroker, clock: ManualClock
) -> None:
    """It was begun again and again, its result was sent, and each time the process died before the commit."""
    broker.put(1)
    member = Member(broker, clock)
    for _ in range(5):
        member.turn()
        (item,) = member.desk.works
        if item.suspect:
            told = member.desk.innocent(item)
            assert not told, "the desk waits until the broker knows"
            member.turn()
            assert told == [item.delivery]
        member = crash(broker, clock)
    member.turn()
    assert [type(each) for each in member.desk.taken] == [Work]


def test_nobody_is_told_of_a_suspect_while_the_broker_does_not_know(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1)
    Member(broker, clock).turn()
    member = crash(broker, clock)
    member.turn()
    broker.always["commit"] = BrokerUnavailable()
    (item,) = member.desk.works
    told = member.desk.innocent(item)
    for _ in range(3):
        clock.turn(0.3)
        member.turn()
    assert told == []
    broker.always.clear()
    clock.turn(3)
    member.turn()
    assert told == [item.delivery]


def test_a_move_to_another_member_makes_no_suspect(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    member = Member(broker, clock)
    for _ in range(5):
        member.turn(2)
        assert [item.attempts for item in member.desk.works] == [1, 1]
        member.turns.leave()
        member = Member(broker, clock)


def test_a_claim_that_was_held_is_not_counted_while_it_waits(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    for _ in range(6):
        member = Member(broker, clock)
        member.turn()
        member.desk.why = "store_unavailable"
        for item in member.desk.works:
            member.desk.hold(item)
            member.desk.hold(item)
        clock.turn(0.3)
        member.turn(2)
        assert note(broker) == ""
        broker.consumers[-1].inner.crash()
        clock.turn(46)
    assert [item.attempts for item in member.desk.works] == [1, 1]


def test_a_claim_that_was_held_counts_again_once_it_is_worked(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1)
    member = Member(broker, clock)
    member.turn()
    member.desk.why = "store_unavailable"
    member.desk.hold(member.desk.works[0])
    clock.turn(0.3)
    member.turn()
    member.desk.why = None
    clock.turn(0.3)
    member.turn()
    assert note(broker) == "a1 0:1"


def test_what_can_not_be_read_is_refused_and_the_partition_goes_on(broker: WorstBroker, clock: ManualClock) -> None:
    for value in (b"{", None, b"\xff", b"[]", b"x" * (MAX_MESSAGE_BYTES + 1)):
        broker.put(1, value)
    broker.put(1, headers=(("deadline_ms", b"tomorrow"),))
    broker.put(1)
    member = Member(broker, clock, desk=EagerDesk)
    member.turn()
    reasons = [item.why.reason if isinstance(item, Refused) else "work" for item in member.desk.taken]
    assert reasons == ["not_json", "tombstone", "not_utf8", "wrong_schema", "too_large", "bad_deadline", "work"]
    assert [item.attempts for item in member.desk.refused] == [0] * 6
    clock.turn(0.3)
    member.turn()
    assert committed(broker) == 7


def test_an_expired_claim_is_work_for_the_desk(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1, headers=(deadline_header(1),))
    member = Member(broker, clock)
    member.turn()
    (work,) = member.desk.works
    assert work.deadline is not None
    assert work.deadline.expired(clock)


def test_training_asks_nothing_of_this_service(clock: ManualClock) -> None:
    broker = WorstBroker(clock, partitions=1, topics=(TOPIC, TRAINING))
    broker.put(1, body({"operation": "Trained: GRU", "status": "SUCCESS", "run_id": "r-1"}), TRAINING)
    broker.put(1, body({"operation": "Training Started: GRU", "status": "RUNNING"}), TRAINING)
    broker.put(1, CLAIM, TRAINING)
    broker.put(1, b"{", TRAINING)
    member = Member(broker, clock, policy(topics=(TOPIC, TRAINING)), desk=EagerDesk)
    member.turn()
    (letter,) = member.desk.taken
    assert isinstance(letter, Refused)
    assert (letter.kind, letter.why.reason) == ("training", "not_json")
    assert member.metrics.outcomes.labels("skipped").value == 3
    clock.turn(0.3)
    member.turn()
    assert committed(broker, Partition(TRAINING, 0)) == 4


def test_partitions_stay_shut_until_it_is_known_what_was_begun_there(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    Member(broker, clock).turn()
    broker.consumers[-1].inner.crash()
    clock.turn(46)
    broker.always["committed"] = BrokerUnavailable()
    member = Member(broker, clock)
    member.turn(3)
    assert member.books.depth == 0
    assert note(broker) == "a1 0:1 1:1"
    broker.always.clear()
    clock.turn(3)
    member.turn(2)
    assert [(item.delivery.offset, item.attempts) for item in member.desk.works] == [(0, 2)]


def test_a_broker_that_does_not_answer_is_polled_again(broker: WorstBroker, clock: ManualClock) -> None:
    member = Member(broker, clock)
    member.turn()
    broker.put(1)
    broker.always["poll"] = BrokerUnavailable()
    member.turn(2)
    clock.turn(5)
    member.turn()
    assert member.pulse.statistics().poll_stall_s == 0, "whoever asks again and again does not hang"
    assert member.metrics.faults.labels("broker_unavailable").value == 3
    assert member.pulse.statistics().state == "backing_off"
    broker.always.clear()
    member.turn(2)
    assert offsets(member) == [0]
    assert member.pulse.statistics().state == "running"


def test_what_no_other_try_mends_ends_the_turn(broker: WorstBroker, clock: ManualClock) -> None:
    broker.always["poll"] = DependencyFailed()
    member = Member(broker, clock)
    with pytest.raises(DependencyFailed):
        member.turn()


def test_after_a_breakdown_all_is_read_again_and_nothing_was_committed(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(3)
    member = Member(broker, clock)
    member.turn()
    member.desk.end(member.desk.works[0])
    member.break_down()
    assert committed(broker) == 0
    assert len(member.desk.withdrawn) == 3
    member.desk.end_all()
    clock.turn(46)
    for _ in range(8):
        member.turn()
        member.desk.end_all()
    clock.turn(0.3)
    member.turn()
    assert committed(broker) == 3


def test_a_broker_that_takes_no_notes_costs_counts_and_no_claims(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1)
    member = Member(broker, clock)
    broker.once["commit"] = MessageTooLarge()
    member.turn()
    assert offsets(member) == [0]
    assert note(broker) == ""


def test_what_the_desk_never_had_can_not_end(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    member = Member(broker, clock)
    member.turn()
    member.books.enter(Ended(Delivery(ONE, 7, 1)))
    member.books.enter(Held(Delivery(ONE, 7, 1)))
    member.desk.end(member.desk.taken[0])
    member.turn()
    member.books.enter(Ended(member.desk.taken[0].delivery))
    assert member.books.depth == 1


def test_lag_is_the_end_less_what_is_committed_also_while_paused(clock: ManualClock) -> None:
    broker = WorstBroker(clock, partitions=2)
    broker.put(10)
    member = Member(broker, clock, policy(bound=4, max_poll_records=2))
    member.turn()
    clock.turn(0.1)
    member.turn()
    assert sum(member.pulse.statistics().lag.values()) == 10
    member.desk.end_all()
    member.desk.why = "store_unavailable"
    broker.put(1)
    clock.turn(2)
    member.turn(2)
    assert sum(member.pulse.statistics().lag.values()) == 11 - len(member.desk.recorded)


def test_nothing_is_handed_over_while_stopping_and_what_is_out_may_end(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    member = Member(broker, clock)
    member.turn()
    broker.put(2)
    member.turn(3, stopping=True)
    assert offsets(member) == [0, 1]
    assert not member.turns.idle
    member.desk.end_all()
    clock.turn(0.3)
    member.turn(stopping=True)
    assert member.turns.idle
    assert committed(broker) == 2


def test_what_the_desk_lets_go_of_unrecorded_is_worked_again_and_never_passed_over(
    broker: WorstBroker, clock: ManualClock
) -> None:
    broker.put(2)
    member = Member(broker, clock)
    member.turn()
    for tries in range(1, 4):
        (first,) = (item for item in member.desk.inside.values() if item.delivery.offset == 0)
        assert isinstance(first, Work)
        assert first.attempts == tries
        member.desk.let_go(first)
        member.turn()
        assert 0 not in {item.delivery.offset for item in member.desk.inside.values()}, "not again at once"
        clock.turn(3)
        member.turn(2)
        assert committed(broker) == 0
    (letter,) = member.desk.refused
    assert (letter.delivery.offset, letter.why.reason, letter.attempts) == (0, "unexpected_error", 3)
    member.desk.end_all()
    clock.turn(3)
    member.turn()
    assert committed(broker) == 2


def test_what_stands_in_line_is_not_handed_over_any_more_once_it_stops(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(2)
    member = Member(broker, clock)
    broker.once["commit"] = BrokerUnavailable()
    member.turn()
    clock.turn(3)
    member.turn(2, stopping=True)
    assert not member.desk.taken
    assert member.turns.idle
    member.turns.leave()
    assert committed(broker) == 0, "nor is it taken for finished"


def test_what_only_stands_in_line_can_not_end(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1)
    member = Member(broker, clock)
    broker.once["commit"] = BrokerUnavailable()
    member.turn()
    assert member.books.waiting == 1
    member.books.enter(Ended(Delivery(ONE, 0, 1)))
    assert member.books.depth == 1


def test_what_is_finished_is_committed_before_leaving_should_the_good_bye_fail(
    broker: WorstBroker, clock: ManualClock
) -> None:
    broker.put(2)
    member = Member(broker, clock)
    member.turn()
    member.desk.end(member.desk.works[0])
    broker.once["revoked"] = BrokerUnavailable()
    member.turns.leave()
    assert committed(broker) == 1


def test_what_came_back_unrecorded_is_no_suspect_in_the_next_life(broker: WorstBroker, clock: ManualClock) -> None:
    broker.put(1)
    member = Member(broker, clock)
    member.turn()
    assert note(broker) == "a1 0:1"
    member.desk.why = "store_unavailable"
    member.desk.let_go(member.desk.works[0])
    clock.turn(0.3)
    member.turn()
    assert note(broker) == ""
