"""The HTTP door's bodies, for OpenAPI and for what the door itself builds. Forecast bodies are decoded in a worker."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from inference_container.routers.request_head import ARROW_FILE, ARROW_STREAM, PARQUET, PARQUET_X

#: The request of POST /predict. Written out, because the door passes the raw bytes on and never builds a model of it.
PREDICT_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["data"],
                "properties": {
                    "data": {
                        "type": "object",
                        "description": "Column name to values, all of one length. One column holds times, ISO 8601.",
                        "minProperties": 2,
                        "additionalProperties": {
                            "type": "array",
                            "items": {"type": ["string", "number", "null"]},
                        },
                    },
                    "index_col": {
                        "type": ["string", "null"],
                        "description": "Name of the time column; else the first of ts, timestamp, time, date.",
                    },
                    "inference_length": {
                        "type": ["integer", "null"],
                        "minimum": 1,
                        "maximum": 10000,
                        "description": "Steps to forecast. The query parameter wins over this.",
                    },
                    "quantiles": {
                        "type": ["array", "null"],
                        "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                        "maxItems": 20,
                        "uniqueItems": True,
                        "description": "Levels to answer beside the forecast, when the bundle has quantiles.",
                    },
                },
            }
        },
        **{
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in (ARROW_STREAM, ARROW_FILE, PARQUET, PARQUET_X)
        },
    },
}


class PredictAnswer(BaseModel):
    status: Literal["SUCCESS", "SUCCESS_CACHED"] = Field(description="The second only with ENABLE_PREDICT_CACHE.")
    identifier: str
    run_id: str = Field(description="Identity of the bundle that answered.")
    predictions: list[dict[str, str | float | dict[str, dict[str, float]]]] = Field(
        description="One per step: `ts` (ISO 8601, UTC without a zone), a number for each target column and, where "
        "asked for, `quantiles`: target to level to number."
    )
    req_id: str
    cached: bool
    timings_ms: dict[str, float] | None = Field(None, description="With `timings=1`: the stages of its batch.")


class Health(BaseModel):
    status: Literal["ok", "stalled"] = "ok"
    service: Literal["inference-api"] = "inference-api"
    model_ready: bool
    queue_length: int
    startup_ready_ms: int | None


class Readiness(BaseModel):
    status: str
    degraded: list[str] = []


class Ping(BaseModel):
    status: Literal["ok"] = "ok"
    model_loaded: bool
    has_df: Literal[False] = Field(False, description="No data set is held for callers who send none.")
    busy: bool
    active_jobs: int
    input_seq_len: int | None
    output_seq_len: int | None


class QueueStats(BaseModel):
    """The predecessor's JSON snapshot, with its names, told truthfully."""

    status: Literal["ok"] = "ok"
    mode: Literal["process_pool", "inline"]
    build_version: str
    queue_length: int
    qsize: int
    maxsize: int
    workers: int
    active: int
    active_jobs: int
    enqueued: int
    rejected_full: int
    completed: int
    timeouts: int
    failed: int
    invalid: int
    abandoned: int
    claims_qsize: int
    served_cached: int
    last_wait_ms: float
    max_wait_ms: float
    avg_wait_ms: float
    total_wait_ms: float
    wait_samples: int
    retry_after_s: int
    model_loaded: bool
    current_run_id: str | None
    current_model_type: str | None
    startup_latency_ms: int | None
    worker_restarts: int
    event_loop_lag_last_ms: float
    event_loop_lag_max_ms: float
    event_loop_lag_avg_ms: float
