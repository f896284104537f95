"""The books of the KV cache against a cache that is played with, and what is kept for whom."""

from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service_chat.engines.gguf.cells import Cells, Kept, Placed, PrefixShelf

SYSTEM = (1, 2, 3, 4)


def placed(shelf: PrefixShelf, tokens: Iterable[int], scope: str | None, pinned: bool = False) -> Kept:
    outcome = shelf.place(tuple(tokens), scope, pinned)
    assert outcome is not None
    return outcome.kept


# --- the shelf --------------------------------------------------------------------------------------------------------


def test_the_system_part_is_found_for_everybody_and_no_further() -> None:
    shelf = PrefixShelf([8])
    kept = placed(shelf, [*SYSTEM, 5, 6], None, pinned=True)
    assert shelf.find([*SYSTEM, 5, 6, 7], shared=4, scope="anna") == (kept, 4)
    assert shelf.find([*SYSTEM, 5, 6, 7], shared=4, scope=None) == (kept, 4)


def test_what_was_read_for_a_scope_is_found_for_that_scope_only() -> None:
    shelf = PrefixShelf([8, 9])
    system = placed(shelf, SYSTEM, None, pinned=True)
    anna = placed(shelf, [*SYSTEM, 5, 6], "anna")
    prompt = [*SYSTEM, 5, 6, 7]
    assert shelf.find(prompt, 4, "anna") == (anna, 6)
    assert shelf.find(prompt, 4, "bert") == (system, 4)
    assert shelf.find(prompt, 4, None) == (system, 4)


def test_the_last_token_of_a_prompt_is_always_left_to_be_read() -> None:
    shelf = PrefixShelf([8])
    kept = placed(shelf, SYSTEM, None)
    assert shelf.find(SYSTEM, 4, None) == (kept, 3)
    assert shelf.find(SYSTEM[:1], 1, None) == (None, 0)
    assert shelf.find([], 0, None) == (None, 0)


def test_of_equals_the_pinned_one_is_taken() -> None:
    shelf = PrefixShelf([8, 9, 10])
    placed(shelf, [*SYSTEM, 9], "anna")
    pinned = placed(shelf, SYSTEM, None, pinned=True)
    assert shelf.find([*SYSTEM, 7, 8], 4, "anna") == (pinned, 4)


def test_a_longer_text_of_a_scope_takes_the_place_of_its_beginning() -> None:
    shelf = PrefixShelf([8, 9])
    first = placed(shelf, [1, 2], "anna")
    assert shelf.place([1, 2, 3], "bert") is not None
    outcome = shelf.place([1, 2, 3], "anna")
    assert outcome is not None
    assert outcome.evicted is first
    assert outcome.kept.seq == first.seq
    assert len(shelf) == 2


def test_what_is_kept_already_is_not_placed_again_but_counts_as_used() -> None:
    shelf = PrefixShelf([8, 9])
    first = placed(shelf, [1, 2, 3], "anna")
    second = placed(shelf, [4], "anna")
    assert shelf.place([1, 2], "anna") is None
    assert shelf.place([], "anna") is None
    assert [shelf.evict_oldest(), shelf.evict_oldest()] == [second, first]


def test_without_a_free_sequence_the_least_recently_used_goes() -> None:
    shelf = PrefixShelf([8, 9])
    first, second = placed(shelf, [1, 1], "anna"), placed(shelf, [2, 2], "bert")
    shelf.find([1, 1, 1], 0, "anna")
    outcome = shelf.place([3, 3], "carl")
    assert outcome == Placed(outcome.kept, second) if outcome else False
    assert shelf.find([1, 1, 1], 0, "anna") == (first, 2)


def test_pinned_entries_are_never_evicted() -> None:
    shelf = PrefixShelf([8])
    placed(shelf, SYSTEM, None, pinned=True)
    assert shelf.place([9], "anna") is None
    assert shelf.evict_oldest() is None
    assert shelf.drop_unpinned() == []
    assert shelf.total_tokens() == 4


def test_room_is_made_without_the_entry_that_is_about_to_be_used() -> None:
    shelf = PrefixShelf([8, 9])
    first, second = placed(shelf, [1], "anna"), placed(shelf, [2], "bert")
    assert shelf.evict_oldest(spare=first) is second
    assert shelf.evict_oldest(spare=first) is None


