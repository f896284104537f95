"""Judging by authors that were left out: none is ever scored by a reader that learned from him."""

from collections.abc import Sequence

import pytest

from scripts.second_reader.corpus import Message, messages
from scripts.second_reader.export import Scores
from scripts.second_reader.unseen import GROUPS, figures, level, scores_of_strangers
from service_chat.safety.values import Acuity

AUTHORS = ("a", "b", "a", "c", "b", "d")


def test_no_message_is_scored_by_a_reader_that_learned_from_its_author() -> None:
    def learner(learned: Sequence[int], asked: Sequence[int]) -> list[float]:
        assert not {AUTHORS[at] for at in learned} & {AUTHORS[at] for at in asked}
        assert sorted([*learned, *asked]) == list(range(len(AUTHORS)))
        return [float(at) for at in asked]

    assert scores_of_strangers(AUTHORS, learner, ("ac", "b", "d", "e")) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_an_author_in_no_group_is_not_left_unjudged() -> None:
    with pytest.raises(ValueError, match="'d'"):
        scores_of_strangers(AUTHORS, lambda _, asked: [0.0] * len(asked), ("ac", "b"))


def test_every_author_of_the_messages_is_in_one_group() -> None:
    grouped = "".join(GROUPS)
    assert sorted(grouped) == sorted({message.author for message in messages()})


def test_rules_and_reader_are_joined_by_the_graver() -> None:
    scores = Scores(urgent=-1.0, emergency=0.5)
    assert level(Acuity.INFORMATIONAL, -2.0, scores) is Acuity.ROUTINE
    assert level(Acuity.INFORMATIONAL, 0.0, scores) is Acuity.URGENT
    assert level(Acuity.URGENT, 0.6, scores) is Acuity.EMERGENCY
    assert level(Acuity.EMERGENCY_NOW, -2.0, scores) is Acuity.EMERGENCY_NOW


def test_what_is_counted_is_what_the_evaluation_counts() -> None:
    def asking(least: Acuity | None, most: Acuity | None) -> Message:
        return Message("", least, most, "en", ())

    found = figures(
        [
            asking(Acuity.EMERGENCY, None),
            asking(Acuity.EMERGENCY_NOW, None),
            asking(Acuity.EMERGENCY, None),
            asking(None, Acuity.SELF_CARE),
            asking(None, Acuity.SELF_CARE),
            asking(Acuity.ROUTINE, Acuity.URGENT),
            asking(None, Acuity.ROUTINE),
        ],
        [
            Acuity.EMERGENCY_NOW,
            Acuity.URGENT,
            Acuity.ROUTINE,
            Acuity.ROUTINE,  # the least that is given
            Acuity.URGENT,
            Acuity.EMERGENCY,
            Acuity.ROUTINE,
        ],
    )
    assert (found.emergencies, found.as_such, found.below_urgent) == (3, 1, 1)
    assert (found.capped, found.above, found.sent) == (4, 2, 1)
    assert str(found) == (
        "3 emergencies: 33.3 % as such, 33.3 % below urgent; 4 capped: 50.0 % above, 25.0 % as an emergency"
    )
