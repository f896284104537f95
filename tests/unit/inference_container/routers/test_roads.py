"""Whichever road a forecast comes by, the answer is the same: express, any ASGI server, the application's own route."""

import asyncio
from collections.abc import Mapping

import pytest

from serving.lifecycle import State
from tests.unit.inference_container.forecasting.samples import body, sample_data
from tests.unit.inference_container.routers.street import (
    GOOD,
    MAX_BODY,
    ROADS,
    Answer,
    Street,
    chunked,
    request,
    street,
)
from tests.unit.until import until

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOO_LARGE = b" " * (MAX_BODY + 1)


def same(answers: Mapping[str, Answer], status: int, code: str | None = None) -> Answer:
    """Checks that all roads gave this, in this shape; one of them."""
    assert {road: each.status for road, each in answers.items()} == dict.fromkeys(answers, status)
    first = answers[ROADS[0]]
    for answer in answers.values():
        assert answer.json.keys() == first.json.keys()
        assert answer.headers["content-type"] == first.headers["content-type"]
        assert {"x-request-id", "traceparent"} <= answer.headers.keys()
        if code is not None:
            assert answer.headers["content-type"] == "application/problem+json"
            told = {
                name: value
                for name, value in answer.json.items()
                if name not in ("trace_id", "req_id", "retry_after_s")
            }
            assert told == {name: first.json[name] for name in told}
            assert (answer.json["code"], answer.json["status"]) == (code, status)
            assert {"type", "title", "status", "code", "detail", "trace_id"} <= answer.json.keys()
    return first


async def test_a_forecast_is_the_same_by_every_road() -> None:
    async with street() as s:
        for raw in (request(), chunked(), request(headers={"Content-Type": "text/plain; charset=utf-8"})):
            answers = await s.ask_all(raw)
            assert same(answers, 200).headers["content-type"] == "application/json"
            assert len({str(answer.json["predictions"]) for answer in answers.values()}) == 1
            assert len({answer.json["req_id"] for answer in answers.values()}) == 3


async def test_the_callers_request_id_comes_back_and_its_trace_goes_on() -> None:
    headers = {"X-Request-ID": "order-66/a", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}
    async with street() as s:
        for raw in (request(headers=headers), request(b"{", headers)):
            answers = await s.ask_all(raw)
            spans = set()
            for answer in answers.values():
                assert answer.headers["x-request-id"] == "order-66/a"
                version, trace, span, flags = answer.headers["traceparent"].split("-")
                assert (version, trace, flags) == ("00", TRACE, "00")
                spans.add(span)
            assert len(spans - {"00f067aa0ba902b7"}) == 3


async def test_ids_that_are_no_ids_are_replaced_and_a_trace_is_begun_where_none_came() -> None:
    async with street() as s:
        for headers in ({}, {"X-Request-ID": "no spaces, please", "traceparent": "00-xyz-1-01"}):
            for answer in (await s.ask_all(request(headers=headers))).values():
                trace = answer.headers["traceparent"].split("-")[1]
                assert answer.headers["x-request-id"] == trace
                assert (trace[12], len(trace)) == ("4", 32)


@pytest.mark.parametrize(
    ("payload", "status", "code"),
    [
        (b"{", 422, "malformed_request"),
        (b"", 400, "no_data"),
        (b"[]", 422, "malformed_request"),
        (body(sample_data(2)), 400, "too_few_rows"),
        (body(sample_data(8, ("load",))), 400, "missing_columns"),
        (body(sample_data(8), inference_length=0), 422, "malformed_request"),
        (body(sample_data(8), inference_length=10_001), 422, "malformed_request"),
        (body(sample_data(8), inference_length=4), 400, "horizon_too_long"),
    ],
)
async def test_a_body_that_can_not_be_forecast_is_refused_alike(payload: bytes, status: int, code: str) -> None:
    async with street() as s:
        same(await s.ask_all(request(payload)), status, code)
        same(await s.ask_all(request()), 200)


@pytest.mark.parametrize("media_type", ["text/html", "multipart/form-data; boundary=x", "application/vnd.ms-excel"])
async def test_a_media_type_nobody_reads_is_a_415(media_type: str) -> None:
    async with street() as s:
        same(await s.ask_all(request(headers={"Content-Type": media_type})), 415, "unsupported_media_type")


async def test_a_body_announced_too_large_is_a_413_before_it_is_sent() -> None:
    async with street() as s:
        answers = await s.ask_all(request(b"", length=MAX_BODY + 1))
        codes = {road: (each.status, each.json["code"]) for road, each in answers.items()}
        assert codes == dict.fromkeys(ROADS, (413, "request_body_too_large"))


@pytest.mark.parametrize("size", [500, MAX_BODY + 1])
async def test_a_body_that_turns_out_too_large_is_a_413(size: int) -> None:
    async with street() as s:
        answers = await s.ask_all(chunked(TOO_LARGE, size))
        codes = {road: (each.status, each.json["code"]) for road, each in answers.items()}
        assert codes == dict.fromkeys(ROADS, (413, "request_body_too_large"))


