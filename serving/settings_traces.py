"""Where spans go: OpenTelemetry's own environment names, those of them that mean something here.

A part of each service's settings; `exporting` acts on it.
"""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from serving.sampling import SamplerName
from serving.settings import ServiceSettings


class TraceSettings(ServiceSettings):
    otel_exporter_otlp_endpoint: str = Field(
        "",
        description="OpenTelemetry collector that takes OTLP over HTTP, for example http://collector:4318; spans go to "
        "/v1/traces there. Needs the extra `otel`. Empty: no spans are made.",
    )
    otel_exporter_otlp_traces_endpoint: str = Field(
        "", description="The same for spans alone, as a whole address to which nothing is added."
    )
    otel_exporter_otlp_headers: str = Field(
        "", repr=False, description="Headers for the collector: name=value, separated by commas, values URL-encoded."
    )
    otel_exporter_otlp_protocol: str = Field(
        "http/protobuf", pattern="^http/protobuf$", description="How spans are written; there is no other way here."
    )
    otel_exporter_otlp_timeout: int = Field(
        10_000, ge=1, le=60_000, description="Milliseconds that the collector gets for one batch, tries included."
    )
    otel_service_name: str = Field(
        "", description="What spans call this service. Empty: sluice-chat, sluice-inference."
    )
    otel_resource_attributes: str = Field(
        "", description="What else is true of this process, for example deployment.environment.name=demo."
    )
    otel_traces_exporter: str = Field("otlp", pattern="^(otlp|none)$", description="none: no spans are made.")
    otel_traces_sampler: SamplerName = Field(
        "parentbased_always_on",
        description="Which traces are recorded; parentbased: what the caller's traceparent says, and the rest where it "
        "brings none.",
    )
    otel_traces_sampler_arg: float = Field(1.0, ge=0, le=1, description="The share that a ratio sampler records.")
    otel_sdk_disabled: bool = Field(False, description="No spans are made, whatever else is set.")
    otel_bsp_schedule_delay: int = Field(
        5_000, ge=1, le=60_000, description="Milliseconds until spans that wait are sent though they fill no batch."
    )
    otel_bsp_max_queue_size: int = Field(2_048, ge=1, description="Spans that may wait; more are dropped.")
    otel_bsp_max_export_batch_size: int = Field(512, ge=1, description="Spans of one batch, at most what may wait.")

    @field_validator("otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must be an address like http://collector:4318")
        return value

    @property
    def collector(self) -> str | None:
        """Whole address that spans are sent to; None: they go nowhere, and are not made."""
        if self.otel_sdk_disabled or self.otel_traces_exporter == "none":
            return None
        if self.otel_exporter_otlp_traces_endpoint:
            return self.otel_exporter_otlp_traces_endpoint
        base = self.otel_exporter_otlp_endpoint
        return f"{base.rstrip('/')}/v1/traces" if base else None