def test_all_but_the_pinned_can_be_dropped_and_their_sequences_used_again() -> None:
    shelf = PrefixShelf([8, 9, 10])
    placed(shelf, SYSTEM, None, pinned=True)
    others = [placed(shelf, [7], "anna"), placed(shelf, [8], "bert")]
    assert shelf.drop_unpinned() == others
    assert {placed(shelf, [7], "anna").seq, placed(shelf, [8], "bert").seq} == {9, 10}


SCOPES = st.sampled_from([None, "anna", "bert", "carl"])
TEXTS = st.lists(st.integers(0, 1), max_size=8)


@given(
    entries=st.lists(st.tuples(TEXTS, SCOPES, st.booleans()), max_size=12),
    prompt=TEXTS,
    shared=st.integers(0, 8),
    scope=SCOPES,
)
def test_another_scope_never_gives_more_than_the_shared_part(
    entries: list[tuple[list[int], str | None, bool]], prompt: list[int], shared: int, scope: str | None
) -> None:
    shelf = PrefixShelf([4, 5, 6])
    for tokens, owner, pinned in entries:
        shelf.place(tokens, owner, pinned)
    kept, usable = shelf.find(prompt, shared, scope)
    assert usable <= max(0, len(prompt) - 1)
    if kept is None:
        assert usable == 0
        return
    assert list(kept.tokens[:usable]) == prompt[:usable]
    assert kept.scope in (None, scope)
    if kept.scope is None:
        assert usable <= shared


@given(st.lists(st.tuples(TEXTS, SCOPES, st.booleans()), max_size=20))
def test_two_entries_never_have_the_same_sequence(entries: list[tuple[list[int], str | None, bool]]) -> None:
    shelf, live = PrefixShelf([4, 5, 6]), dict[int, Kept]()
    for tokens, owner, pinned in entries:
        outcome = shelf.place(tokens, owner, pinned)
        if outcome is None:
            continue
        if outcome.evicted is not None:
            assert live.pop(outcome.evicted.seq) is outcome.evicted
        assert outcome.kept.seq not in live
        live[outcome.kept.seq] = outcome.kept
    assert len(shelf) == len(live) <= 3
    assert shelf.total_tokens() == sum(len(kept.tokens) for kept in live.values())


# --- the cells --------------------------------------------------------------------------------------------------------


def test_a_request_is_refused_when_its_worst_case_does_not_fit() -> None:
    cells = Cells(10)
    assert cells.reserve(1, 6)
    assert not cells.reserve(2, 5)
    cells.release(1)
    assert cells.reserve(2, 5)
    assert cells.free == 5


def test_what_is_shared_is_counted_once() -> None:
    cells, system = Cells(20), Kept(8, SYSTEM, None, pinned=True)
    assert cells.hold(system)
    assert cells.reserve(1, 5, system, 4)
    assert cells.reserve(2, 5, system, 4)
    assert cells.used == 14


def test_a_prefix_that_was_let_go_stays_as_far_as_a_request_stands_on_it() -> None:
    cells, kept = Cells(20), Kept(8, SYSTEM, "anna")
    assert cells.hold(kept)
    assert cells.reserve(1, 5, kept, 3)
    cells.let_go(kept)
    assert cells.used == 8
    cells.release(1)
    assert cells.used == 0


def test_a_prefix_that_a_request_read_is_charged_once() -> None:
    cells, kept = Cells(20), Kept(8, SYSTEM, "anna")
    assert cells.reserve(1, 10)
    assert cells.hold(kept, by=1)
    assert cells.used == 10
    cells.release(1)
    assert cells.used == 4


def test_a_prefix_longer_than_its_reader_reserved_is_not_held() -> None:
    cells = Cells(20)
    assert cells.reserve(1, 3)
    assert not cells.hold(Kept(8, SYSTEM, None), by=1)
    assert not Cells(3).hold(Kept(8, SYSTEM, None))
    assert cells.used == 3


def test_what_holds_nothing_may_be_released() -> None:
    cells = Cells(4)
    cells.release(7)
    cells.let_go(Kept(8, SYSTEM, None))
    assert cells.free == 4