@pytest.mark.parametrize("name", ["X-Deadline-Ms", "X-Request-Timeout-Ms"])
@pytest.mark.parametrize("value", ["soon", "0", "-5", "1.5", "1e3", "9" * 13])
async def test_a_deadline_that_is_no_number_of_milliseconds_is_a_422(name: str, value: str) -> None:
    async with street() as s:
        told = same(await s.ask_all(request(headers={name: value})), 422, "invalid_request")
        assert told.json["errors"][0]["loc"] == ["header", name.lower()]


async def test_a_deadline_that_passes_is_a_504_and_the_work_is_never_begun() -> None:
    async with street() as s:
        await s.fill(0)
        same(await s.ask_all(request(headers={"X-Deadline-Ms": "40"})), 504, "deadline_exceeded")
        same(await s.ask_all(request(headers={"X-Request-Timeout-Ms": "40"})), 504, "deadline_exceeded")
        assert s.lane.statistics().expired == 6
        s.predictor.gate.set()
        await until(lambda: s.predictor.idle == 1)
        assert len(s.predictor.batches) == 1


async def test_a_full_lane_is_a_429_with_whole_seconds_that_differ() -> None:
    async with street() as s:
        waiting = await s.fill()
        waits: dict[str, set[str]] = {road: set() for road in ROADS}
        for _ in range(12):
            answers = await s.ask_all(request(headers={"X-Request-ID": "mine"}))
            same(answers, 429, "queue_full")
            for road, answer in answers.items():
                waits[road].add(answer.headers["retry-after"])
                assert str(answer.json["retry_after_s"]) == answer.headers["retry-after"]
                assert answer.headers["x-request-id"] == "mine"
        assert all(int(wait) >= 1 for told in waits.values() for wait in told)
        assert all(len(told) > 1 for told in waits.values())
        assert s.lane.statistics().rejected == 36
        s.predictor.gate.set()
        await until(lambda: all(ticket.settled for ticket in waiting))
        same(await s.ask_all(request()), 200)


async def test_while_there_is_no_model_every_road_says_when_to_come_back() -> None:
    async with street() as s:
        model, s.predictor.served = s.predictor.served, None
        assert int(same(await s.ask_all(request()), 503, "not_ready").headers["retry-after"]) >= 1
        s.predictor.served = model
        s.life.to(State.FAILED, "golden_mismatch: it forecasts something else.")
        assert "golden_mismatch" in same(await s.ask_all(request()), 503, "not_ready").json["detail"]
        s.life.to(State.READY)
        same(await s.ask_all(request()), 200)


async def test_a_process_that_goes_down_says_so_and_closes_the_connection() -> None:
    async with street() as s:
        s.life.to(State.DRAINING)
        for road in ROADS:
            wire = await s.wire(road)
            wire.send(request())
            answer = await wire.answer()
            assert (answer.status, answer.json["code"]) == (503, "draining")
            assert answer.headers["connection"] == "close"
            assert int(answer.headers["retry-after"]) >= 1
            assert await wire.ended() == b""


@pytest.mark.parametrize(
    ("query", "fields", "steps"),
    [
        ("", {}, 1),
        ("", {"inference_length": 3}, 3),
        ("?inference_length=2", {}, 2),
        ("?inference_length=2", {"inference_length": 3}, 2),
        ("?nobody=knows&inference_length=3&nobody=cares", {}, 3),
        ("?", {"inference_length": 2}, 2),
        ("?inference_length=1&inference_length=2", {}, 2),
    ],
)
async def test_the_query_string_wins_over_the_body_and_unknown_parameters_are_ignored(
    query: str, fields: dict[str, object], steps: int
) -> None:
    async with street() as s:
        answers = await s.ask_all(request(body(sample_data(8), **fields), query=query))
        assert len(same(answers, 200).json["predictions"]) == steps
        assert len({str(answer.json["predictions"]) for answer in answers.values()}) == 1


@pytest.mark.parametrize(
    "query", ["inference_length=0", "inference_length=10001", "inference_length=ten", "quantiles=2"]
)
async def test_a_parameter_out_of_bounds_is_a_422_that_names_it(query: str) -> None:
    async with street() as s:
        told = same(await s.ask_all(request(query=f"?{query}")), 422, "invalid_request")
        assert told.json["errors"][0]["loc"] == ["query", query.partition("=")[0]]


async def test_a_defect_behind_the_door_is_a_500_that_tells_nothing_of_it() -> None:
    async with street() as s:

        def broken(*_: object) -> None:
            raise ValueError("what a caller must not read")

        s.predict.admit = broken  # type: ignore[method-assign, assignment]  # no input is known to break it
        told = same(await s.ask_all(request()), 500, "internal_error")
        assert b"must not read" not in told.body


