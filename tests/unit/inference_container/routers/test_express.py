"""The express road on a raw socket: what comes in pieces, twice, half or not at all; and who hangs up when."""

import asyncio

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference_container.routers import express
from inference_container.routers.refusals import Refusals
from inference_container.services.lanes import make_lanes
from serving.lifecycle import State
from tests.unit.inference_container.routers.street import CLOCK, GOOD, Answer, Street, Wire, chunked, request, street
from tests.unit.until import until

pytestmark = pytest.mark.anyio


async def slowly(wire: Wire, raw: bytes, cuts: list[int]) -> None:
    """`raw` in packets that end at `cuts`."""
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        wire.send(raw[begin:end])
        await asyncio.sleep(0.0005)


async def waiting(s: Street, wire: Wire) -> None:
    """Sends a forecast that waits behind a batch which runs until the gate is opened."""
    before = s.lane.depth
    wire.send(request())
    await until(lambda: s.lane.depth == before + 1)


def shown(answer: Answer) -> tuple[int, object]:
    return answer.status, answer.json.get("predictions", answer.json.get("code"))


#: A stream of one connection: plain requests, and between them some that take the other way.
STREAM = (request(), chunked(), request(b"{"), request(headers={"Origin": "http://localhost:5173"}), request())


@settings(max_examples=25)
@given(data=st.data())
async def test_a_stream_is_always_answered_alike_however_it_is_cut_into_packets(data: st.DataObject) -> None:
    async with street() as s:
        whole = [shown(await s.ask("express", raw)) for raw in STREAM]
        wire = await s.wire()
        for raw, expected in zip(STREAM, whole, strict=True):
            cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=12)))
            await slowly(wire, raw, cuts)
            assert shown(await wire.answer()) == expected
        assert s.lane.statistics().completed == 8


async def test_a_body_of_many_packets_holds_its_announced_bytes_until_it_is_whole() -> None:
    async with street() as s:
        wire, raw = await s.wire(), request()
        wire.send(raw[:-20])
        await until(lambda: s.lane.held_bytes == len(GOOD))
        wire.send(raw[-20:-10])
        await asyncio.sleep(0.005)
        assert s.lane.held_bytes == len(GOOD)
        wire.send(raw[-10:])
        assert (await wire.answer()).status == 200
        assert s.lane.held_bytes == 0


async def test_one_connection_serves_a_thousand_forecasts() -> None:
    async with street() as s:
        wire, raw = await s.wire(), request()
        for _ in range(1000):
            wire.send(raw)
            assert (await wire.answer()).status == 200
        assert s.lane.statistics().completed == 1000
        assert s.servers["express"].server_state.total_requests == 1000
        assert len(s.servers["express"].server_state.connections) == 1


async def test_a_request_sent_before_the_last_answer_is_not_looked_at_and_the_connection_ends() -> None:
    async with street() as s:
        await s.fill(0)
        wire = await s.wire()
        wire.send(request() + request(b"second"))
        await until(lambda: s.lane.depth == 1)
        s.predictor.gate.set()
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await wire.ended() == b""
        assert s.lane.statistics().admitted == 2


async def test_a_second_request_behind_one_on_the_other_way_is_answered_in_its_turn() -> None:
    async with street() as s:
        await s.fill(0)
        wire = await s.wire()
        wire.send(chunked(), request())
        await until(lambda: s.lane.depth == 1)
        s.predictor.gate.set()
        assert [(await wire.answer()).status for _ in range(2)] == [200, 200]


async def test_a_second_request_behind_an_answer_that_is_ready_is_served() -> None:
    async with street() as s:
        s.life.to(State.FAILED, "no model")
        wire = await s.wire()
        wire.send(request() + request())
        assert [(await wire.answer()).status for _ in range(2)] == [503, 503]


