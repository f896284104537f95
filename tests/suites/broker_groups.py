"""What `inference_container.broker.ports` promises of groups that change. A subclass brings the fixture `world`."""

import threading
from collections.abc import Collection

import pytest

from inference_container.broker.ports import Partition
from inference_container.errors import BrokerUnavailable, CommitRefused
from serving.errors import DependencyFailed
from tests.suites.broker import ASSIGNORS, fill
from tests.suites.members import Member, World, join, settled, turn


def finish_all(member: Member) -> None:
    """From now on it gives back partitions with everything it got finished."""

    def note(partitions: Collection[Partition]) -> None:
        member.told.to_commit = member.positions

    member.told.on_revoked = note


class Changing:
    @ASSIGNORS
    def test_a_second_member_gets_its_share_and_nothing_is_read_twice(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        fill(world, topic, 40)
        members.append(first := join(world, group, topic, assignor))
        finish_all(first)
        turn(world, members, lambda: len(first.got) == 40)
        members.append(second := join(world, group, topic, assignor))
        finish_all(second)
        turn(world, members, lambda: settled(members, 4))
        assert [len(member.consumer.assigned) for member in members] == [2, 2]
        fill(world, topic, 40)
        turn(world, members, lambda: len(first.got) + len(second.got) >= 80)
        assert len({*first.sources, *second.sources}) == 80 == len(first.got) + len(second.got)

    @ASSIGNORS
    def test_a_group_that_has_settled_stays_so(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        for _ in range(3):  # who leads the group is the first to poll
            members.append(join(world, group, topic, assignor))
            turn(world, members, lambda: settled(members, 4))
        told = [list(member.told.changes) for member in members]
        fill(world, topic, 40)
        turn(world, members, lambda: sum(len(member.got) for member in members) == 40)
        for _ in range(10):
            assert [member.poll() for member in members] == [[], [], []]
            world.tick(0.05)
        assert [member.told.changes for member in members] == told

    @ASSIGNORS
    def test_all_changes_are_told_on_the_thread_that_polls(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        members += [join(world, group, topic, assignor), join(world, group, topic, assignor)]
        turn(world, members, lambda: settled(members, 4))
        members.pop().consumer.close()
        turn(world, members, lambda: settled(members, 4))
        assert members[0].told.threads == {threading.get_ident()}

    @ASSIGNORS
    def test_new_partitions_are_open_and_can_be_shut_before_they_give_anything(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        members += [join(world, group, topic, assignor), join(world, group, topic, assignor)]
        turn(world, members, lambda: settled(members, 4))
        first, second = members
        first.consumer.pause(first.consumer.assigned)
        paused_in_time: list[bool] = []

        def shut(partitions: Collection[Partition]) -> None:
            paused_in_time.append(not first.consumer.paused & set(partitions))
            first.consumer.pause(partitions)

        first.told.on_assigned = shut
        fill(world, topic, 40)
        members.remove(second)
        second.consumer.close()
        turn(world, members, lambda: len(first.consumer.assigned) == 4)
        assert all(first.poll() == [] for _ in range(5))
        assert first.consumer.paused == first.consumer.assigned
        assert paused_in_time
        assert all(paused_in_time)

    def test_range_gives_all_back_and_reads_what_comes_back_from_what_is_committed(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        fill(world, topic, 40)
        members.append(first := join(world, group, topic, "range"))
        turn(world, members, lambda: len(first.got) == 40)
        finished = dict.fromkeys(first.consumer.assigned, 2)
        first.told.to_commit = {**finished}
        before, first.got = first.got, []
        members.append(second := join(world, group, topic, "range"))
        turn(world, members, lambda: settled(members, 4))
        assert ("revoked", frozenset(finished)) in first.told.changes
        turn(world, members, lambda: len(first.got) + len(second.got) >= 32)
        again = {record.source for record in before if record.offset >= 2}
        assert {*first.sources, *second.sources} == again
        assert len(first.got) + len(second.got) == 32

    def test_range_reads_a_partition_that_nothing_is_committed_for_from_the_beginning_again(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        fill(world, topic, 40)
        members.append(first := join(world, group, topic, "range"))
        turn(world, members, lambda: len(first.got) == 40)
        first.got = []
        members.append(second := join(world, group, topic, "range"))
        turn(world, members, lambda: settled(members, 4) and len(first.got) + len(second.got) >= 40)
        assert len({*first.sources, *second.sources}) == 40

    @ASSIGNORS
    def test_reading_begins_where_assigned_says(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        ends = fill(world, topic, 40)
        members.append(reader := join(world, group, topic, assignor))
        reader.told.begin_at = {partition: end - 1 for partition, end in ends.items()}
        turn(world, members, lambda: len(reader.got) == 4)
        assert {record.partition: record.offset + 1 for record in reader.got} == ends
        assert reader.poll() == []

    def test_cooperative_leaves_alone_what_does_not_move(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        fill(world, topic, 40)
        members.append(first := join(world, group, topic, "cooperative-sticky"))
        turn(world, members, lambda: len(first.got) == 40)
        first.consumer.pause(first.consumer.assigned)
        members.append(join(world, group, topic, "cooperative-sticky"))
        turn(world, members, lambda: settled(members, 4))
        moved = first.told.all_of("revoked")
        assert len(moved) == 2
        assert first.consumer.paused == first.consumer.assigned
        assert not first.consumer.assigned & moved
        first.consumer.resume(first.consumer.assigned)
        fill(world, topic, 40)
        mine = first.consumer.assigned
        turn(world, members, lambda: sum(record.partition in mine for record in first.got[40:]) >= 1)
        turn(world, members, lambda: len({*first.sources, *members[1].sources}) == 80)
        assert len(first.sources) == len(set(first.sources))  # nothing it kept was read again

    @ASSIGNORS
    def test_a_member_that_dies_is_missed_when_its_session_has_run_out(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        fill(world, topic, 40)
        first = join(world, group, topic, assignor, session_timeout_s=1.5)
        members.append(second := join(world, group, topic, assignor))
        turn(world, [first, second], lambda: settled([first, second], 4))
        turn(world, [first, second], lambda: len({*first.sources, *second.sources}) == 40)
        dead = first.consumer.assigned
        world.crash(first.consumer)
        second.got = []
        turn(world, members, lambda: len(second.consumer.assigned) == 4)
        turn(world, members, lambda: {record.partition for record in second.got} >= dead)
        assert second.told.all_of("lost") == set()

    @ASSIGNORS
    def test_who_does_not_poll_is_thrown_out_and_may_commit_nothing(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        ends = fill(world, topic, 40)
        members.append(slow := join(world, group, topic, assignor, max_poll_interval_s=2.0))
        turn(world, members, lambda: len(slow.got) == 40)
        world.pass_time(3.0)
        with pytest.raises(CommitRefused):
            slow.consumer.commit(ends)
        slow.told.to_commit = ends
        turn(world, members, lambda: len(slow.got) == 80)  # everything once more: nothing was committed
        changes = [change for change, _ in slow.told.changes]
        assert changes == ["assigned", "lost", "assigned"]
        assert slow.told.all_of("lost") == set(ends)

    @ASSIGNORS
    def test_an_error_of_the_listener_comes_out_of_the_poll_and_loses_nothing(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        fill(world, topic, 40)
        members.append(reader := join(world, group, topic, assignor))

        def fail(partitions: Collection[Partition]) -> None:
            reader.told.on_assigned = lambda partitions: None
            raise LookupError("a bug in the listener")

        reader.told.on_assigned = fail
        with pytest.raises(LookupError):
            turn(world, members, lambda: False)
        turn(world, members, lambda: len(reader.got) == 40)
        assert len(set(reader.sources)) == 40


class Naming:
    def test_a_named_member_that_comes_back_finds_its_partitions_and_disturbs_nobody(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        first = join(world, group, topic, instance_id="one")
        members.append(second := join(world, group, topic, instance_id="two"))
        turn(world, [first, second], lambda: settled([first, second], 4))
        had, second.told.changes = first.consumer.assigned, []
        first.consumer.close()
        members.append(back := join(world, group, topic, instance_id="one"))
        turn(world, members, lambda: back.consumer.assigned == had)
        assert second.told.changes == []

    def test_of_two_with_one_name_the_older_is_shut_out(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        ends = fill(world, topic, 40)
        members.append(older := join(world, group, topic, instance_id="one"))
        turn(world, members, lambda: len(older.got) == 40)
        members.append(newer := join(world, group, topic, instance_id="one"))
        turn(world, [newer], lambda: len(newer.got) == 40)
        with pytest.raises(CommitRefused):
            older.consumer.commit(ends)
        with pytest.raises(DependencyFailed) as refused:
            older.poll()
        assert not isinstance(refused.value, BrokerUnavailable)  # no other try will mend it
        assert older.told.changes[-1] == ("lost", frozenset(ends))
        newer.consumer.commit(ends)
