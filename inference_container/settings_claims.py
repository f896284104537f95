"""What the Kafka door, the object store and promotion read from the environment; a part of `settings`.

Names are the predecessor's where it had one. Nothing here is opened: `outside` makes clients of it.
"""

from typing import Literal, Self

from pydantic import AliasChoices, Field, model_validator

from serving.settings import ServiceSettings

#: In place of an address: a broker inside this process.
IN_PROCESS = "memory"
#: In place of a topic: it is not read.
NO_TOPIC = "none"


class StoreSettings(ServiceSettings):
    s3_endpoint: str = Field(
        "",
        validation_alias=AliasChoices("s3_endpoint", "minio_endpoint"),
        description="host:port of an S3-compatible object store. Empty: none.",
    )
    s3_credentials: Literal["keys", "identity"] = Field(
        "keys",
        description="keys: S3_ACCESS_KEY and S3_SECRET_KEY. identity: what the platform gives this pod, renewed before "
        "it expires (EKS Pod Identity, a ServiceAccount's role, an instance's).",
    )
    s3_access_key: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("s3_access_key", "minio_root_user"),
        description="Who this service is to the object store.",
    )
    s3_secret_key: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("s3_secret_key", "minio_root_password"),
        description="The secret that goes with S3_ACCESS_KEY.",
    )
    s3_secure: bool = Field(True, description="TLS to the object store. Off only where nobody listens in between.")
    s3_region: str = Field("us-east-1", min_length=1, description="Region that requests are signed for.")
    s3_ca_file: str = Field(
        "", description="PEM file of who signs the object store's certificate. Empty: whom the system trusts."
    )
    store_path: str = Field(
        "", description="Folder that keeps objects as plain files, in place of S3_ENDPOINT: for one machine."
    )
    disable_bucket_ensure: bool = Field(False, description="Buckets are not made at the start; somebody else does.")
    download_buckets: str = Field(
        "",
        description="What GET /download may read: `bucket` or `bucket/prefix`, separated by commas. Empty: no route.",
    )
    inference_log_bucket: str = Field("inference-logs", description="Bucket that keeps the log of results.")
    inference_disable_log_upload: bool = Field(
        False, description="No log objects. Results go to Kafka all the same, with the forecast in the message."
    )
    log_http_forecasts: bool = Field(
        True, description="Forecasts asked over HTTP are published and logged too, beside the request and never before."
    )