@pytest.mark.parametrize(
    ("raw", "closes"),
    [
        (request(version="1.0"), True),
        (request(headers={"Connection": "close"}), True),
        (request(headers={"Connection": "keep-alive"}), False),
        (request(headers={"Origin": "http://localhost:5173"}), False),
        (request(headers={"Upgrade": "h2c"}), False),
        (chunked(), False),
        (chunked(size=7), False),
    ],
)
async def test_what_is_not_plain_takes_the_other_way_to_the_same_answer(raw: bytes, closes: bool) -> None:
    async with street() as s:
        wire = await s.wire()
        wire.send(raw)
        assert (await wire.answer()).status == 200
        if closes:
            assert await wire.ended() == b""
        else:
            wire.send(request())
            assert (await wire.answer()).status == 200


async def test_a_caller_that_expects_to_be_asked_for_its_body_is_asked() -> None:
    async with street() as s:
        wire = await s.wire()
        raw = request(headers={"Expect": "100-continue"})
        wire.send(raw[: -len(GOOD)])
        assert (await wire.answer()).status == 100
        wire.send(GOOD)
        assert (await wire.answer()).status == 200


async def test_a_caller_that_expects_to_be_asked_is_refused_without_its_body() -> None:
    async with street() as s:
        await s.fill()
        answer = await s.ask("express", request(headers={"Expect": "100-continue"})[: -len(GOOD)])
        assert answer.status == 429


@pytest.mark.parametrize(
    "raw", [b"\0\1\2 garbage\r\n\r\n", b"POST /predict HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"]
)
async def test_what_is_no_http_is_a_400_and_the_end(raw: bytes) -> None:
    async with street() as s:
        wire = await s.wire()
        wire.send(raw)
        assert (await wire.answer()).status == 400
        assert await wire.ended() == b""
        assert (await s.ask("express", request())).status == 200


@pytest.mark.parametrize("length", ["-1", "ten", "1, 2"])
async def test_a_length_that_is_none_is_a_400(length: str) -> None:
    async with street() as s:
        raw = request(length=-1, headers={"Content-Length": length})
        assert (await s.ask("express", raw)).status == 400


async def test_a_body_that_never_comes_ends_with_its_deadline_and_the_connection_with_it() -> None:
    async with street() as s:
        wire = await s.wire()
        wire.send(request(b"{", {"X-Deadline-Ms": "50"}, length=100))
        await until(lambda: s.lane.held_bytes == 100)
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (504, "close")
        assert await wire.ended() == b""


async def test_a_refused_request_whose_body_never_comes_is_not_waited_for_for_ever() -> None:
    async with street() as s:
        await s.fill()
        # Its deadline was never made; an idle connection's patience is all it gets.
        s.servers["express"].config.timeout_keep_alive = 1
        wire = await s.wire()
        wire.send(request(b"{", length=100))
        assert (await wire.answer()).status == 429
        assert await wire.ended() == b""


async def test_a_refused_body_is_taken_off_the_wire_and_the_connection_goes_on() -> None:
    async with street() as s:
        await s.fill()
        wire, raw = await s.wire(), request()
        await slowly(wire, raw, [len(raw) - 30, len(raw) - 10])
        assert (await wire.answer()).status == 429
        s.predictor.gate.set()
        await until(lambda: s.lane.statistics().completed == 4)
        wire.send(raw)
        assert (await wire.answer()).status == 200


async def test_refusals_of_one_connection_are_whole_counted_and_tell_different_waits() -> None:
    async with street() as s:
        await s.fill()
        wire, raw = await s.wire(), request()
        wire.send(raw * 3)  # each is refused before the next is looked at, so none of them ends the connection
        answers = [await wire.answer() for _ in range(3)]
        for _ in range(20):
            await slowly(wire, raw, [len(raw) - 5])
            answers.append(await wire.answer())
        assert {(answer.status, answer.json["code"]) for answer in answers} == {(429, "queue_full")}
        assert all(answer.headers["retry-after"] == str(answer.json["retry_after_s"]) for answer in answers)
        assert len({answer.headers["retry-after"] for answer in answers}) > 1
        assert s.lane.statistics().rejected == 23
        counted = 'http_requests_total{endpoint="/predict",method="POST",status="429"} 23.0'
        assert counted in s.metrics.exposition().decode()


