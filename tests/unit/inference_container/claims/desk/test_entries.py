import io

import orjson
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types; what is made of it here is bytes
import pytest
from pyarrow import parquet

from inference_container.claims.consuming.ledger import Delivery
from inference_container.claims.dead_letters import DeadLetterTopics, Kind, Operation, Why
from inference_container.claims.deadlines import ClaimDeadline
from inference_container.claims.desk.entries import ClaimTopics, Entries, read_answer
from inference_container.claims.messages import Claim
from inference_container.claims.ports import Entry, Outgoing, Refused, Work
from inference_container.claims.results import ModelName, Place
from inference_container.forecasting.inferencer import Inferencer
from inference_container.forecasting.messages import ForecastQuery, QueryOptions
from serving.errors import WorkFailed
from tests.unit.inference_container.claims.samples import INPUT, record
from tests.unit.inference_container.forecasting.samples import (
    BUNDLE_ID,
    CountingBackend,
    sample_data,
    sample_inferencer,
    sample_plan,
)

ENTRIES = Entries("north", ClaimTopics("answers", DeadLetterTopics("dead")))
MODEL = ModelName(BUNDLE_ID, "linear", "c" * 64)
WORK = Work(
    Delivery(INPUT, 7, 1),
    record(),
    Claim(2, "processed-data", "a.parquet", "c-1", etag="abc"),
    ClaimDeadline(1_767_225_700_000),
    1,
)
PLACE = Place("logs", "results/topic=inference-data/a.jsonl")


def series(seed: int = 0) -> bytes:
    sink = io.BytesIO()
    data = sample_data(8, seed=seed)
    parquet.write_table(pa.table(data), sink)
    return sink.getvalue()


def name_of(bundle_id: str) -> ModelName | None:
    return MODEL if bundle_id == BUNDLE_ID else None


def told(company: int, inferencer: Inferencer) -> tuple[Entry, Outgoing]:
    """What is written of one claim that was forecast together with so many others."""
    options = QueryOptions(inference_length=3)
    others = [ForecastQuery(f"other-{seed}", series(seed), "parquet", options) for seed in range(1, company + 1)]
    reply = inferencer.answer([*others, ForecastQuery(WORK.record.source, series(), "parquet", options)]).replies[-1]
    assert isinstance(reply, bytes)
    entry = ENTRIES.answered(WORK, *read_answer(reply, name_of))
    assert entry.message is not None
    return entry, entry.message(PLACE)


def test_equal_claim_and_equal_bundle_give_equal_bytes() -> None:
    (first, message), (second, another) = (told(0, sample_inferencer(sample_plan())) for _ in range(2))
    assert first.row == second.row
    assert message == another


def test_the_bytes_tell_nothing_of_the_batch_that_a_claim_was_in() -> None:
    # A backend that adds up in the same order whatever the batch is: matrix products in numpy and torch do not.
    plan = sample_plan()
    inferencer = Inferencer(plan, CountingBackend(plan.network), identifier="unit")
    (alone, message), (beside, another) = told(0, inferencer), told(5, inferencer)
    assert alone.row == beside.row
    assert message == another


def test_a_result_says_whose_it_is_and_where_it_lies() -> None:
    entry, message = told(0, sample_inferencer(sample_plan()))
    assert entry.deadline == WORK.deadline
    assert message.topic == "answers"
    assert message.value is not None
    fields = orjson.loads(message.value)
    assert (fields["model_id"], fields["model_type"], fields["rows"]) == (BUNDLE_ID, "linear", 3)
    assert (fields["source"], fields["claim_id"], fields["identifier"]) == (WORK.record.source, "c-1", "north")
    assert (fields["log_bucket"], fields["log_object_key"]) == (PLACE.bucket, PLACE.key)
    assert fields["forecast"]["req_id"] == WORK.record.source
    assert orjson.loads(entry.row.line)["forecast"] == fields["forecast"]


def test_an_expired_claim_leaves_a_row_and_no_message() -> None:
    entry = ENTRIES.expired(WORK)
    assert (entry.message, entry.deadline) == (None, None)
    assert orjson.loads(entry.row.line)["status"] == "expired"


@pytest.mark.parametrize(
    ("kind", "topic", "operation", "doing"),
    [
        (Kind.CLAIM, "dead", None, b"Preprocessing Message Parse"),
        (Kind.TRAINING, "DLQ-inference-data", None, b"Training Message Parse"),
        (Kind.CLAIM, "dead", Operation.FORECAST, b"Data Fetch/Inference"),
    ],
)
def test_a_dead_letter_is_the_message_and_the_row_has_its_reason(
    kind: Kind, topic: str, operation: Operation | None, doing: bytes
) -> None:
    because = Why("not_json", "It is not JSON.")
    refused = Refused(WORK.delivery, record(b"{"), None, because, 0, kind)
    letter = ENTRIES.letter(refused, because, 0, operation)
    entry = ENTRIES.dead(refused, letter, because.reason)
    assert entry.message is not None
    message = entry.message(PLACE)
    assert (message.topic, message.key, message.value) == (topic, refused.record.key, b"{")
    assert dict(message.headers)["operation"] == doing
    line = orjson.loads(entry.row.line)
    assert (line["status"], line["reason"], line["claim_id"]) == ("dead_letter", "not_json", None)


def test_two_tellings_of_a_dead_letter_have_the_same_bytes() -> None:
    because = Why("no_data", "Nothing.")
    assert ENTRIES.letter(WORK, because, 1) == ENTRIES.letter(WORK, because, 1)
    assert dict(ENTRIES.letter(WORK, because, 1).headers)["timestamp"] == b"1767225600.000"


def test_a_bundle_that_nobody_can_name_any_more_keeps_its_id() -> None:
    model, forecast = read_answer(b'{"run_id": "gone", "predictions": [{}, {}]}', name_of)
    assert model == ModelName("gone", "unknown", "unknown")
    assert forecast.rows == 2


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"5", b"{}", b'{"run_id": "a", "predictions": 5}', b'{"predictions": []}']
)
def test_what_is_no_answer_is_told_as_failed_work(body: bytes) -> None:
    with pytest.raises(WorkFailed):
        read_answer(body, name_of)
