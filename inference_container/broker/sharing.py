"""Who of a group reads what: the two ways of sharing out partitions that the broker in memory offers.

Pure: members and topics in, shares out. Kafka's own sharing is done by its client; the names here are its names.
"""

from collections.abc import Collection, Mapping

from inference_container.broker.ports import Partition

#: Partitions of each member.
Shares = dict[str, frozenset[Partition]]

RANGE = "range"
COOPERATIVE_STICKY = "cooperative-sticky"


def share_range(counts: Mapping[str, int], topics: Mapping[str, Collection[str]]) -> Shares:
    """Neighbouring partitions, topic by topic, in the order of the members' names.

    Args:
        counts: how many partitions each topic has.
        topics: what each member wants to read.
    """
    shares: dict[str, set[Partition]] = {member: set() for member in topics}
    for topic, count in counts.items():
        readers = sorted(member for member in topics if topic in topics[member])
        for place, member in enumerate(readers):
            first, behind = place * count // len(readers), (place + 1) * count // len(readers)
            shares[member] |= {Partition(topic, number) for number in range(first, behind)}
    return {member: frozenset(share) for member, share in shares.items()}


def share_sticky(
    counts: Mapping[str, int], topics: Mapping[str, Collection[str]], owned: Mapping[str, Collection[Partition]]
) -> Shares:
    """Evenly, and as little as possible moves.

    Args:
        counts: how many partitions each topic has.
        topics: what each member wants to read.
        owned: what each member reads now.
    """
    shares: dict[str, set[Partition]] = {member: set() for member in topics}
    everything = [Partition(topic, number) for topic in sorted(counts) for number in range(counts[topic])]
    left = dict.fromkeys(everything)
    for member in sorted(topics):
        for partition in sorted(owned.get(member, ())):
            if partition in left and partition.topic in topics[member]:
                del left[partition]
                shares[member].add(partition)
    for partition in left:
        readers = [member for member in sorted(topics) if partition.topic in topics[member]]
        if readers:
            shares[min(readers, key=lambda member: len(shares[member]))].add(partition)
    while _moved_one(shares, topics):
        pass
    return {member: frozenset(share) for member, share in shares.items()}


def _moved_one(shares: dict[str, set[Partition]], topics: Mapping[str, Collection[str]]) -> bool:
    """Takes one partition from who has more to who has at least two fewer; False when nobody has."""
    by_load = sorted(shares, key=lambda member: (len(shares[member]), member))
    for rich in reversed(by_load):
        for poor in by_load:
            if len(shares[rich]) - len(shares[poor]) < 2:
                break
            fitting = [partition for partition in shares[rich] if partition.topic in topics[poor]]
            if fitting:
                moved = max(fitting)
                shares[rich].discard(moved)
                shares[poor].add(moved)
                return True
    return False