async def test_hanging_up_in_the_middle_of_a_refused_body_leaves_nothing_behind() -> None:
    async with street() as s:
        waiting_bytes = len(GOOD) * len(await s.fill())
        wire = await s.wire()
        wire.send(request()[:-10])
        assert (await wire.answer()).status == 429
        wire.hang_up()
        await until(lambda: len(s.servers["express"].server_state.connections) == 0)
        assert (s.lane.held_bytes, s.metrics.http_in_flight) == (waiting_bytes, 0)


async def test_hanging_up_frees_the_place_in_the_same_turn_and_the_batch_never_sees_it() -> None:
    async with street() as s:
        await s.fill(0)
        wires = [await s.wire() for _ in range(3)]
        for wire in wires:
            await waiting(s, wire)
        for gone, wire in enumerate(wires[:2], start=1):
            wire.hang_up()
            await until(lambda gone=gone: s.lane.statistics().abandoned == gone)  # type: ignore[misc]  # bound now
        assert s.lane.depth == 1
        s.predictor.gate.set()
        assert (await wires[2].answer()).status == 200
        assert [len(batch) for batch in s.predictor.batches] == [1, 1]


async def test_hanging_up_in_the_middle_of_a_body_gives_its_bytes_back() -> None:
    async with street() as s:
        wire = await s.wire()
        wire.send(request()[:-10])
        await until(lambda: s.lane.held_bytes == len(GOOD))
        wire.hang_up()
        await until(lambda: s.lane.held_bytes == 0)
        assert s.metrics.http_in_flight == 0
        assert s.lane.statistics().admitted == 0


async def test_hanging_up_while_the_batch_runs_costs_nobody_else_an_answer() -> None:
    async with street() as s:
        s.predictor.gate.clear()
        gone, stays = await s.wire(), await s.wire()
        gone.send(request())
        await until(lambda: s.lane.statistics().running == 1)
        stays.send(request())
        await until(lambda: s.lane.depth == 1)
        gone.hang_up()
        await until(lambda: s.lane.statistics().abandoned == 1)
        s.predictor.gate.set()
        assert (await stays.answer()).status == 200


async def test_a_server_that_closes_answers_what_it_has_and_then_hangs_up() -> None:
    async with street() as s:
        busy, idle = await s.wire(), await s.wire()
        idle.send(request(b"{"))
        assert (await idle.answer()).status == 422
        await s.fill(0)
        await waiting(s, busy)
        closing = asyncio.create_task(s.servers["express"].shutdown())
        await asyncio.sleep(0.02)
        s.predictor.gate.set()
        answer = await busy.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await busy.ended() == b""
        assert await idle.ended() == b""
        await closing


async def test_a_deadline_that_passes_while_it_waits_leaves_the_connection_usable() -> None:
    async with street() as s:
        await s.fill(0)
        wire = await s.wire()
        wire.send(request(headers={"X-Deadline-Ms": "30"}))
        assert (await wire.answer()).status == 504
        s.predictor.gate.set()
        wire.send(request())
        assert (await wire.answer()).status == 200


async def test_the_service_does_without_this_road_when_uvicorn_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert express.fits()
    monkeypatch.delattr(HttpToolsProtocol, "on_response_complete")
    assert not express.fits()


def test_another_release_of_uvicorn_is_served_without_the_short_road(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn, "__version__", "0.55.0")
    assert not express.fits()


#: Heads that the shortcut for whole requests must leave to the parser, or must read as the parser does.
HEADS: tuple[dict[str, str], ...] = (
    {},
    {"Connection": "keep-alive"},
    {"X-Request-ID": "mine-1"},
    {"Origin": "http://localhost:5173"},
    {"X-Deadline-Ms": "250"},
    {"content-LENGTH": str(len(GOOD))},
)


