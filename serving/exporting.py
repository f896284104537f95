"""Whether spans leave this process, by its settings. Called by each `main`, around everything else that it opens.

OpenTelemetry is imported only where a collector is named: without one, spans are not made and its packages need not be
there.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from serving.sampling import sampler
from serving.settings import SettingsError
from serving.settings_traces import TraceSettings

#: Seconds that the last spans get at the end, of the grace that requests have had.
_FLUSH_S = 5.0


class Exporting(Protocol):
    """Open it as a context for as long as spans are made."""

    def __call__(self) -> AbstractAsyncContextManager[object]: ...


def exporting(settings: TraceSettings, service: str, version: str) -> Exporting:
    """
    Args:
        service: what spans call it where OTEL_SERVICE_NAME does not say.

    Raises:
        SettingsError: A collector is named, and what speaks with it is not installed.
    """
    collector = settings.collector
    if collector is None:
        return nullcontext
    try:
        from serving.otel import Collector, OtlpExport
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: {error.name} is not installed; install the extra `otel`, or unset it"
        ) from None
    where = Collector(
        collector,
        settings.otel_exporter_otlp_headers,
        settings.otel_exporter_otlp_timeout / 1000,
        settings.otel_bsp_max_queue_size,
        min(settings.otel_bsp_max_export_batch_size, settings.otel_bsp_max_queue_size),
        settings.otel_bsp_schedule_delay,
    )
    resource = {"service.name": settings.otel_service_name or service, "service.version": version}
    chosen = sampler(settings.otel_traces_sampler, settings.otel_traces_sampler_arg)
    flush_s = min(_FLUSH_S, settings.uvicorn_timeout_graceful_shutdown)
    return lambda: OtlpExport(where, settings.otel_resource_attributes, resource, chosen, flush_s)
