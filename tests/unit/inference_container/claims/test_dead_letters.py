import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Headers, Partition, Record
from inference_container.claims.dead_letters import (
    MAX_ERROR_CHARS,
    OURS,
    DeadLetter,
    DeadLetterTopics,
    Kind,
    Operation,
    Why,
    dead_letter,
    original,
    replay,
    safe_sentence,
    why,
)
from inference_container.claims.refusals import Reason, Refusal
from inference_container.errors import NoData
from tests.unit.inference_container.claims.samples import CANARY, record

TOPICS = DeadLetterTopics()
BECAUSE = Why("not_json", "The message is not JSON.")


def letter_of(source: Record, because: Why = BECAUSE, attempts: int = 0) -> DeadLetter:
    return dead_letter(source, Kind.CLAIM, because, attempts, 1_767_225_600_123, TOPICS)


def delivered(letter: DeadLetter, offset: int = 0) -> Record:
    return Record(Partition(letter.topic, 0), offset, letter.key, letter.value, letter.headers, 5)


@pytest.mark.parametrize(
    ("kind", "topic", "expected"),
    [
        (Kind.CLAIM, "inference-data", "DLQ-performance-eval"),
        (Kind.TRAINING, "model-training", "DLQ-model-training"),
        (Kind.PROMOTION, "model-selected", "DLQ-model-selected"),
    ],
)
def test_claims_go_to_the_one_topic_and_others_to_that_of_their_own(kind: Kind, topic: str, expected: str) -> None:
    source = record(partition=Partition(topic, 0))
    assert dead_letter(source, kind, BECAUSE, 0, 0, TOPICS).topic == expected
    elsewhere = DeadLetterTopics(performance="dead")
    assert elsewhere.of(Kind.CLAIM, topic) == "dead"


def test_a_letter_is_the_message_with_what_is_to_be_said_behind_it() -> None:
    source = record(b"\xff{", key=b"k", headers=(("deadline_ms", b"5"), ("operation", b"theirs")))
    letter = dead_letter(source, Kind.CLAIM, Why("no_data", "Nothing."), 3, 1500, TOPICS, Operation.FORECAST)
    assert (letter.key, letter.value) == (b"k", b"\xff{")
    assert letter.headers == (
        ("deadline_ms", b"5"),
        ("operation", b"theirs"),
        ("dlq-reason", b"no_data"),
        ("dlq-source", b"inference-data-3-7"),
        ("dlq-attempts", b"3"),
        ("dlq-error", b"Nothing."),
        ("operation", b"Data Fetch/Inference"),
        ("status", b"Failure"),
        ("error", b"Nothing."),
        ("timestamp", b"1.500"),
    )


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        (Kind.CLAIM, b"Preprocessing Message Parse"),
        (Kind.TRAINING, b"Training Message Parse"),
        (Kind.PROMOTION, b"Promotion Message Parse"),
    ],
)
def test_what_could_not_be_read_says_so_in_the_old_words(kind: Kind, operation: bytes) -> None:
    letter = dead_letter(record(), kind, BECAUSE, 0, 0, TOPICS)
    assert dict(letter.headers)["operation"] == operation


def test_a_letter_that_is_too_large_keeps_length_and_hash_of_its_value() -> None:
    letter = letter_of(record(b"x" * 5_000_000)).without_value()
    told = dict(letter.headers)
    assert letter.value is None
    assert told["dlq-value-bytes"] == b"5000000"
    assert told["dlq-value-sha256"] == hashlib.sha256(b"x" * 5_000_000).hexdigest().encode()
    assert original(letter.headers) == ()
    assert replay(delivered(letter)) is None


def test_of_a_letter_whose_headers_are_too_much_stays_what_is_ours() -> None:
    letter = letter_of(record(b"x" * 9, key=b"k" * 9, headers=(("long", b"y" * 9),))).without_value().bare()
    assert (letter.key, letter.value) == (None, None)
    assert [name for name, _ in letter.headers] == [*OURS, "dlq-value-bytes", "dlq-value-sha256"]
    assert dict(letter.headers)["dlq-source"] == b"inference-data-3-7"
    assert replay(delivered(letter)) is None


def test_causes_give_their_word_and_a_sentence() -> None:
    assert why(Refusal(Reason.TOMBSTONE, "No value.")) == Why("tombstone", "No value.")
    assert why(NoData("Nothing there.")) == Why("no_data", "Nothing there.")
    assert why(NoData("Nothing there."), reason="attempts") == Why("attempts", "Nothing there.")
    assert why(KeyError(CANARY)) == Why("unexpected_error", "KeyError.")


headers = st.lists(
    st.tuples(st.sampled_from([*OURS, "x", "source", "dlq-value-bytes"]), st.binary(max_size=8)), max_size=12
).map(tuple)
records = st.builds(
    record,
    value=st.none() | st.binary(max_size=60),
    key=st.none() | st.binary(max_size=8),
    offset=st.integers(0, 2**62),
    headers=headers,
    partition=st.builds(Partition, st.sampled_from(["inference-data", "a-1-2", "t"]), st.integers(0, 99)),
)


@given(records, st.text(max_size=700), st.integers(0, 99))
def test_the_original_always_comes_out_of_its_letter_whole(source: Record, error: str, attempts: int) -> None:
    letter = letter_of(source, Why("r", error), attempts)
    assert (letter.key, letter.value) == (source.key, source.value)
    assert original(letter.headers) == source.headers
    assert replay(delivered(letter)) == (source.partition.topic, source.headers)
    assert letter == letter_of(source, Why("r", error), attempts), "equal input, equal letter"


@given(records)
def test_a_letter_that_dies_again_always_remembers_both_times(source: Record) -> None:
    once = delivered(letter_of(source))
    twice = letter_of(once)
    assert original(twice.headers) == once.headers
    assert original(original(twice.headers)) == source.headers


@pytest.mark.parametrize("told", [(), (("dlq-source", b"t-0-1"),), tuple((name, b"") for name in OURS)])
def test_what_is_no_letter_is_not_replayed(told: Headers) -> None:
    assert replay(record(headers=told)) is None


@given(st.text(max_size=1000), st.none() | st.binary(max_size=100))
def test_a_sentence_is_always_one_bounded_line(text: str, value: bytes | None) -> None:
    line = safe_sentence(text, value)
    assert len(line) <= MAX_ERROR_CHARS
    assert line.isprintable()
    line.encode()


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_sentence_never_repeats_a_piece_of_the_message(before: str, after: str, around: str) -> None:
    value = f"{around}{CANARY}{around}".encode(errors="replace")
    assert CANARY not in safe_sentence(f"{before}{CANARY}{after}", value)


def test_a_sentence_of_our_own_stays() -> None:
    assert safe_sentence("The series is shorter than the window.", b'{"bucket": "a"}').startswith("The series")