class KafkaSettings(ServiceSettings):
    use_kafka: bool | None = Field(None, description="Consume claims. Unset: yes where KAFKA_BOOTSTRAP_SERVERS is set.")
    kafka_bootstrap_servers: str = Field(
        "",
        description="`host:port`, separated by commas. `memory` is a broker inside this process, for a demo: nothing "
        "in it outlives the process. Empty: none.",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How the broker is spoken to."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How a SASL protocol asks who this is."
    )
    kafka_sasl_username: str = Field("", repr=False, description="Who this service is to the broker.")
    kafka_sasl_password: str = Field("", repr=False, description="The secret that goes with KAFKA_SASL_USERNAME.")
    kafka_ssl_ca_file: str = Field(
        "", description="PEM file of who signs the broker's certificate. Empty: whom the system trusts."
    )
    kafka_ssl_cert_file: str = Field("", description="PEM file of this client's certificate. Empty: none.")
    kafka_ssl_key_file: str = Field("", description="PEM file of that certificate's key.")
    kafka_ssl_key_password: str = Field("", repr=False, description="What opens KAFKA_SSL_KEY_FILE.")
    kafka_topic_partitions: int = Field(
        8, ge=0, le=1000, description="Partitions of topics that are missing at the start. 0: none is ever made."
    )

    consumer_topic_0: str = Field("inference-data", min_length=1, description="Topic of the claims.")
    consumer_topic_1: str = Field(
        "model-training", min_length=1, description="Topic of training events. `none`: not read."
    )
    consumer_group_id: str = Field("inference_group", min_length=1, description="Group that shares the claims out.")
    consumer_assignor: Literal["cooperative-sticky", "range"] = Field(
        "cooperative-sticky", description="How partitions are shared out: by moving few, or all anew."
    )
    consumer_instance_id: str = Field(
        "",
        description="A name of this member that survives a restart (static membership), and is no other replica's; its "
        "partitions wait for it for CONSUMER_SESSION_TIMEOUT. Empty: a new one each time.",
    )
    consumer_session_timeout: float = Field(
        45.0, ge=1, le=1800, description="Seconds without a heartbeat after which the group goes on without a member."
    )
    max_poll_interval: float = Field(
        300.0, ge=1, le=3600, description="Seconds without a poll after which it does; /healthz fails at half of them."
    )
    max_poll_records: int = Field(64, ge=1, le=10_000, description="Claims in one poll; never more than there is room.")
    fetch_max_wait_ms: int = Field(50, ge=1, le=5000, description="How long a poll waits for a first claim.")
    pause_threshold_pct: int = Field(80, ge=1, le=100, description="Of QUEUE_MAXSIZE claims: fetching stops there.")
    resume_threshold_pct: int = Field(50, ge=0, le=99, description="And goes on here.")
    enable_ttl: bool = Field(True, description="Honour the header deadline_ms of claims.")
    inference_length: int = Field(1, ge=1, le=10_000, description="Steps of a claim's forecast, where it names none.")
    claim_buckets: str = Field(
        "",
        description="What claims may point at: `bucket` or `bucket/prefix`, separated by commas. Empty: "
        "PROCESSED_BUCKET.",
    )
    claim_timeout: float = Field(60.0, gt=0, le=3600, description="Seconds one try of a claim may take in the pool.")
    claim_max_attempts: int = Field(
        3, ge=1, le=20, description="Tries of a claim, counted across crashes; then it is a dead letter."
    )
    claim_max_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="Largest object of a claim; a larger one is a dead letter."
    )
    claim_fetchers: int = Field(8, ge=1, le=64, description="Objects of claims that are read at the same time.")
    producer_topic: str = Field("performance-eval", min_length=1, description="Topic of the results.")
    dlq_performance_topic: str = Field(
        "DLQ-performance-eval", min_length=1, description="Topic of claims that nobody could work on."
    )
    enable_publish_api: bool = Field(
        False, description="POST /publish_inference_claims, for load tests. Needs ADMIN_TOKEN too."
    )
    publish_topic: str = Field("", description="Where that publishes to. Empty: CONSUMER_TOPIC_0.")
    processed_bucket: str = Field("processed-data", min_length=1, description="Bucket of the objects of claims.")
    test_object_key: str = Field(
        "test_processed_data.parquet", min_length=1, description="What POST /publish_inference_claims points at."
    )

    @property
    def kafka_wanted(self) -> bool:
        """Whether claims are consumed."""
        return bool(self.kafka_bootstrap_servers) if self.use_kafka is None else self.use_kafka

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.use_kafka and not self.kafka_bootstrap_servers:
            raise ValueError("USE_KAFKA: set KAFKA_BOOTSTRAP_SERVERS too")
        if self.resume_threshold_pct >= self.pause_threshold_pct:
            raise ValueError("RESUME_THRESHOLD_PCT: must be below PAUSE_THRESHOLD_PCT")
        if self.kafka_security_protocol.startswith("SASL") and not self.kafka_sasl_username:
            raise ValueError("KAFKA_SECURITY_PROTOCOL: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD too")
        return self


class PromotionSettings(ServiceSettings):
    inference_autoload_promoted: bool = Field(
        True, description="Serve what PROMOTION_BUCKET's pointer names, where there is a store; BUNDLE_PATH until then."
    )
    promotion_bucket: str = Field("model-promotion", min_length=1, description="Bucket of the pointers.")
    promotion_topic: str = Field(
        "model-selected",
        min_length=1,
        description="Topic that hints at a new pointer. `none`: the pointer is only polled.",
    )
    promotion_poll: float = Field(30.0, gt=0, le=3600, description="Seconds between two looks at the pointer.")
    model_bucket: str = Field("models", min_length=1, description="Bucket of promoted bundles.")
    bundle_cache: str = Field(
        "", description="Folder that keeps the last promoted bundles. Empty: in the user's cache folder."
    )
