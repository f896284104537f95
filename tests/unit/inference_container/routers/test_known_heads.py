"""Requests whose head was read before: answered as the parser's, probes at once, and silences still end."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_container.routers.known_heads import KnownHeads
from tests.unit.inference_container.routers.street import CAPACITY, GOOD, request, street
from tests.unit.until import until

pytestmark = pytest.mark.anyio

PROBE = b"GET /healthz HTTP/1.1\r\nHost: street\r\n\r\n"
HEAD = b"POST /predict HTTP/1.1\r\nHost: street\r\nContent-Length: 2\r\n\r\n"

#: Requests of every kind of outcome; each is asked several times, and the first time its head is not known.
ASKED = (
    request(),
    request(b"{"),
    request(b""),
    request(headers={"X-Deadline-Ms": "5000"}),
    request(headers={"X-Deadline-Ms": "0"}),
    request(headers={"Content-Type": "text/csv"}),
    request(query="?inference_length=0"),
    request(query="?inference_length=2"),
    request(headers={"X-Request-ID": "mine"}),
    request(headers={"Connection": "keep-alive"}),
)


@settings(max_examples=15)
@given(order=st.lists(st.sampled_from(ASKED), min_size=2, max_size=12))
async def test_a_head_that_was_read_before_is_always_answered_as_the_first_time(order: list[bytes]) -> None:
    async with street() as s:
        wire = await s.wire()
        for raw in (*order, *order):
            expected = await s.ask("hot", raw)
            wire.send(raw)
            answer = await wire.answer()
            assert answer.status == expected.status
            assert answer.headers.keys() == expected.headers.keys()
            if answer.status == 200:
                assert answer.json["predictions"] == expected.json["predictions"]
            else:
                assert answer.json["code"] == expected.json["code"]


async def test_every_request_has_a_trace_of_its_own_though_its_head_is_the_same() -> None:
    async with street() as s:
        wire, seen = await s.wire(), set()
        for _ in range(5):
            wire.send(request())
            seen.add((await wire.answer()).headers["x-request-id"])
        assert len(seen) == 5


async def test_the_deadline_of_a_known_head_begins_with_each_request() -> None:
    async with street() as s:
        wire, raw = await s.wire(), request(headers={"X-Deadline-Ms": "600"})
        wire.send(raw)
        assert (await wire.answer()).status == 200
        await asyncio.sleep(0.65)
        wire.send(raw)
        assert (await wire.answer()).status == 200
        await s.fill(0)
        wire.send(raw)
        assert (await wire.answer()).status == 504


async def test_a_known_head_is_refused_when_the_lane_is_full_and_served_when_it_is_not() -> None:
    async with street() as s:
        wire = await s.wire()
        for expected in (200, 429, 200):
            if expected == 429:
                await s.fill()
            wire.send(request())
            assert (await wire.answer()).status == expected
            s.predictor.gate.set()
            await until(lambda: s.lane.statistics().running + s.lane.depth == 0)
        assert s.lane.statistics().rejected == 1


async def test_a_known_head_whose_body_is_shorter_or_longer_is_the_parsers_matter() -> None:
    async with street() as s:
        wire, raw = await s.wire(), request()
        wire.send(raw)
        assert (await wire.answer()).status == 200
        wire.send(raw[:-10])
        await until(lambda: s.lane.held_bytes == len(GOOD))
        wire.send(raw[-10:])
        assert (await wire.answer()).status == 200
        wire.send(raw + raw)
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_empty_lines_before_a_request_teach_nothing_false() -> None:
    async with street() as s:
        wire = await s.wire()
        for _ in range(3):
            wire.send(b"\r\n\r\n" + request())
            assert (await wire.answer()).status == 200
        wire.send(b"\r\n\r\n" + GOOD)  # no request at all, and as long as one's body
        assert (await wire.answer()).status == 400


@pytest.mark.parametrize(
    "head",
    [
        HEAD[:-1],
        b"\r\n" + HEAD,
        HEAD + HEAD,
        HEAD.replace(b"Host: street\r\n", b"Host: street\n"),
        HEAD.replace(b"street", b"stre\ret"),
        HEAD.replace(b"street", b"s" * 3000),
    ],
)
async def test_a_head_that_does_not_say_by_itself_where_it_ends_is_never_kept(head: bytes) -> None:
    heads: KnownHeads[int] = KnownHeads()
    heads.remember(head, 1)
    assert len(heads) == 0
    heads.remember(HEAD, 2)
    assert heads.get(HEAD) == 2


async def test_the_oldest_heads_are_forgotten() -> None:
    heads: KnownHeads[int] = KnownHeads(at_most=3)
    for n in range(5):
        heads.remember(HEAD.replace(b"street", b"street-%d" % n), n)
    assert len(heads) == 3
    assert heads.get(HEAD.replace(b"street", b"street-1")) is None
    assert heads.get(HEAD.replace(b"street", b"street-4")) == 4


async def test_a_probe_is_answered_again_and_again_and_counted_each_time() -> None:
    async with street() as s:
        wire = await s.wire()
        wire.send(PROBE)
        assert (await wire.answer()).status == 404  # the street's application has no such route
        await s.fill(CAPACITY)
        traces = set()
        for _ in range(3):
            wire.send(PROBE)
            answer = await wire.answer()
            assert (answer.status, answer.json) == (200, {"status": "ok"})
            assert answer.headers["content-type"] == "application/json"
            traces.add(answer.headers["traceparent"])
        assert len(traces) == 3
        counted = 'http_requests_total{endpoint="/healthz",method="GET",status="200"} 3.0'
        assert counted in s.metrics.exposition().decode()


async def test_a_probe_and_a_forecast_share_a_connection() -> None:
    async with street() as s:
        wire = await s.wire()
        for raw in (PROBE, request(), PROBE, request(), PROBE):
            wire.send(raw)
            assert (await wire.answer()).status in (200, 404)
        await s.fill(0)
        wire.send(request())
        await until(lambda: s.lane.depth == 1)
        wire.send(PROBE)  # before its forecast was answered: not looked at, and the connection ends with that answer
        s.predictor.gate.set()
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_connection_that_falls_silent_is_closed_and_one_that_waits_for_its_answer_is_not() -> None:
    async with street() as s:
        s.servers["express"].config.timeout_keep_alive = 1
        silent, busy = await s.wire(), await s.wire()
        for wire in (silent, busy):
            for _ in range(2):
                wire.send(request())
                assert (await wire.answer()).status == 200
        await s.fill(0)
        busy.send(request())
        assert await silent.ended() == b""
        await asyncio.sleep(0.3)
        s.predictor.gate.set()
        assert (await busy.answer()).status == 200
        busy.send(request())
        assert (await busy.answer()).status == 200
        assert await busy.ended() == b""
