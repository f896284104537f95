import orjson
from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Headers, Partition, Record
from inference_container.commands.shown import letter_json, letter_row, printable, result_json, result_row

_values = st.none() | st.binary(max_size=60) | st.dictionaries(st.text(), st.text() | st.floats()).map(orjson.dumps)
_headers = st.lists(
    st.tuples(st.sampled_from(["dlq-reason", "dlq-error", "operation"]) | st.text(max_size=5), st.binary(max_size=20))
).map(tuple)


def record(value: bytes | None, headers: Headers = (), timestamp_ms: int = 5) -> Record:
    return Record(Partition("topic", 0), 7, None, value, headers, timestamp_ms)


@given(value=_values, headers=_headers, timestamp_ms=st.integers(-(2**63), 2**63 - 1))
def test_a_message_is_always_one_line_that_can_be_printed(
    value: bytes | None, headers: Headers, timestamp_ms: int
) -> None:
    for show in (result_json, result_row, letter_json, letter_row):
        assert show(record(value, headers, timestamp_ms)).isprintable()


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53)))
def test_a_result_is_always_shown_as_the_json_that_it_is(fields: dict[str, object]) -> None:
    assert orjson.loads(result_json(record(orjson.dumps(fields)))) == fields


@given(st.binary(max_size=30))
def test_json_of_a_letter_can_always_be_read(value: bytes) -> None:
    told = orjson.loads(letter_json(record(value, (("dlq-reason", value),))))
    assert told["letter"] == "topic-0-7"


def test_what_is_no_json_is_shown_with_where_it_lies() -> None:
    assert orjson.loads(result_json(record(b"\xff"))) == {"undecodable": "/w==", "at": "topic-0-7"}
    assert "undecodable" in result_json(record(b"[" * 500 + b"]" * 500))


def test_printable_text_stays_as_it_is() -> None:
    assert printable("a ü 漢\x1b\x9b\U000e0001") == "a ü 漢\\u001b\\u009b\\udb40\\udc01"
