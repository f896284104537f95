import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.safety.edit_distance import distance
from tests.unit.service_chat.safety.small import EXAMPLES


@pytest.mark.parametrize(
    ("left", "right", "changes"),
    [
        ("chest", "chest", 0),
        ("chset", "chest", 1),
        ("chst", "chest", 1),
        ("breathe", "brethe", 1),
        ("fever", "rashy", 3),
    ],
)
def test_distance_counts_letters_and_swaps(left: str, right: str, changes: int) -> None:
    assert distance(left, right, 2) == changes


@EXAMPLES
@given(st.text("abcd", max_size=8), st.text("abcd", max_size=8))
def test_distance_never_depends_on_the_order(left: str, right: str) -> None:
    assert distance(left, right, 3) == distance(right, left, 3)
