"""What `inference_container.broker.ports` promises of commits. A subclass brings the fixture `world`."""

import threading
from collections.abc import Mapping

import pytest

from inference_container.broker.ports import Committed, Partition
from inference_container.errors import CommitRefused, MessageTooLarge
from tests.suites.broker import ASSIGNORS, fill
from tests.suites.members import Member, World, join, offsets, settled, turn


class Committing:
    def test_the_next_member_begins_at_what_is_committed(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        ends = fill(world, topic, 40)
        first = join(world, group, topic)
        turn(world, [first], lambda: len(first.got) == 40)
        half = {partition: end // 2 for partition, end in ends.items()}
        first.consumer.commit(half)
        assert offsets(first.consumer.committed(ends.keys())) == half
        first.consumer.close()
        members.append(second := join(world, group, topic))
        turn(world, members, lambda: len(second.got) == 40 - sum(half.values()))
        assert {record.partition: record.offset for record in reversed(second.got)} == half

    def test_committing_nothing_is_allowed(self, world: World, topic: str, group: str, members: list[Member]) -> None:
        members.append(reader := join(world, group, topic))
        reader.consumer.commit({})

    def test_a_note_lies_beside_its_offset_until_the_next_commit(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        ends = fill(world, topic, 40)
        first = join(world, group, topic)
        turn(world, [first], lambda: len(first.got) == 40)
        zero, one, two = (Partition(topic, number) for number in range(3))
        first.consumer.commit({zero: 1, one: 1}, {zero: "a1 0:2 é", two: "of nothing"})
        noted = {zero: Committed(1, "a1 0:2 é"), one: Committed(1)}
        assert dict(first.consumer.committed(ends)) == noted
        first.consumer.close()
        members.append(second := join(world, group, topic))
        assert dict(second.consumer.committed(ends)) == noted
        turn(world, members, lambda: len(second.consumer.assigned) == 4)
        second.consumer.commit({zero: 1})
        assert dict(second.consumer.committed([zero])) == {zero: Committed(1)}

    def test_a_note_that_is_too_long_is_not_kept(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        members.append(reader := join(world, group, topic))
        turn(world, members, lambda: len(reader.consumer.assigned) == 4)
        zero = Partition(topic, 0)
        reader.consumer.commit({zero: 0}, {zero: "x" * 4096})
        with pytest.raises(MessageTooLarge):
            reader.consumer.commit({zero: 0}, {zero: "y" * 4097})
        assert dict(reader.consumer.committed([zero])) == {zero: Committed(0, "x" * 4096)}

    @ASSIGNORS
    def test_nobody_commits_for_a_partition_of_another(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        ends = fill(world, topic, 40)
        members += [join(world, group, topic, assignor), join(world, group, topic, assignor)]
        turn(world, members, lambda: settled(members, 4))
        theirs = next(iter(members[1].consumer.assigned))
        with pytest.raises(CommitRefused):
            members[0].consumer.commit({theirs: ends[theirs]})
        with pytest.raises(CommitRefused):
            members[0].consumer.commit({Partition("elsewhere", 0): 1})
        members[1].consumer.commit({theirs: ends[theirs]})
        assert offsets(members[0].consumer.committed([theirs])) == {theirs: ends[theirs]}

    @ASSIGNORS
    def test_what_revoked_returns_is_committed_when_a_member_leaves(
        self, world: World, topic: str, group: str, members: list[Member], assignor: str
    ) -> None:
        fill(world, topic, 40)
        leaver = join(world, group, topic, assignor)
        turn(world, [leaver], lambda: len(leaver.got) == 40)
        finished: Mapping[Partition, int] = dict.fromkeys(leaver.consumer.assigned, 3)
        leaver.told.to_commit, leaver.told.note = dict(finished), "a1 0:2"
        leaver.consumer.close()
        assert leaver.told.changes[-1] == ("revoked", frozenset(finished))
        assert leaver.consumer.assigned == frozenset()
        members.append(heir := join(world, group, topic, assignor))
        turn(world, members, lambda: len(heir.got) == 40 - 12)
        assert {record.partition: record.offset for record in reversed(heir.got)} == finished
        assert set(heir.consumer.committed(finished).values()) == {Committed(3, "a1 0:2")}

    def test_closing_commits_nothing_by_itself(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        fill(world, topic, 40)
        leaver = join(world, group, topic)
        turn(world, [leaver], lambda: len(leaver.got) == 40)
        leaver.consumer.close()
        members.append(heir := join(world, group, topic))
        turn(world, members, lambda: len(heir.got) == 40)
        assert threading.get_ident() in leaver.told.threads
