"""What `inference_container.broker.ports` promises of sending and reading. A subclass brings the fixture `world`."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from inference_container.broker.ports import Headers, Partition
from inference_container.errors import BrokerUnavailable, MessageTooLarge
from tests.suites.members import Member, World, join, turn

ASSIGNORS = pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])


@pytest.fixture
def topic(world: World) -> str:
    """A topic of this test alone, with four partitions."""
    name = f"claims-{uuid.uuid4().hex[:8]}"
    world.broker.ensure_topics({name: 4})
    return name


@pytest.fixture
def group() -> str:
    return f"workers-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def members() -> Iterator[list[Member]]:
    """Those put in here leave in the end."""
    here: list[Member] = []
    yield here
    for member in here:
        member.told.on_revoked = member.told.on_assigned = lambda partitions: None
        member.consumer.close()


def fill(world: World, topic: str, count: int) -> dict[Partition, int]:
    """So many messages with a number as their value; how many each partition got."""
    producer = world.broker.producer()
    pending = [producer.send(topic, b"%d" % number, key=b"key-%d" % number) for number in range(count)]
    producer.flush(10)
    producer.close()
    ends: dict[Partition, int] = {}
    for each in pending:
        ends[each.result(0).partition] = each.result(0).offset + 1
    return ends


class Sending:
    def test_a_message_arrives_as_it_was_sent(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        headers: Headers = (("deadline_ms", b"12"), ("twice", b"a"), ("twice", b"\xff\x00"), ("empty", b""))
        producer = world.broker.producer()
        sent = producer.send(topic, b"\x00value", b"key", headers, timestamp_ms=1_700_000_000_123).result(10)
        producer.close()
        members.append(reader := join(world, group, topic))
        turn(world, members, lambda: len(reader.got) == 1)
        (record,) = reader.got
        assert (record.partition, record.offset) == (sent.partition, sent.offset)
        assert (record.key, record.value, record.headers) == (b"key", b"\x00value", headers)
        assert record.timestamp_ms == 1_700_000_000_123
        assert record.source == f"{topic}-{sent.partition.number}-{sent.offset}"

    @pytest.mark.parametrize("key", [b"key", None])
    def test_a_tombstone_stays_one_even_without_a_key(
        self, world: World, topic: str, group: str, members: list[Member], key: bytes | None
    ) -> None:
        producer = world.broker.producer()
        producer.send(topic, None, key).result(10)
        producer.close()
        members.append(reader := join(world, group, topic))
        turn(world, members, lambda: len(reader.got) == 1)
        assert (reader.got[0].key, reader.got[0].value) == (key, None)

    def test_equal_keys_lie_in_one_partition_in_their_order(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        producer = world.broker.producer()
        with ThreadPoolExecutor(4) as senders:  # from any thread
            keys = [b"a", b"b", b"c", b"d"]
            told = senders.map(lambda key: [producer.send(topic, b"%d" % n, key) for n in range(20)], keys)
        sent = [[each.result(10) for each in futures] for futures in told]
        producer.close()
        assert all(len({each.partition for each in of_key}) == 1 for of_key in sent)
        members.append(reader := join(world, group, topic))
        turn(world, members, lambda: len(reader.got) == 80)
        for key in keys:
            assert [record.value for record in reader.got if record.key == key] == [b"%d" % n for n in range(20)]

    def test_messages_without_a_key_use_all_partitions(self, world: World, topic: str) -> None:
        producer = world.broker.producer()
        pending = [producer.send(topic, b"x" * 2000) for _ in range(200)]
        assert len({each.result(10).partition for each in pending}) == 4
        producer.close()

    def test_what_is_too_large_says_so(self, world: World, topic: str) -> None:
        producer = world.broker.producer()
        with pytest.raises(MessageTooLarge):
            producer.send(topic, b"x" * (world.largest + 1)).result(10)
        producer.send(topic, b"x" * (world.largest - 1000)).result(10)
        producer.close()

    def test_a_topic_that_is_not_there_is_worth_another_try(self, world: World) -> None:
        producer = world.broker.producer()
        with pytest.raises(BrokerUnavailable):
            producer.send("nobody-made-this", b"x").result(10)
        producer.close()

    def test_topics_that_are_there_stay_as_they_are(self, world: World, topic: str) -> None:
        fill(world, topic, 10)
        world.broker.ensure_topics({topic: 7})
        producer = world.broker.producer()
        partitions = {producer.send(topic, b"x", b"%d" % n).result(10).partition.number for n in range(40)}
        producer.close()
        assert partitions == {0, 1, 2, 3}


class Reading:
    def test_a_new_group_begins_at_the_earliest_message(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        ends = fill(world, topic, 40)
        members.append(reader := join(world, group, topic))
        turn(world, members, lambda: len(reader.got) == 40)
        assert reader.positions == ends
        assert dict(reader.consumer.end_offsets(ends.keys())) == ends
        assert dict(reader.consumer.committed(ends.keys())) == {}

    def test_a_topic_that_is_made_later_is_read_from_its_beginning(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        members.append(reader := join(world, group, f"{topic}-late"))
        for _ in range(3):
            assert reader.poll() == []
        world.broker.ensure_topics({f"{topic}-late": 2})
        fill(world, f"{topic}-late", 10)
        turn(world, members, lambda: len(reader.got) == 10)

    def test_no_poll_gives_more_than_was_asked_for(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        fill(world, topic, 40)
        members.append(reader := join(world, group, topic))
        sizes: list[int] = []
        while len(reader.got) < 40:
            sizes.append(len(reader.poll(7)))
        assert max(sizes) == 7

    def test_asking_for_none_gives_none_and_is_a_sign_of_life(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        fill(world, topic, 40)
        members.append(reader := join(world, group, topic))
        while not reader.consumer.assigned:
            assert reader.poll(0) == []
        for _ in range(10):
            assert reader.poll(0) == []
        assert reader.consumer.paused == frozenset()
        turn(world, members, lambda: len(reader.got) == 40)

    def test_paused_partitions_give_nothing_until_they_are_resumed(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        members.append(reader := join(world, group, topic))
        turn(world, members, lambda: len(reader.consumer.assigned) == 4)
        shut = {Partition(topic, 1), Partition(topic, 2)}
        reader.consumer.pause(shut)
        ends = fill(world, topic, 40)
        open_ones = sum(end for partition, end in ends.items() if partition not in shut)
        turn(world, members, lambda: len(reader.got) == open_ones)
        assert all(reader.poll() == [] for _ in range(5))
        assert reader.consumer.paused == shut
        reader.consumer.resume([Partition(topic, 1)])
        turn(world, members, lambda: len(reader.got) == open_ones + ends[Partition(topic, 1)])
        assert reader.consumer.paused == {Partition(topic, 2)}

    def test_a_partition_that_is_paused_half_read_goes_on_when_it_is_resumed(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        ends = fill(world, topic, 40)
        members.append(reader := join(world, group, topic))
        while not reader.got:
            reader.poll(1)
        half_read = reader.got[0].partition
        assert ends[half_read] > 1
        reader.consumer.pause([half_read])
        turn(world, members, lambda: len(reader.got) == 41 - ends[half_read])
        reader.consumer.resume([half_read])
        turn(world, members, lambda: len(reader.got) == 40)
        assert reader.positions == ends
        assert len(set(reader.sources)) == 40

    def test_partitions_of_others_can_not_be_paused(
        self, world: World, topic: str, group: str, members: list[Member]
    ) -> None:
        members.append(reader := join(world, group, topic))
        reader.consumer.pause([Partition(topic, 0), Partition("elsewhere", 9)])
        reader.consumer.resume([Partition("elsewhere", 9)])
        assert reader.consumer.paused == frozenset()

    def test_every_group_gets_everything(self, world: World, topic: str, group: str, members: list[Member]) -> None:
        fill(world, topic, 20)
        members += [join(world, group, topic), join(world, f"{group}-too", topic)]
        turn(world, members, lambda: all(len(member.got) == 20 for member in members))

    def test_a_closed_consumer_stays_closed(self, world: World, topic: str, group: str) -> None:
        reader = join(world, group, topic)
        reader.consumer.close()
        reader.consumer.close()
        with pytest.raises(RuntimeError):
            reader.poll()