def test_a_prefix_that_holds_more_than_it_saves_can_be_evicted_for_the_request_that_found_it() -> None:
    cells, shelf = Cells(20), PrefixShelf([8])
    assert cells.hold(placed(shelf, range(12), "anna"))
    kept, shared = shelf.find([*range(4), 99, 99], 0, "anna")
    assert shared == 4
    assert not cells.reserve(1, 14, kept, shared)
    assert shelf.evict_oldest(spare=kept) is None
    last = shelf.evict_oldest()
    assert last is not None
    assert last is kept
    cells.let_go(last)
    assert cells.reserve(1, 18)


class Cache(RuleBasedStateMachine):
    """Requests and prefixes come and go; a cache whose cells have names is played along."""

    CAPACITY, SLOTS = 60, 3

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.shelf = Cells(self.CAPACITY), PrefixShelf([10, 11, 12])
        self.held: dict[int, list[int]] = {}  # sequence -> names of its cells
        self.asked: dict[int, tuple[tuple[int, ...], int, str | None]] = {}  # prompt, worst case in all, scope
        self.next_cell = 0
        system = placed(self.shelf, SYSTEM, None, pinned=True)
        assert self.cells.hold(system)
        self.held[system.seq] = self.fresh(len(SYSTEM))

    def fresh(self, count: int) -> list[int]:
        self.next_cell += count
        return list(range(self.next_cell - count, self.next_cell))

    def clear(self, kept: Kept | None) -> None:
        if kept is not None:
            self.cells.let_go(kept)
            del self.held[kept.seq]

    @precondition(lambda self: len(self.asked) < self.SLOTS)
    @rule(own=st.lists(st.integers(0, 1), min_size=1, max_size=12), answer=st.integers(1, 12), scope=SCOPES)
    def start(self, own: list[int], answer: int, scope: str | None) -> None:
        prompt = (*SYSTEM, *own)
        base, shared = self.shelf.find(prompt, len(SYSTEM), scope)
        assert base is not None
        slot = next(slot for slot in range(self.SLOTS) if slot not in self.asked)
        worst = len(prompt) - shared + answer
        while not self.cells.reserve(slot, worst, base, shared):
            evicted = self.shelf.evict_oldest(spare=base)
            if evicted is None:
                return
            self.clear(evicted)
        self.asked[slot] = (prompt, shared + worst, scope)
        self.held[slot] = self.held[base.seq][:shared]
        self.read(slot, len(prompt))

    def read(self, slot: int, upto: int) -> None:
        self.held[slot] += self.fresh(max(0, upto - len(self.held[slot])))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.asked)))
        self.read(slot, data.draw(st.integers(0, self.asked[slot][1])))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.asked)))
        prompt, _, scope = self.asked[slot]
        outcome = self.shelf.place(prompt[: data.draw(st.integers(0, len(prompt)))], scope) if scope else None
        if outcome is not None:
            self.clear(outcome.evicted)
            used = self.cells.used
            assert self.cells.hold(outcome.kept, by=slot)
            assert self.cells.used == used
            self.held[outcome.kept.seq] = self.held[slot][: len(outcome.kept.tokens)]

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.asked)))
        self.cells.release(slot)
        del self.asked[slot], self.held[slot]

    @rule()
    def make_room(self) -> None:
        self.clear(self.shelf.evict_oldest())

    @invariant()
    def the_books_say_what_is_held_and_reserved(self) -> None:
        held = len({cell for names in self.held.values() for cell in names})
        reserved = sum(worst - len(self.held[slot]) for slot, (_, worst, _) in self.asked.items())
        assert self.cells.used == held + reserved <= self.CAPACITY

    def teardown(self) -> None:
        for slot in self.asked:
            self.cells.release(slot)
        for kept in self.shelf.drop_unpinned():
            self.cells.let_go(kept)
        assert self.cells.used == len(SYSTEM)


TestAnyInterleaving = Cache.TestCase


@given(first=TEXTS, second=TEXTS)
def test_the_common_part_is_found_as_if_token_by_token(first: Sequence[int], second: Sequence[int]) -> None:
    shelf = PrefixShelf([4])
    shelf.place(first, "anna")
    common = 0
    while common < min(len(first), len(second) - 1) and first[common] == second[common]:
        common += 1
    assert shelf.find(second, 0, "anna")[1] == common
