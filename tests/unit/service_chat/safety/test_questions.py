"""What an answer asks next, through the packaged floor."""

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.numbers import QUANTITIES
from service_chat.safety.packaged import Packaged
from service_chat.safety.questions import ANSWERED
from service_chat.safety.templates import Templates
from service_chat.safety.values import RecordFacts
from tests.unit.service_chat.safety.small import packaged


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return packaged()


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("chest pain since an hour, left arm heavy", "chest"),
        ("my daughter is hot, 39.5 fever, and has a headache", "fever"),
        ("bad cough and out of breath", "breathing"),
        ("sudden headache since this morning", "onset"),
        ("I am 45 years old and have a headache", "age"),
        ("fell on my wrist, it is sore", "injury"),
        ("my arm is weak and tingling", "weakness"),
    ],
)
def test_what_was_told_is_not_asked(ruleset: Ruleset, text: str, question: str) -> None:
    assert question not in ruleset.assess(text).questions


def test_what_was_denied_is_not_asked(ruleset: Ruleset) -> None:
    assert "fever" in ruleset.assess("I have a headache").questions
    assert "fever" not in ruleset.assess("I have a headache, no fever").questions


def test_an_age_in_the_record_is_not_asked(ruleset: Ruleset) -> None:
    assert "age" in ruleset.assess("runny nose").questions
    assert "age" not in ruleset.assess("runny nose", RecordFacts(age_years=40)).questions


def test_every_answer_is_a_thing_that_texts_can_say(ruleset: Ruleset) -> None:
    known = {*ruleset.lexicon.concepts, *QUANTITIES}
    assert {name for groups in ANSWERED.values() for group in groups for name in group} <= known
    assert ANSWERED.keys() <= Templates.read(Packaged(), []).questions
