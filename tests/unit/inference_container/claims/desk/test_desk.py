import asyncio
import threading
from pathlib import Path

import orjson
import pytest

from inference_container.claims.dead_letters import Kind, Why
from inference_container.claims.ports import Ended, Entry, Item
from inference_container.claims.retries import RetryPolicy
from inference_container.errors import (
    BrokerUnavailable,
    InvalidSeries,
    MessageTooLarge,
    ObjectMissing,
    StoreUnavailable,
)
from serving.errors import DeadlineExceeded, NotReady, WorkFailed
from tests.unit.inference_container.claims.desk.desk_house import BUCKET, KEY, MODEL, SERIES, House, digest, opened

pytestmark = pytest.mark.anyio


def raising(error: Exception) -> None:
    raise error


def letter(house: House) -> tuple[str, dict[str, str]]:
    """The topic and the headers of the one message that was sent."""
    (message,) = house.recorder.messages
    assert message is not None
    return message.topic, {name: content.decode() for name, content in message.headers}


async def test_a_claim_is_fetched_forecast_and_recorded_and_then_ended(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work(deadline_s=60, horizon=24)
        house.desk.take([work])
        await house.all_ended([work])
        assert house.told == [Ended(work.delivery)]
        (query,) = house.forecaster.queries
        assert (query.req_id, query.body, query.kind) == (work.record.source, SERIES, "parquet")
        assert query.options is not None
        assert query.options.inference_length == 24
        (line,), (message,) = house.recorder.lines(), house.recorder.messages
        assert (line["status"], line["run_id"], line["rows"]) == ("ok", MODEL.model_id, len(SERIES))
        assert message is not None
        assert message.topic == "performance-eval"
        assert message.value is not None
        sent = orjson.loads(message.value)
        assert (sent["source"], sent["model_type"], sent["identifier"]) == (work.record.source, "gru", "north")
        assert house.recorder.entries[0].deadline == work.deadline, "the recorder asks once more"
        assert house.metrics.outcomes.labels("ok").value == 1
        assert house.desk.statistics().in_work == 0


async def test_a_claim_that_names_no_horizon_gets_the_services_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work()
        house.desk.take([work])
        await house.all_ended([work])
        options = house.forecaster.queries[0].options
        assert options is not None
        assert options.inference_length == 12


@pytest.mark.parametrize(
    ("named", "status"), [({}, "ok"), ({"etag": "other"}, "dead_letter"), ({"deadline_s": -1}, "expired")]
)
async def test_nothing_is_told_of_a_suspect_before_the_broker_knows_that_nobody_died_of_it(
    tmp_path: Path, named: dict[str, str | int], status: str
) -> None:
    async with opened(tmp_path) as house:
        work = house.work(**named, suspect=True)  # type: ignore[arg-type]  # names and types stand in the list above
        house.desk.take([work])
        await house.until(lambda: bool(house.innocents))
        await house.until(lambda: house.desk.statistics().reading == 0)
        assert house.recorder.tries == 0
        (innocent,) = house.innocents
        await asyncio.to_thread(innocent.known)
        await house.all_ended([work])
        assert house.recorder.statuses() == {work.record.source: status}
        assert len(house.innocents) == 1


@pytest.mark.parametrize(
    ("before", "status", "worked"),
    [
        (set(), "dead_letter", 0),
        ({"dead_letter", "worker_killer"}, "dead_letter", 0),
        ({"ok"}, "ok", 1),
        ({"dead_letter", "object_missing"}, "ok", 1),
    ],
)
async def test_whoever_looks_like_a_killer_is_put_aside_unless_the_log_has_become_something_else_of_it(
    tmp_path: Path, before: set[str], status: str, worked: int
) -> None:
    """It was told to the world before the last death, and must not become anything else."""
    async with opened(tmp_path) as house:
        house.recorder.before = frozenset(before)
        work = house.work(suspect=True, attempts=3, doubt=Why("worker_killer", "It was begun again and again."))
        house.desk.take([work])
        if worked:
            await house.until(lambda: bool(house.innocents))
            house.innocents[0].known()
        await house.all_ended([work])
        assert house.recorder.statuses() == {work.record.source: status}
        assert len(house.forecaster.queries) == worked
        if not worked:
            assert house.recorder.lines()[0]["reason"] == "worker_killer"


async def test_a_late_one_that_looks_like_a_killer_is_late(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work(deadline_s=-1, doubt=Why("worker_killer", "It was begun again and again."))
        house.desk.take([work])
        await house.all_ended([work])
        assert house.recorder.statuses() == {work.record.source: "expired"}


async def test_a_suspect_that_is_withdrawn_while_the_broker_is_told_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work(suspect=True)
        house.desk.take([work])
        await house.until(lambda: bool(house.innocents))
        house.desk.withdraw([work.delivery])
        await house.all_ended([work])
        house.innocents[0].known()
        assert house.recorder.tries == 0


async def test_an_expired_claim_is_recorded_as_that_and_nothing_is_asked_of_store_or_workers(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work(deadline_s=-1)
        house.desk.take([work])
        await house.all_ended([work])
        assert house.recorder.statuses() == {work.record.source: "expired"}
        assert house.recorder.messages == [None]
        assert house.store.reads == []
        assert house.metrics.outcomes.labels("expired").value == 1


async def test_a_claim_that_expires_while_it_is_forecast_is_not_published(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.forecaster.gate.clear()
        work = house.work(deadline_s=5)
        house.desk.take([work])
        await house.until(lambda: len(house.forecaster.queries) == 1)
        house.clock.turn(6)
        house.forecaster.gate.set()
        await house.all_ended([work])
        assert house.recorder.statuses() == {work.record.source: "expired"}


async def test_a_claim_that_expires_before_its_message_is_sent_is_recorded_as_expired(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.recorder.gate.clear()
        work = house.work(deadline_s=5)
        house.desk.take([work])
        await house.until(lambda: house.recorder.tries == 1)
        house.clock.turn(6)
        house.recorder.gate.set()
        await house.all_ended([work])
        assert [line["status"] for line in house.recorder.lines()] == ["expired"]


@pytest.mark.parametrize(
    "named", [{"etag": "other"}, {"size": 1}, {"sha256": "0" * 64}, {"sha256": digest(SERIES), "size": 3}]
)
async def test_another_version_of_the_object_is_a_dead_letter_of_its_own_code(
    tmp_path: Path, named: dict[str, str | int]
) -> None:
    async with opened(tmp_path) as house:
        work = house.work(**named)  # type: ignore[arg-type]  # names and types stand in the list above
        house.desk.take([work])
        await house.all_ended([work])
        topic, headers = letter(house)
        assert (topic, headers["dlq-reason"]) == ("DLQ-performance-eval", "object_changed")
        assert house.forecaster.queries == []


async def test_the_version_that_is_named_is_worked(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        etag = (await asyncio.to_thread(house.store.stat, BUCKET, KEY)).etag
        works = [house.work(etag=etag, size=len(SERIES), sha256=digest(SERIES)), house.work(sha256=digest(SERIES))]
        house.desk.take(works)
        await house.all_ended(works)
        assert set(house.recorder.statuses().values()) == {"ok"}


async def test_an_object_that_is_written_after_its_claim_is_waited_for_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        soon, never = house.work("soon.parquet"), house.work("never.parquet")
        house.desk.take([soon, never])
        await house.until(lambda: len(house.store.reads) == 2)
        await asyncio.to_thread(house.store.put, BUCKET, "soon.parquet", SERIES)
        await house.all_ended([soon, never], step_s=0.05)
        assert house.recorder.statuses() == {soon.record.source: "ok", never.record.source: "dead_letter"}
        assert sorted(house.store.reads) == ["never.parquet"] * 2 + ["soon.parquet"] * 2
        assert house.clock.monotonic() >= 0.5
        (_, headers) = next(
            (message.topic, dict(message.headers))
            for message in house.recorder.messages
            if message is not None and message.topic.startswith("DLQ")
        )
        assert headers["dlq-reason"] == b"object_missing"
        assert headers["dlq-attempts"] == b"2"
        assert house.metrics.retries.labels(ObjectMissing.code).value == 2


async def test_what_can_not_be_forecast_is_a_dead_letter_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work(headers=(("trace", b"1"),))
        house.forecaster.errors[work.record.source] = [InvalidSeries("Too short.")]
        house.desk.take([work])
        await house.all_ended([work])
        (message,) = house.recorder.messages
        assert message is not None
        assert (message.key, message.value) == (work.record.key, work.record.value)
        assert message.headers[0] == ("trace", b"1")
        _, headers = letter(house)
        assert headers["dlq-reason"] == "invalid_series"
        assert headers["dlq-error"] == "Too short."
        assert headers["operation"] == "Data Fetch/Inference"
        assert headers["timestamp"] == f"{work.record.timestamp_ms / 1000:.3f}", "the same each time it is told"
        assert house.metrics.dead_letters.labels("DLQ-performance-eval", "invalid_series").value == 1
        assert house.held == []


async def test_patience_that_ran_out_is_tried_again_and_in_the_end_a_dead_letter(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        twice, thrice = house.work(), house.work()
        house.forecaster.errors = {
            twice.record.source: [DeadlineExceeded(), DeadlineExceeded()],
            thrice.record.source: [DeadlineExceeded(), DeadlineExceeded(), DeadlineExceeded()],
        }
        house.desk.take([twice, thrice])
        await house.all_ended([twice, thrice], step_s=0.05)
        assert house.recorder.statuses() == {twice.record.source: "ok", thrice.record.source: "dead_letter"}
        assert len(house.store.reads) == 2, "what was fetched is kept"


async def test_tries_of_an_earlier_life_count(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work(attempts=3)
        house.forecaster.errors[work.record.source] = [DeadlineExceeded()]
        house.desk.take([work])
        await house.all_ended([work])
        _, headers = letter(house)
        assert (headers["dlq-reason"], headers["dlq-attempts"]) == ("deadline_exceeded", "3")


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"run_id": 5, "predictions": []}', b'{"run_id": "b"}', b"{}"])
async def test_an_answer_that_is_none_is_a_dead_letter(
    tmp_path: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.inference_container.claims.desk.desk_house.answer", lambda *_: body)
    async with opened(tmp_path) as house:
        work = house.work()
        house.desk.take([work])
        await house.all_ended([work])
        assert letter(house)[1]["dlq-reason"] == WorkFailed.code


async def test_what_nobody_foresaw_is_a_dead_letter_that_tells_its_class_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work()
        house.forecaster.errors[work.record.source] = [ZeroDivisionError("patient-4711")]
        house.desk.take([work])
        await house.all_ended([work])
        _, headers = letter(house)
        assert (headers["dlq-reason"], headers["dlq-error"]) == ("unexpected_error", "ZeroDivisionError.")


async def test_one_poison_among_twenty_dies_alone_and_the_others_live(tmp_path: Path) -> None:
    async with opened(tmp_path, fetchers=20) as house:
        works = [house.work() for _ in range(20)]
        poison = works[7].record.source
        house.forecaster.poison = {poison}
        house.desk.take(works)
        await house.all_ended(works, step_s=0.05)
        statuses = house.recorder.statuses()
        assert statuses.pop(poison) == "dead_letter"
        assert list(statuses.values()) == ["ok"] * 19
        together = [batch for batch in house.forecaster.batches if len(batch) > 1]
        assert sum(poison in batch for batch in together) == 1, "it dies once in company, then only by itself"
        assert sum(poison in batch for batch in house.forecaster.batches) == 3
        dead = next(message for message in house.recorder.messages if message is not None and "DLQ" in message.topic)
        assert dict(dead.headers)["dlq-reason"] == b"worker_died"
        assert dict(dead.headers)["dlq-attempts"] == b"3"


async def test_while_one_is_forecast_alone_later_ones_wait_and_go_on_behind_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        poison = house.work()
        house.forecaster.poison = {poison.record.source}
        house.desk.take([poison])
        await house.until(lambda: house.metrics.retries.labels("worker_died").value == 1)
        house.forecaster.gate.clear()
        await house.until(lambda: len(house.forecaster.batches) == 2, step_s=0.05)
        later = [house.work() for _ in range(3)]
        house.desk.take(later)
        await house.until(lambda: house.desk.statistics().forecasting == 4)
        assert house.forecaster.batches[1:] == [[poison.record.source]]
        house.forecaster.gate.set()
        await house.all_ended([poison, *later], step_s=0.05)
        assert sorted(house.recorder.statuses().values(), key=str) == ["dead_letter", "ok", "ok", "ok"]


async def test_a_store_that_is_down_for_three_seconds_costs_no_claim_and_few_reads(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        works = [house.work() for _ in range(50)]
        house.store.fault = lambda _: raising(StoreUnavailable()) if house.clock.monotonic() < 3 else None
        house.desk.take(works)
        await house.until(lambda: house.desk.held is not None)
        assert "store_unavailable" in str(house.desk.held)
        await house.until(lambda: house.desk.held is None, step_s=0.02)
        assert house.clock.monotonic() < 3 + 1.5, "a pause is a second at most"
        await house.all_ended(works)
        assert list(house.recorder.statuses().values()) == ["ok"] * 50
        assert len(house.store.reads) <= 50 + 8 + 8, "those that were reading, and the probes"
        assert house.desk.held is None
        assert set(house.held) == {work.delivery for work in works}, "also those who only wait"
        assert len(house.held) <= 50 + 8, "once for each hold"
        assert house.metrics.holds.labels("store_unavailable").value == 1
        assert house.metrics.retries.labels("store_unavailable").value == 0


async def test_while_the_store_is_down_deadlines_pass_and_claims_are_withdrawn(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.store.fault = lambda _: raising(StoreUnavailable())
        late, gone = house.work(deadline_s=2), house.work()
        house.desk.take([late, gone])
        await house.until(lambda: len(house.held) == 2)
        await house.until(lambda: len(house.ended) == 1, step_s=0.05)
        assert house.recorder.statuses() == {late.record.source: "expired"}
        assert house.clock.monotonic() < 2.5
        house.desk.withdraw([gone.delivery])
        await house.until(lambda: len(house.ended) == 2)
        assert house.told[-1] == Ended(gone.delivery, recorded=False)
        # Nobody is left who could find out that the store is back: it ends by itself, and the next one finds out.
        await house.until(lambda: house.desk.held is None, step_s=0.05)
        house.store.fault = lambda _: None
        after = house.work()
        house.desk.take([after])
        await house.until(lambda: len(house.ended) == 3)
        assert house.recorder.statuses()[after.record.source] == "ok"


async def test_a_recorder_that_is_down_repeats_the_recording_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.recorder.fault = lambda _: raising(BrokerUnavailable()) if house.clock.monotonic() < 2 else None
        works = [house.work() for _ in range(10)]
        house.desk.take(works)
        await house.until(lambda: house.desk.held is not None)
        await house.all_ended(works, step_s=0.05)
        assert list(house.recorder.statuses().values()) == ["ok"] * 10
        assert len(house.store.reads) == len(house.forecaster.queries) == 10
        assert house.recorder.tries <= 10 + 10 + 8


async def test_without_a_model_claims_wait_and_none_is_lost(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.forecaster.error = NotReady()
        works = [house.work() for _ in range(5)]
        house.desk.take(works)
        await house.until(lambda: len(house.held) == 5)
        for _ in range(200):
            house.clock.turn(0.1)
            await asyncio.sleep(0)
        assert house.ended == []
        house.forecaster.error = None
        await house.all_ended(works, step_s=0.05)
        assert list(house.recorder.statuses().values()) == ["ok"] * 5
        assert len(house.store.reads) == 5


async def test_an_end_is_recorded_however_long_it_takes_and_whatever_it_meets(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        failures: list[Exception] = [StoreUnavailable(), ZeroDivisionError(), DeadlineExceeded(), BrokerUnavailable()]
        house.recorder.fault = lambda _: raising(failures.pop(0)) if failures else None
        expired, refused = house.work(deadline_s=-1), house.refused()
        house.desk.take([expired, refused])
        await house.all_ended([1, 2], step_s=0.05)
        assert house.recorder.statuses() == {expired.record.source: "expired", refused.record.source: "dead_letter"}
        assert set(house.held) == {expired.delivery}, "a refused one was never begun, so no try is taken back"


async def test_one_object_that_always_fails_does_not_hold_up_the_others_and_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.store.fault = lambda key: raising(StoreUnavailable()) if key == "bad" else None
        bad = house.work("bad")
        house.desk.take([bad])
        others: list[Item] = []
        while bad.delivery not in house.ended:
            others.append(house.work())
            house.desk.take([others[-1]])
            await house.until(lambda: others[-1].delivery in house.ended, step_s=0.05)
            assert len(others) < 500
        statuses = house.recorder.statuses()
        assert statuses.pop(bad.record.source) == "dead_letter"
        assert set(statuses.values()) == {"ok"}
        assert house.metrics.holds.labels("store_unavailable").value <= 3
        assert house.clock.monotonic() > 10


async def test_a_refused_message_becomes_a_dead_letter_by_its_kind(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        claim, training = house.refused(headers=(("deadline_ms", b"x"),)), house.refused(kind=Kind.TRAINING)
        house.desk.take([claim, training])
        await house.all_ended([1, 2])
        messages = [message for message in house.recorder.messages if message is not None]
        assert [message.topic for message in messages] == ["DLQ-performance-eval", "DLQ-model-training"]
        assert messages[0].value == claim.record.value
        assert messages[0].headers[0] == ("deadline_ms", b"x")
        assert dict(messages[0].headers)["operation"] == b"Preprocessing Message Parse"
        assert dict(messages[1].headers)["operation"] == b"Training Message Parse"
        assert house.metrics.outcomes.labels("dead_letter").value == 2


@pytest.mark.parametrize("taken", [1, 2])
async def test_a_letter_that_the_broker_does_not_take_is_shortened_until_it_does(tmp_path: Path, taken: int) -> None:
    async with opened(tmp_path) as house:
        tries: list[Entry] = []

        def too_large(entry: Entry) -> None:
            tries.append(entry)
            if len(tries) <= taken:
                raise MessageTooLarge

        house.recorder.fault = too_large
        refused = house.refused(b"x" * 100, headers=(("long", b"y" * 100),))
        house.desk.take([refused])
        await house.all_ended([refused])
        (message,) = house.recorder.messages
        assert message is not None
        assert message.value is None
        assert (message.key is None, "long" in dict(message.headers)) == (
            (False, True) if taken == 1 else (True, False)
        )
        headers = dict(message.headers)
        assert headers["dlq-value-bytes"] == b"100"
        assert headers["dlq-source"] == refused.record.source.encode()


async def test_a_result_that_the_broker_does_not_take_is_a_dead_letter(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work()
        failures = [MessageTooLarge()]
        house.recorder.fault = lambda _: raising(failures.pop()) if failures else None
        house.desk.take([work])
        await house.all_ended([work])
        _, headers = letter(house)
        assert (headers["dlq-reason"], headers["operation"]) == ("message_too_large", "Inference Log Write")


@pytest.mark.parametrize("where", ["fetching", "forecasting", "recording", "pausing"])
async def test_a_withdrawn_claim_is_dropped_where_it_stands_and_told_once(tmp_path: Path, where: str) -> None:
    async with opened(tmp_path) as house:
        work = house.work("gone" if where == "pausing" else KEY)
        if where == "fetching":
            held = asyncio.Event()
            loop = asyncio.get_running_loop()
            house.store.fault = lambda _: asyncio.run_coroutine_threadsafe(held.wait(), loop).result(10) and None
        gate = {"forecasting": house.forecaster.gate, "recording": house.recorder.gate}.get(where)
        if gate is not None:
            gate.clear()
        house.desk.take([work])
        await house.until(lambda: getattr(house.desk.statistics(), where) == 1 if gate else len(house.store.reads) == 1)
        await asyncio.sleep(0.01)
        house.desk.withdraw([work.delivery])
        await house.until(lambda: bool(house.told))
        assert house.told == [Ended(work.delivery, recorded=False)]
        assert house.metrics.outcomes.labels("withdrawn").value == 1
        if where == "fetching":
            held.set()
        for event in (house.forecaster.gate, house.recorder.gate):
            event.set()
        await asyncio.sleep(0.01)
        assert len(house.told) == 1
        statistics = house.desk.statistics()
        assert (statistics.in_work, statistics.fetching, statistics.forecasting, statistics.recording) == (0, 0, 0, 0)


async def test_closing_tells_of_what_is_left_and_of_what_comes_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.forecaster.gate.clear()
        works = [house.work() for _ in range(3)]
        house.desk.take(works[:2])
        await house.until(lambda: len(house.forecaster.queries) == 2)
        house.desk.take(works[2:])  # on its way to the loop when the desk closes
    assert sorted(house.told, key=str) == [Ended(work.delivery, recorded=False) for work in works]
    late = house.work()
    house.desk.take([late])
    house.desk.withdraw([late.delivery])
    await house.until(lambda: len(house.told) == 4)
    assert house.told[-1] == Ended(late.delivery, recorded=False)


async def test_items_come_from_any_thread_and_withdrawing_what_is_unknown_is_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        works = [house.work() for _ in range(40)]
        await asyncio.gather(*(asyncio.to_thread(house.desk.take, works[at : at + 10]) for at in range(0, 40, 10)))
        await asyncio.to_thread(house.desk.withdraw, [house.work().delivery])
        await house.all_ended(works)
        assert sorted(house.ended) == [work.delivery for work in works]


async def test_one_attempt_means_no_other_try(tmp_path: Path) -> None:
    async with opened(tmp_path, RetryPolicy(most_attempts=1)) as house:
        work = house.work("never.parquet")
        house.desk.take([work])
        await house.all_ended([work])
        assert len(house.store.reads) == 1


async def test_closing_waits_for_what_was_handed_over_before(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        work = house.work()
        house.desk.take([work])
        await house.desk.__aexit__()
        assert house.told == [Ended(work.delivery, recorded=False)], "nobody may be there to hear of it later"


async def test_beside_callers_two_objects_are_read_at_once_and_without_them_as_many_as_may_be(tmp_path: Path) -> None:
    async with opened(tmp_path, fetchers=5) as house:
        gate, works = threading.Event(), [house.work() for _ in range(12)]
        house.store.fault = lambda key: raising(StoreUnavailable()) if not gate.wait(5) else None
        house.forecaster.callers = True
        house.desk.take(works[:6])
        await house.until(lambda: len(house.store.reads) == 2)
        await asyncio.sleep(0.02)
        assert house.desk.statistics().reading == 2
        house.forecaster.callers = False
        house.desk.take(works[6:])
        gate.set()
        await house.until(lambda: len(house.store.reads) == 12)
        await house.all_ended(works)
