"""What a message brings of a trace, and what one that leaves bears."""

from concurrent.futures import Future

import pytest
from typing_extensions import override

from inference_container.broker.ports import Headers, Partition, Producer, Record, Sent
from inference_container.claims import traces
from inference_container.claims.dead_letters import DeadLetterTopics, Kind, Why, dead_letter, original, replay
from inference_container.claims.messages import Claim
from inference_container.claims.ports import Outgoing
from inference_container.claims.publishing.burst import claim_message
from inference_container.errors import BrokerUnavailable
from serving.tracing import current_trace, trace_from, tracing
from tests.fakes.spans import listened_to

pytestmark = pytest.mark.anyio

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BROUGHT: Headers = (("traceparent", f"00-{HEX32}-{HEX16}-01".encode()),)
PLACE = Partition("inference-data", 3)
CLAIM = Claim(1, "data", "a.parquet")


def record(headers: Headers = ()) -> Record:
    return Record(PLACE, 7, None, b"{}", headers, 0)


class Kept(Producer):
    """Keeps what is sent; acknowledges when it is told to."""

    def __init__(self) -> None:
        self.headers: Headers = ()
        self.sent: Future[Sent] = Future()

    @override
    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> "Future[Sent]":
        self.headers = headers
        return self.sent

    @override
    def flush(self, wait_s: float) -> None:
        pass

    @override
    def close(self) -> None:
        pass


async def walk(_: object) -> str:
    trace = current_trace()
    return trace.trace_id if trace is not None else "none"


async def test_a_message_is_worked_in_the_trace_that_it_bears() -> None:
    with listened_to() as heard:
        assert await traces.in_its_trace(record(BROUGHT), walk, None) == HEX32
    span = heard.one("process inference-data")
    assert (span.trace.trace_id, span.trace.parent_id, span.kind) == (HEX32, HEX16, "consumer")
    assert span.attributes["messaging.kafka.offset"] == 7
    assert span.attributes["messaging.destination.partition.id"] == "3"
    assert span.attributes["sluice.claim.outcome"] == HEX32


@pytest.mark.parametrize("headers", [(), (("traceparent", b"\xff\xfe"),), (("traceparent", b""),)])
async def test_a_message_without_a_trace_begins_one(headers: Headers) -> None:
    with listened_to() as heard:
        trace_id = await traces.in_its_trace(record(headers), walk, None)
    assert (heard.one("process inference-data").trace.trace_id, heard.spans[0].trace.parent_id) == (trace_id, None)


async def test_while_nobody_listens_a_message_is_worked_as_before_and_leaves_as_it_was() -> None:
    assert await traces.in_its_trace(record(BROUGHT), walk, None) == "none"
    producer = Kept()
    traces.send(producer, Outgoing("t", None, b"", ()), trace_from({}))
    with tracing(trace_from({})):
        assert claim_message("t", CLAIM, None).headers == producer.headers == ()


def test_a_claim_that_is_published_bears_the_trace_of_who_asked_for_it() -> None:
    with listened_to(), tracing(trace_from({})) as trace:
        assert claim_message("t", CLAIM, None, 5).headers == (
            *(("deadline_ms", b"5"), ("traceparent", trace.traceparent.encode())),
        )


@pytest.mark.parametrize("failure", [None, BrokerUnavailable()])
def test_a_message_bears_its_own_span_which_ends_with_the_broker_s_word(failure: BrokerUnavailable | None) -> None:
    producer, trace = Kept(), trace_from({})
    with listened_to() as heard:
        traces.send(producer, Outgoing("performance-eval", None, b"", (("source", b"x"),)), trace)
        assert heard.spans == []
        producer.sent.set_exception(failure) if failure else producer.sent.set_result(Sent(PLACE, 1))
    span = heard.one("publish performance-eval")
    assert dict(producer.headers)["traceparent"] == span.trace.traceparent.encode()
    assert producer.headers[0] == ("source", b"x")
    assert span.trace.parent_id == trace.span_id
    assert span.error == (failure.code if failure else None)


@pytest.mark.parametrize("brought", [(), BROUGHT])
def test_a_dead_letter_keeps_its_claim_s_headers_so_that_a_replay_goes_on_in_its_trace(brought: Headers) -> None:
    letter = dead_letter(record(brought), Kind.CLAIM, Why("not_json", "It is none."), 0, 0, DeadLetterTopics())
    producer = Kept()
    with listened_to():
        traces.send(producer, Outgoing(letter.topic, letter.key, letter.value, letter.headers), trace_from({}))
    assert producer.headers == letter.headers
    assert original(producer.headers) == brought
    assert replay(record(producer.headers)) == ("inference-data", brought)
