import hashlib
from dataclasses import replace

import orjson
from hypothesis import given
from hypothesis import strategies as st

from inference_container.broker.ports import Partition, Record
from inference_container.claims.messages import Claim
from inference_container.claims.results import (
    Forecast,
    ModelName,
    Place,
    dead_row,
    expired_row,
    ok_row,
    publication,
)
from tests.unit.inference_container.claims.samples import claims, record

MODEL = ModelName("b" * 64, "gru", "c" * 64)
FORECAST = Forecast(b'{"status":"SUCCESS","predictions":[{"ts":"2026-01-01T00:00:00","down":1.5}]}', rows=1)
CLAIM = Claim(2, "processed-data", "a.parquet", claim_id="c-1", identifier="north", etag="abc")
LOG = Place("inference-logs", "results/x.jsonl")


def test_a_result_keeps_the_old_fields_and_names_the_claim_and_the_model() -> None:
    sent = publication(record(), CLAIM, MODEL, FORECAST, "default", LOG)
    assert sent.key == b"inference-data-3-7"
    assert sent.headers == (("source", b"inference-data-3-7"), ("claim-id", b"c-1"))
    assert orjson.loads(sent.value) == {
        "operation": "Inference",
        "status": "SUCCESS",
        "identifier": "north",
        "log_bucket": "inference-logs",
        "log_object_key": "results/x.jsonl",
        "run_id": "b" * 64,
        "model_type": "gru",
        "config_hash": "c" * 64,
        "rows": 1,
        "v": 2,
        "claim_id": "c-1",
        "source": "inference-data-3-7",
        "bucket": "processed-data",
        "object_key": "a.parquet",
        "model_id": "b" * 64,
        "forecast": orjson.loads(FORECAST.body),
        "forecast_check": None,
    }


def test_a_claim_without_identifier_gets_the_services_own() -> None:
    sent = publication(record(), Claim(1, "b", "k"), MODEL, FORECAST, "default")
    fields = orjson.loads(sent.value)
    assert (fields["identifier"], fields["claim_id"], fields["log_bucket"]) == ("default", None, None)
    assert sent.headers == (("source", b"inference-data-3-7"),)


def test_a_large_forecast_goes_as_a_claim_check_to_its_line_in_the_log() -> None:
    length = len(FORECAST.body)
    at_the_bound = publication(record(), CLAIM, MODEL, FORECAST, "default", LOG, inline_at_most=length)
    assert orjson.loads(at_the_bound.value)["forecast_check"] is None
    beyond = orjson.loads(publication(record(), CLAIM, MODEL, FORECAST, "default", LOG, length - 1).value)
    assert beyond["forecast"] is None
    assert beyond["forecast_check"] == {
        "bucket": "inference-logs",
        "object_key": "results/x.jsonl",
        "line_of": "inference-data-3-7",
        "sha256": hashlib.sha256(FORECAST.body).hexdigest(),
        "size": length,
    }


def test_without_objects_the_result_is_whole_however_large() -> None:
    fields = orjson.loads(publication(record(), CLAIM, MODEL, FORECAST, "default", None, inline_at_most=1).value)
    assert fields["forecast"] == orjson.loads(FORECAST.body)
    assert fields["forecast_check"] is None


def test_rows_tell_what_became_of_each_claim() -> None:
    source = record(key=b"\xff", timestamp_ms=1_767_225_600_123)
    done = orjson.loads(ok_row(source, CLAIM, MODEL, FORECAST, "default").line)
    assert done["forecast"] == orjson.loads(FORECAST.body)
    assert {
        name: done[name] for name in ("timestamp", "identifier", "status", "claim_id", "source", "key", "rows")
    } == {
        "timestamp": "2026-01-01T00:00:00.123+00:00",
        "identifier": "north",
        "status": "ok",
        "claim_id": "c-1",
        "source": "inference-data-3-7",
        "key": "base64:/w==",
        "rows": 1,
    }
    late = orjson.loads(expired_row(source, CLAIM, "default").line)
    assert (late["status"], late["forecast"], late["run_id"]) == ("expired", None, None)
    dead = orjson.loads(dead_row(source, None, "not_json", "default").line)
    assert (dead["status"], dead["reason"], dead["claim_id"], dead["identifier"]) == (
        *("dead_letter", "not_json"),
        *(None, "default"),
    )
    assert done.keys() == late.keys() == dead.keys()


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
records = st.builds(
    record,
    offset=st.integers(0, 2**62),
    key=st.none() | st.binary(max_size=8),
    partition=st.builds(Partition, st.sampled_from(["a", "b-1"]), st.integers(0, 120)),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1),
)


@given(records, claims, json_values, st.integers(0, 200))
def test_equal_input_always_makes_equal_bytes_and_the_forecast_is_never_changed(
    source: Record, claim: Claim, value: object, inline: int
) -> None:
    forecast = Forecast(orjson.dumps(value), rows=1)
    sent = publication(source, claim, MODEL, forecast, "default", LOG, inline)
    assert sent == publication(replace(source), replace(claim), MODEL, forecast, "default", LOG, inline)
    fields = orjson.loads(sent.value)
    assert fields["source"].encode() == sent.key == source.source.encode()
    assert fields["forecast_check"] is not None or orjson.dumps(fields["forecast"]) == forecast.body
    row = ok_row(source, claim, MODEL, forecast, "default")
    assert row == ok_row(replace(source), replace(claim), MODEL, forecast, "default")
    assert row.line.count(b"\n") == 1
    assert orjson.dumps(orjson.loads(row.line)["forecast"]) == forecast.body