async def test_other_paths_and_methods_are_the_applications() -> None:
    async with street() as s:
        for raw, status in (
            (request().replace(b"POST /predict", b"GET /predict"), 405),
            (request().replace(b"/predict", b"/predicts"), 404),
            (request().replace(b"/predict", b"/predict/"), 404),
        ):
            answers = await s.ask_all(raw)
            assert {each.status for each in answers.values()} <= {status, 307}
            assert len({each.status for each in answers.values()}) == 1


async def test_every_road_counts_its_requests_alike() -> None:
    async with street() as s:
        for road in ROADS:
            for raw in (request(), request(b"{"), request(headers={"X-Deadline-Ms": "0"})):
                await s.ask(road, raw)
        await until(lambda: s.metrics.http_in_flight == 0)
        told = s.metrics.exposition().decode()
        for status, times in ((200, 3), (422, 6)):
            assert f'http_requests_total{{endpoint="/predict",method="POST",status="{status}"}} {times}.0' in told


def outcomes(s: Street) -> dict[str, float]:
    counts = s.metrics.outcomes.counts()
    return {outcome: count for (outcome, lane), count in counts.items() if count and lane == "callers"}


@pytest.mark.parametrize("road", ROADS)
async def test_every_refusal_leaves_one_outcome_on_every_road(road: str) -> None:
    """The schema's, the head's and the body's as well: what the first service of this kind did not count."""
    async with street() as s:
        wrong = (
            request(b"{"),
            request(query="?inference_length=0"),
            request(headers={"X-Deadline-Ms": "0"}),
            request(headers={"Content-Type": "image/png"}),
        )
        for raw in wrong:
            assert (await s.ask(road, raw)).status in (415, 422)
        await until(lambda: s.metrics.http_in_flight == 0)
        assert outcomes(s) == {"client_error": len(wrong)}
        assert (await s.ask(road, request(b"[" * (MAX_BODY + 1)))).status == 413
        if road != "app":  # there, an announced length is refused before a route is looked for
            assert outcomes(s) == {"client_error": len(wrong) + 1}


@pytest.mark.parametrize("road", ROADS)
async def test_a_refusal_for_want_of_room_is_counted_once_on_every_road(road: str) -> None:
    async with street() as s:
        await s.fill()
        assert (await s.ask(road, request())).status == 429
        assert outcomes(s) == {"rejected": 1}
        assert s.metrics.rejected.counts()["queue_full",] == 1
        assert s.lane.statistics().rejected == 1


@pytest.mark.parametrize("road", ROADS)
async def test_a_service_without_a_model_counts_whom_it_sends_away(road: str) -> None:
    async with street() as s:
        s.life.to(State.FAILED)
        assert (await s.ask(road, request())).status == 503
        assert outcomes(s) == {"rejected": 1}


@pytest.mark.parametrize("road", ROADS)
async def test_who_hangs_up_in_its_own_body_is_counted_as_gone(road: str) -> None:
    async with street() as s:
        wire = await s.wire(road)
        wire.send(request()[:-50])
        await until(lambda: s.metrics.http_in_flight == 1)
        await asyncio.sleep(0.01)
        wire.hang_up()
        await until(lambda: s.metrics.http_in_flight == 0)
        assert outcomes(s) == {"abandoned": 1}


@pytest.mark.parametrize("road", ROADS)
async def test_a_body_that_never_comes_is_counted_as_too_late(road: str) -> None:
    async with street() as s:
        assert (await s.ask(road, request(b"{", {"X-Deadline-Ms": "50"}, length=100))).status == 504
        assert outcomes(s) == {"timeout": 1}


async def test_a_browsers_answer_can_be_read_by_the_browser() -> None:
    async with street() as s:
        await s.fill()
        refused = await s.ask_all(request(headers={"Origin": "http://localhost:5173"}))
        for answer in refused.values():
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (429, "http://localhost:5173")


@pytest.mark.parametrize("road", ROADS)
async def test_a_caller_that_hangs_up_while_it_waits_frees_its_place(road: str) -> None:
    async with street() as s:
        waiting = await s.fill(0)
        wire = await s.wire(road)
        wire.send(request())
        await until(lambda: s.lane.depth == 1)
        wire.hang_up()
        await until(lambda: s.lane.statistics().abandoned == 1)
        assert s.lane.depth == 0
        assert s.lane.held_bytes == len(GOOD) * len(waiting)


@pytest.mark.parametrize("road", ROADS)
async def test_a_caller_that_hangs_up_in_its_own_body_leaves_nothing_behind(road: str) -> None:
    async with street() as s:
        wire = await s.wire(road)
        wire.send(request()[:-50])
        await until(lambda: s.metrics.http_in_flight == 1)
        await asyncio.sleep(0.01)
        wire.hang_up()
        await until(lambda: s.metrics.http_in_flight == 0)
        assert s.lane.held_bytes == 0
        assert s.lane.statistics().admitted == 0


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_a_body_that_never_comes_is_a_504_by_the_deadline(road: str, begun: bytes) -> None:
    async with street() as s:
        answer = await s.ask(road, request(begun, {"X-Deadline-Ms": "60"}, length=100))
        assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded")
