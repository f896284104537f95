"""How the second reader learns, and that what the service reads by is what it learned from the messages."""

import tomllib
from pathlib import Path

import pytest

from scripts.second_reader.corpus import digest, messages
from scripts.second_reader.export import Scores, write
from scripts.second_reader.naming import Naming
from scripts.second_reader.urgency import Urgency
from service_chat import safety
from service_chat.safety.packaged import Packaged
from service_chat.safety.second_reader import SETTINGS, SecondReader
from service_chat.safety.values import Acuity, Flag

WHO = ("he", "she", "my son", "dad", "our cook")
GRAVE = [f"choking {who} {when}".split() for who in WHO for when in ("now", "at all")]
MILD = [f"sneezing {who} {when}".split() for who in WHO for when in ("now", "at all")]


def learned() -> Urgency:
    urgency = Urgency()
    texts = [*GRAVE, *MILD]
    urgency.learn(texts, [Acuity.EMERGENCY] * len(GRAVE) + [None] * len(MILD), epochs=40)
    return urgency


def test_it_learns_what_is_told_to_it() -> None:
    choking, sneezing, nothing = learned().scores([["choking", "mum", "now"], ["sneezing", "mum", "now"], []])
    assert choking > sneezing
    assert nothing < -1e8


def test_what_is_urgent_stands_between_the_harmless_and_the_emergencies() -> None:
    urgency, fevers = Urgency(), [f"shivering {who} {when}".split() for who in WHO for when in ("now", "at all")]
    levels = [Acuity.EMERGENCY] * len(GRAVE) + [Acuity.URGENT] * len(fevers) + [None] * len(MILD)
    urgency.learn([*GRAVE, *fevers, *MILD], levels, epochs=200)
    choking, shivering, sneezing = urgency.scores(
        [[word, "mum", "now"] for word in ("choking", "shivering", "sneezing")]
    )
    assert choking > shivering > sneezing


def test_what_was_learned_is_what_the_service_reads(tmp_path: Path) -> None:
    urgency, naming = learned(), Naming((Flag.BREATHING, Flag.SELF_HARM))
    naming.learn([*GRAVE, *MILD], [(Flag.BREATHING,)] * len(GRAVE) + [(Flag.SELF_HARM,)] * len(MILD), epochs=40)
    write(tmp_path, urgency, naming, Scores(urgent=-1.0, emergency=0.0), digest="")
    problems: list[str] = []
    reader = SecondReader.read(Packaged(tmp_path), problems)
    assert not problems
    assert (reader.urgent, reader.emergency) == (-1.0, 0.0)
    texts = [["choking", "mum", "now"], ["sneezing", "mum", "now"], ["my", "uncle", "is", "choking", "at", "all"]]
    for text, score in zip(texts, urgency.scores(texts), strict=True):
        assert reader.highest(text)[0] == pytest.approx(score, abs=0.1)  # weights are kept in a byte
    assert [reader.believed(text)[0] for text in texts[:2]] == [Flag.BREATHING, Flag.SELF_HARM]


def test_the_messages_are_of_both_kinds_and_none_is_there_twice() -> None:
    some = messages()
    assert len({message.text for message in some}) > 0.999 * len(some)
    for language in ("en", "ja"):
        least = [message.least for message in some if message.language == language]
        assert any(level is not None and level >= Acuity.EMERGENCY for level in least)
        assert any(level is None for level in least)


def test_the_service_reads_by_what_was_learned_from_the_messages_as_they_stand() -> None:
    """After a change of the messages: `python -m scripts.second_reader --write`."""
    settings = Path(safety.__file__).parent / "data" / SETTINGS
    assert tomllib.loads(settings.read_text(encoding="utf-8"))["messages"] == digest()
