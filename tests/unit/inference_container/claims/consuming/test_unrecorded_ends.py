"""A desk that ends messages without having recorded them: the books must not take them for finished."""

import pytest

from inference_container.broker.ports import Committed
from inference_container.claims.consuming.books import Books
from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.consuming.reading import Reading
from inference_container.claims.deadlines import TtlPolicy
from inference_container.claims.messages import MAX_MESSAGE_BYTES
from inference_container.claims.ports import Ended
from tests.fakes.clock import ManualClock
from tests.unit.inference_container.claims.samples import INPUT, PLACES, V1, body, record


@pytest.fixture
def books() -> Books:
    """Offsets 0 to 2 of a partition of ours, handed over."""
    made = Books(Reading(PLACES, TtlPolicy(True), MAX_MESSAGE_BYTES, None), 3, ManualClock())
    made.assigned([INPUT], {INPUT: Committed(0)})
    for offset in range(3):
        made.accept(record(body(V1), offset))
    batch = made.batch()
    made.begin(batch)
    made.handed(batch)
    return made


def test_what_is_ours_and_ended_without_being_recorded_is_never_committed_past(books: Books) -> None:
    books.enter(Ended(Delivery(INPUT, 0, 1)))
    books.enter(Ended(Delivery(INPUT, 1, 1), recorded=False))
    books.enter(Ended(Delivery(INPUT, 2, 1)))
    assert books.out == 0
    assert books.due() == {INPUT: 1}
    assert {place: each.offset for place, each in books.revoked([INPUT]).commit.items()} == {INPUT: 1}


def test_its_place_is_free_once_its_partition_has_gone(books: Books) -> None:
    books.enter(Ended(Delivery(INPUT, 1, 1), recorded=False))
    assert books.depth == 3
    moved = books.lost([INPUT])
    assert [delivery.offset for delivery in moved.withdraw] == [0, 2], "the desk does not have it any more"
    assert books.depth == 2


def test_what_was_withdrawn_because_its_partition_went_frees_its_place_when_the_desk_says_so(books: Books) -> None:
    for delivery in books.lost([INPUT]).withdraw:
        books.enter(Ended(delivery, recorded=False))
    assert (books.depth, books.out) == (0, 0)
