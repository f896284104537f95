import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.routers.preferences import Preferences, preferences


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ([], Preferences()),
        (["respond-async"], Preferences(True)),
        (["Respond-Async"], Preferences(True)),
        (["wait=10"], Preferences(wait_s=10)),
        (['wait="10"'], Preferences(wait_s=10)),
        (["respond-async, wait=10"], Preferences(True, 10)),
        (["respond-async", "wait=0"], Preferences(True, 0)),
        (["wait=10; soft, respond-async;foo=bar"], Preferences(True, 10)),
        (["wait=3, wait=9"], Preferences(wait_s=3)),
        (["return=minimal"], Preferences()),
    ],
)
def test_known_preferences_are_read_and_others_ignored(header: list[str], meant: Preferences) -> None:
    assert preferences(header) == meant


@pytest.mark.parametrize("value", ["", "-1", "+1", "1.5", "soon", "1_0", "٣", "9" * 10])
def test_a_wait_that_means_nothing_is_no_wait(value: str) -> None:
    assert preferences([f"wait={value}"]) == Preferences()


@given(st.lists(st.text()))
def test_a_preference_never_fails_a_request(values: list[str]) -> None:
    preferences(values)


@pytest.mark.parametrize(
    ("meant", "told"),
    [
        (Preferences(), {}),
        (Preferences(True), {"Preference-Applied": "respond-async"}),
        (Preferences(True, 5), {"Preference-Applied": "respond-async, wait=5"}),
    ],
)
def test_the_answer_names_what_was_honoured(meant: Preferences, told: dict[str, str]) -> None:
    assert meant.applied() == told
