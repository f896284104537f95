"""What a record is first: work, a dead letter, or nothing that is asked of this service."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Partition
from inference_container.claims.consuming import reading as room
from inference_container.claims.consuming.reading import Read, Reading, Skipped, Unworkable, Workable
from inference_container.claims.dead_letters import Kind
from inference_container.claims.deadlines import TtlPolicy
from tests.unit.inference_container.claims.consuming.consumer_house import CLAIM, TRAINING
from tests.unit.inference_container.claims.samples import PLACES, body, record

READING = Reading(PLACES, TtlPolicy(True), 1000, TRAINING)
TRAINED = Partition(TRAINING, 0)


def told(fields: dict[str, object]) -> Read:
    return READING.read(record(body(fields), partition=TRAINED))


@given(value=st.none() | st.binary(max_size=200), training=st.booleans())
def test_a_message_never_raises(value: bytes | None, training: bool) -> None:
    found = READING.read(record(value, partition=TRAINED)) if training else READING.read(record(value))
    assert isinstance(found, Workable | Unworkable | Skipped)


def test_a_fault_of_the_reading_itself_costs_that_message_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise RecursionError("text of the message")

    monkeypatch.setattr(room, "read_claim", broken)
    found = READING.read(record(CLAIM))
    assert isinstance(found, Unworkable)
    assert (found.why.reason, found.why.error) == ("unexpected_error", "RecursionError.")


def test_a_claim_with_a_bad_deadline_is_told_with_its_claim() -> None:
    found = READING.read(record(CLAIM, headers=(("deadline_ms", b"soon"),)))
    assert isinstance(found, Unworkable)
    assert (found.why.reason, found.claim is not None, found.kind) == ("bad_deadline", True, Kind.CLAIM)


def test_of_two_faults_the_message_comes_before_its_deadline() -> None:
    found = READING.read(record(b"{", headers=(("deadline_ms", b"soon"),)))
    assert isinstance(found, Unworkable)
    assert found.why.reason == "not_json"


def test_what_trains_elsewhere_is_skipped_by_what_it_is() -> None:
    success = told({"operation": "Trained: GRU", "status": "SUCCESS", "run_id": "r-1"})
    assert success == Skipped("served once promoted", "r-1")
    assert told({"operation": "Training Started: GRU", "status": "RUNNING"}) == Skipped("not a success", None)
    assert told({"bucket": "processed-data", "object": "a.parquet"}) == Skipped("trained elsewhere", None)


def test_a_training_message_that_can_not_be_read_is_one_of_its_kind() -> None:
    found = told({"operation": "Trained: GRU", "status": "SUCCESS"})
    assert isinstance(found, Unworkable)
    assert (found.kind, found.why.reason) == (Kind.TRAINING, "wrong_schema")
