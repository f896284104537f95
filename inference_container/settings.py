"""Everything the forecast service reads from its environment; `wiring` hands each room its own part.

The tables below name every variable that the predecessor or its notes used. `docs/configuration.md` is made from here.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import AliasChoices, Field

from inference_container.settings_claims import KafkaSettings, PromotionSettings, StoreSettings
from serving.cores import whole_cores
from serving.settings import NO, YES
from serving.settings_traces import TraceSettings

_STORE = "Not read: S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY say where objects are, or S3_CREDENTIALS=identity."
_MLFLOW = (
    "Models come as bundles, not from MLflow: train one with `python -m inference_container train`, set BUNDLE_PATH."
)
_TRACE = "The trace prints are gone: set LOG_LEVEL=DEBUG."
_GATEWAY = (
    "There is no gateway: objects come straight from S3_ENDPOINT, and DOWNLOAD_BUCKETS opens a door to read them by."
)


class InferenceSettings(StoreSettings, KafkaSettings, PromotionSettings, TraceSettings):
    inference_api_port: int = Field(8000, ge=0, le=65535, description="Port of the HTTP door; 0 takes a free one.")
    identifier: str = Field("default", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Tenant label in every answer.")
    bundle_path: str = Field(
        "default",
        description="Folder of the bundle to serve; `default` is the shipped one, `none` starts without (503).",
    )
    infer_version: str = Field("", description="Build label shown in /queue_stats.")
    queue_maxsize: int = Field(512, ge=1, le=100_000, description="Requests that may wait; one more is answered 429.")
    queue_max_bytes: int = Field(
        64 * 1024 * 1024, ge=1024, description="Bytes of bodies that each lane may hold; beyond it 429, as when full."
    )
    queue_workers: int | None = Field(
        None,
        ge=0,
        le=64,
        validation_alias=AliasChoices("queue_workers", "inference_workers"),
        description="Worker processes, each with the model and one thread; unset: the cores that affinity and quota "
        "give, less one, at least 1. 0 computes on the event loop, without isolation.",
    )
    inference_timeout: float = Field(
        15.0,
        gt=0,
        le=600,
        description="Seconds a request may take in all; then it is answered 504. X-Deadline-Ms asks for less.",
    )
    enable_microbatch: bool = Field(True, description="Forecast what waits together. Off is a batch of one.")
    batch_size: int = Field(32, ge=1, le=1024, description="Requests in one forward pass, at most.")
    batch_timeout_ms: float = Field(
        0.0, ge=0, le=1000, description="How long a batch that is not full may wait for more. 0: never; it is taken."
    )
    enable_predict_cache: bool = Field(
        False,
        validation_alias=AliasChoices("enable_predict_cache", "predict_cache_enabled"),
        description="Answer a question that was asked before from memory: same model, same series, same horizon. A "
        "body without a series is then answered for the last claim's.",
    )
    predict_cache_size: int = Field(1024, ge=1, le=1_000_000, description="Answers that the cache keeps.")
    predict_cache_ttl: float = Field(60.0, gt=0, le=86_400, description="Seconds that the cache keeps an answer.")
    shadow_bundle_path: str = Field(
        "", description="Folder of a bundle that forecasts beside the served one; its answers only become metrics."
    )
    access_log: bool = Field(
        False,
        description="A line per request, probes apart. Off: at thousands a second the log would cost more than the "
        "forecasts; counts and durations are in /metrics, refusals and failures in the log either way.",
    )
    max_body_bytes: int = Field(1024 * 1024, ge=1024, description="Largest request body; a larger one gets 413.")

    @property
    def workers(self) -> int:
        """Worker processes; 0 computes on the event loop."""
        return max(1, whole_cores() - 1) if self.queue_workers is None else self.queue_workers

    fixed: ClassVar[Mapping[str, tuple[str, str]]] = {
        "USE_BOUNDED_QUEUE": (YES, "The queue is always bounded; QUEUE_MAXSIZE says how long it may get."),
        "PREDICT_ALLOW_CACHED": (NO, "A busy service answers 429 with Retry-After, never an older answer."),
        "DISABLE_INFERENCE_CACHE": (
            YES,
            "There is no such cache any more; ENABLE_PREDICT_CACHE has what is left of it.",
        ),
        "PREDICT_FORCE_OK": (NO, "A forecast that failed is never answered with a success."),
        "PREDICT_STUB": (NO, "There is no stub; serve the default bundle (BUNDLE_PATH=default)."),
        "USE_DUMMY_INFERENCER": (NO, "There is no dummy model; serve the default bundle (BUNDLE_PATH=default)."),
        "ENABLE_PREWARM": (YES, "The model is always warmed up before the service is ready."),
        "INFERENCE_PREWARM": (YES, "The model is always warmed up before the service is ready."),
        "PREWARM_MODEL": (YES, "The model is always warmed up before the service is ready."),
        "READINESS_CHECK_MODEL": (YES, "/ready always asks for the model."),
        "WAIT_FOR_MODEL": (YES, "The socket answers at once and /ready waits for the model."),
        "PROCESS_POOL_START_METHOD": ("spawn", "Workers are always fresh processes; fork breaks torch's threads."),
        "UVICORN_WORKERS": ("1", "One process owns the queue; use QUEUE_WORKERS for cores, replicas for more."),
        "DISABLE_STARTUP_INFERENCE": (YES, "No forecast is published at start."),
        "USE_KFP": (NO, "There is no Kubeflow pipeline mode: the service reads bundles (BUNDLE_PATH)."),
        "SIMULATE_DELAY_SECS": ("0 0.0 0.00", "The service is never slowed on purpose."),
        "DEBUG_PANDAS_TRACE": (NO, _TRACE),
        "DEBUG_PAYLOAD_TRACE": (NO, _TRACE),
        "INFER_VERBOSE_DATA": (NO, _TRACE),
        "USE_MANUAL_COMMIT": (YES, "Offsets are always committed by hand, when a claim has ended and never before."),
        "INFERENCE_PRELOAD_TEST": (NO, "No data set is preloaded: a request carries its own data."),
    }
    retired: ClassVar[Mapping[str, str]] = {
        "PREDICT_MAX_CONCURRENCY": "Replaced by QUEUE_WORKERS (processes) and QUEUE_MAXSIZE (waiting requests).",
        "PREDICT_THREADPOOL_WORKERS": "Replaced by QUEUE_WORKERS: forecasts run in processes, not threads.",
        "MODEL_WAIT_TIMEOUT": "No unpromoted model is ever served instead; point the startup probe at /ready.",
        "GATEWAY_URL": _GATEWAY,
        "GATEWAY_BASE": _GATEWAY,
        "KFP_*": "There is no Kubeflow pipeline mode: the service reads bundles (BUNDLE_PATH).",
        "MLFLOW_TRACKING_URI": _MLFLOW,
        "MLFLOW_S3_ENDPOINT_URL": _MLFLOW,
        "MLFLOW_ARTIFACT_BUCKET": _MLFLOW,
        "DUMMY_RUN_ID": "There is no dummy model; remove it.",
        "DUMMY_MODEL_NAME": "There is no dummy model; remove it.",
        "DUMMY_CONFIG_HASH": "There is no dummy model; remove it.",
        "DUMMY_SLEEP_SECS": "There is no dummy model; remove it.",
        "SAMPLE_IDX": "A forecast always starts after the last row; remove it.",
        "PREDICT_PAYLOAD_MODE": "A setting of the load test, not of the service; remove it here.",
        "CONFIG_PATH": "Preprocessing is described by the bundle's manifest; remove it.",
        "FORCE_REPROCESS": "Preprocessing is described by the bundle's manifest; remove it.",
        "PREDICT_PROGRESS_INTERVAL": _TRACE,
        "PREDICT_MAX_ERROR_STEPS": _TRACE,
        "PREDICT_LOG_FEATURE_LIMIT": _TRACE,
        "RUN_INFERENCE_ON_TRAIN_SUCCESS": "A training event starts no forecast; publish a claim instead.",
        "ALLOWED_INFERENCE_MODELS": "A training event starts no forecast; the bundle names its model.",
        "INFERENCE_AUTOSTART": "The service starts by itself; remove it.",
        "INFERENCE_START_IN_APP": "The service starts by itself; remove it.",
    }
    announced: ClassVar[Mapping[str, str]] = dict.fromkeys(("MINIO_DEFAULT_BUCKET", "AWS_*"), _STORE)
    # EKS sets these in every pod that has an identity; S3_CREDENTIALS=identity uses them.
    given: ClassVar[tuple[str, ...]] = (
        *("AWS_CONTAINER_*", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS"),
    )
