from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Partition
from inference_container.broker.sharing import Shares, share_range, share_sticky

COUNTS = st.dictionaries(st.sampled_from(["claims", "training", "selected"]), st.integers(0, 7), min_size=1)
MEMBERS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, unique=True)


def everything(counts: dict[str, int]) -> set[Partition]:
    return {Partition(topic, number) for topic, count in counts.items() for number in range(count)}


def check(shares: Shares, counts: dict[str, int], members: list[str]) -> None:
    assert set(shares) == set(members)
    given_out = [partition for share in shares.values() for partition in share]
    assert len(given_out) == len(set(given_out))
    assert set(given_out) == everything(counts)


@given(COUNTS, MEMBERS)
def test_range_always_gives_every_partition_to_exactly_one(counts: dict[str, int], members: list[str]) -> None:
    shares = share_range(counts, {member: list(counts) for member in members})
    check(shares, counts, members)
    for topic in counts:
        sizes = [sum(each.topic == topic for each in share) for share in shares.values()]
        assert max(sizes) - min(sizes) <= 1


@given(COUNTS, MEMBERS, st.data())
def test_sticky_is_always_even_and_moves_no_more_than_evenness_needs(
    counts: dict[str, int], members: list[str], data: st.DataObject
) -> None:
    owners = {
        partition: data.draw(st.sampled_from([*members, "gone", None])) for partition in sorted(everything(counts))
    }
    owned = {member: {each for each, owner in owners.items() if owner == member} for member in members}
    shares = share_sticky(counts, {member: list(counts) for member in members}, owned)
    check(shares, counts, members)
    sizes = sorted((len(share) for share in shares.values()), reverse=True)
    assert sizes[0] - sizes[-1] <= 1
    quota = dict(zip(sorted(members, key=lambda member: -len(owned[member])), sizes, strict=True))
    kept = sum(len(owned[member] & shares[member]) for member in members)
    assert kept == sum(min(len(owned[member]), quota[member]) for member in members)


def test_nobody_gets_a_topic_it_did_not_ask_for() -> None:
    counts = {"claims": 4, "training": 2}
    topics = {"a": ["claims"], "b": ["claims", "training"], "c": ["other"]}
    for shares in (share_range(counts, topics), share_sticky(counts, topics, {"a": everything(counts)})):
        assert {partition.topic for partition in shares["a"]} == {"claims"}
        assert shares["c"] == frozenset()
        assert {each for share in shares.values() for each in share} == everything(counts)