@pytest.mark.parametrize("headers", HEADS, ids=str)
async def test_a_full_lane_refuses_alike_whether_a_request_comes_whole_or_in_two_pieces(
    headers: dict[str, str],
) -> None:
    async with street() as s:
        await s.fill()
        raw = request(headers=headers, length=-1 if "content-LENGTH" in headers else None)
        whole, cut = await s.wire(), await s.wire()
        whole.send(raw)
        first = await whole.answer()
        await slowly(cut, raw, [len(raw) // 2])
        second = await cut.answer()
        assert first.status == second.status == 429
        assert first.headers.keys() == second.headers.keys()
        assert first.headers.get("x-request-id", "mine-1") == "mine-1" or "Origin" in headers
        # The connection goes on: a second request on it is read from its first byte.
        s.predictor.gate.set()
        await until(lambda: s.lane.depth == 0)
        whole.send(raw)
        assert (await whole.answer()).status == 200


@pytest.mark.parametrize(
    "tail", [b"x", b"POST /predict HTTP/1.1\r\n", GOOD], ids=["a byte", "a request line", "a second body"]
)
async def test_what_comes_behind_a_refused_request_in_the_same_packet_is_not_lost_on_the_parser(tail: bytes) -> None:
    async with street() as s:
        await s.fill()
        wire = await s.wire()
        wire.send(request() + tail)
        assert (await wire.answer()).status == 429
        wire.hang_up()
        assert s.lane.statistics().rejected == 1


async def test_a_body_that_looks_like_a_request_is_a_body() -> None:
    async with street() as s:
        await s.fill()
        inner = request()
        raw = request(inner)
        wire = await s.wire()
        # The packet's second half is, byte for byte, a whole request; the first half says that it is a body.
        await slowly(wire, raw, [len(raw) - len(inner)])
        assert (await wire.answer()).status == 429
        wire.hang_up()
        assert s.lane.statistics().rejected == 1


async def test_a_caller_that_asks_on_without_reading_is_cut_off_before_it_fills_the_memory() -> None:
    async with street() as s:
        wire = await s.wire()
        bad = request(b"", headers={"X-Deadline-Ms": "x"})
        for _ in range(300):
            wire.send(bad * 100)
            await asyncio.sleep(0)
        (connection,) = s.servers["express"].server_state.connections
        transport = connection.transport
        await asyncio.sleep(0.2)
        assert transport.get_write_buffer_size() < 1_000_000
        transport.abort()


async def test_a_head_without_an_end_is_a_431() -> None:
    async with street() as s:
        wire = await s.wire()
        wire.send(b"POST /predict HTTP/1.1\r\nX-Long: ")
        for _ in range(7):
            wire.send(b"a" * 10_000)
            await asyncio.sleep(0.005)
        assert (await wire.answer()).status == 431
        labels = {"endpoint": "unmatched", "method": "other", "status": "431"}
        assert s.metrics.registry.get_sample_value("http_requests_total", labels) == 1
        assert await wire.ended() == b""


async def test_nonsense_behind_a_request_does_not_take_its_answer() -> None:
    async with street() as s:
        await s.fill(0)
        wire = await s.wire()
        wire.send(request() + b"\x00garbage\r\n\r\n")
        await until(lambda: s.lane.depth == 1)
        s.predictor.gate.set()
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_body_that_is_still_coming_when_the_server_closes_is_refused_at_once() -> None:
    async with street() as s:
        wire, raw = await s.wire(), request()
        wire.send(raw[:-20])
        await until(lambda: s.lane.held_bytes == len(GOOD))
        for connection in s.servers["express"].server_state.connections:
            connection.shutdown()
        answer = await wire.answer()
        assert (answer.status, answer.json["code"]) == (503, "draining")
        assert s.lane.held_bytes == 0


def test_a_whole_refusal_has_the_servers_headers_whoever_asked_before() -> None:
    refusals = Refusals(make_lanes(1, 1, CLOCK).interactive, CLOCK)
    refusals.next()
    assert b"\r\ndate: now\r\n" in refusals.next_whole([(b"date", b"now")])
