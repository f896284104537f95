"""Every request on every road is one span, whatever becomes of it, and its answer tells that span."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from inference_container.routers.traced_door import TracedDoor
from serving.sampling import sampler
from tests.fakes.spans import Listened, listened_to
from tests.unit.inference_container.routers.street import ROADS, Answer, Street, request, street
from tests.unit.until import until

pytestmark = pytest.mark.anyio

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVED = "POST /predict"


@pytest.fixture
def heard() -> Iterator[Listened]:
    with listened_to() as found:
        yield found


@asynccontextmanager
async def traced() -> AsyncIterator[Street]:
    async with street(kind=TracedDoor) as s:
        yield s


def told_by(answer: Answer) -> tuple[str, str]:
    _, trace_id, span_id, flags = answer.headers["traceparent"].split("-")
    assert flags == "01"
    return trace_id, span_id


@pytest.mark.parametrize("road", ROADS)
async def test_an_answer_tells_the_span_that_the_request_became(heard: Listened, road: str) -> None:
    async with traced() as s:
        wire = await s.wire(road)
        for number in range(3):  # the first head is read by the parser; those behind it are known
            wire.send(request())
            answer = await wire.answer()
            await until(lambda number=number: len(heard.named(SERVED)) == number + 1)  # type: ignore[misc]
            served = heard.named(SERVED)[-1]
            assert told_by(answer) == (served.trace.trace_id, served.trace.span_id)
            assert served.trace.parent_id is None
            assert answer.headers["x-request-id"] == served.trace.trace_id
            assert served.attributes["http.response.status_code"] == 200
            inner = {span.name: span for span in heard.spans if span.trace.parent_id == served.trace.span_id}
            assert set(inner) == {"admission wait", "forecast"}
            assert served.begun <= inner["admission wait"].begun <= inner["forecast"].ended <= served.ended


@pytest.mark.parametrize("road", ROADS)
async def test_a_caller_s_trace_goes_on_and_its_wish_not_to_be_sampled_is_kept(heard: Listened, road: str) -> None:
    async with traced() as s:
        yes = await s.ask(road, request(headers={"traceparent": f"00-{HEX32}-{HEX16}-01", "X-Request-ID": "mine"}))
        no = await s.ask(road, request(headers={"traceparent": f"00-{HEX32}-{HEX16}-00"}))
        await until(lambda: len(heard.named(SERVED)) == 1)
    served = heard.one(SERVED)
    assert (served.trace.trace_id, served.trace.parent_id) == (HEX32, HEX16)
    assert told_by(yes) == (HEX32, served.trace.span_id)
    assert yes.headers["x-request-id"] == "mine"
    assert no.headers["traceparent"].startswith(f"00-{HEX32}-")
    assert no.headers["traceparent"].endswith("-00")


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(("raw", "status"), [(request(b"{"), 422), (request(b"x" * 5000), 413)])
async def test_a_request_that_is_refused_is_a_span_too(heard: Listened, road: str, raw: bytes, status: int) -> None:
    async with traced() as s:
        answer = await s.ask(road, raw)
        await until(lambda: bool(heard.named(SERVED)))
    served = heard.one(SERVED)
    assert answer.status == status == served.attributes["http.response.status_code"]
    assert told_by(answer) == (served.trace.trace_id, served.trace.span_id)
    assert answer.json["trace_id"] == served.trace.trace_id
    assert served.error is None


@pytest.mark.parametrize("road", ROADS)
async def test_a_full_lane_is_told_of_each_that_it_refused(heard: Listened, road: str) -> None:
    async with traced() as s:
        wire = await s.wire(road)
        wire.send(request())
        assert (await wire.answer()).status == 200
        await s.fill()
        for _ in range(2):
            wire.send(request())
            assert (await wire.answer()).status == 429
        await until(lambda: len(heard.named(SERVED)) == 3)
        statuses = [span.attributes["http.response.status_code"] for span in heard.named(SERVED)]
        assert statuses == [200, 429, 429]


@pytest.mark.parametrize("road", ["express", "hot"])
async def test_who_hangs_up_leaves_a_span_that_says_so(heard: Listened, road: str) -> None:
    async with traced() as s:
        await s.fill(0)
        wire = await s.wire(road)
        wire.send(request())
        await until(lambda: s.lane.depth == 1)
        wire.hang_up()
        await until(lambda: bool(heard.named(SERVED)))
        assert heard.one(SERVED).attributes["http.response.status_code"] == 499


async def test_with_a_sampler_that_takes_none_there_are_no_spans_and_answers_are_as_ever() -> None:
    with listened_to(sampler("always_off", 1.0)) as heard:
        async with traced() as s:
            for road in ROADS:
                answer = await s.ask(road, request())
                assert answer.status == 200
                assert answer.headers["traceparent"].endswith("-00")
    assert heard.spans == []
