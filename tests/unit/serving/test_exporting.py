"""Without a collector no exporter is in the process; with one that can not be spoken to there is no start.

FastAPI imports OpenTelemetry's interface by itself, wherever it is installed; the rest of it is ours to leave out.
"""

import subprocess
import sys

import pytest

from inference_container.settings import InferenceSettings
from serving.exporting import exporting
from serving.settings import SettingsError
from serving.settings_traces import TraceSettings

HERE = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("set_", "collector"),
    [
        ({}, None),
        ({"otel_exporter_otlp_endpoint": HERE}, f"{HERE}/v1/traces"),
        ({"otel_exporter_otlp_endpoint": f"{HERE}/base/"}, f"{HERE}/base/v1/traces"),
        ({"otel_exporter_otlp_endpoint": HERE, "otel_exporter_otlp_traces_endpoint": f"{HERE}/own"}, f"{HERE}/own"),
        ({"otel_exporter_otlp_endpoint": HERE, "otel_sdk_disabled": True}, None),
        ({"otel_exporter_otlp_endpoint": HERE, "otel_traces_exporter": "none"}, None),
    ],
)
def test_where_spans_go_is_what_opentelemetry_s_own_names_say(set_: dict[str, object], collector: str | None) -> None:
    assert TraceSettings.model_validate(set_).collector == collector


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("otel_exporter_otlp_endpoint", "collector:4318"),
        ("otel_exporter_otlp_protocol", "grpc"),
        ("otel_traces_sampler", "jaeger_remote"),
        ("otel_traces_sampler_arg", "1.5"),
    ],
)
def test_what_can_not_be_meant_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), value)
    with pytest.raises(SettingsError, match=name.upper()):
        InferenceSettings.from_environment()


def test_a_collector_without_the_packages_stops_the_start_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "serving.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    settings = TraceSettings.model_validate({"otel_exporter_otlp_endpoint": HERE})
    with pytest.raises(SettingsError, match="extra `otel`"):
        exporting(settings, "sluice-test", "0")


_BOTH = """
import sys
from inference_container.main import create_app as forecasts
from inference_container.settings import InferenceSettings
from service_chat.main import create_app as chat
from service_chat.settings import ChatSettings
forecasts(InferenceSettings(otel_sdk_disabled={off}, otel_exporter_otlp_endpoint="http://127.0.0.1:4318"))
chat(ChatSettings(llm_mode="mock"))
there = {{".".join(name.split(".")[:2]) for name in sys.modules}}
print(sorted({{"opentelemetry.sdk", "opentelemetry.proto"}} & there))
"""


@pytest.mark.parametrize(("off", "imported"), [(True, "[]"), (False, "['opentelemetry.proto', 'opentelemetry.sdk']")])
def test_opentelemetry_is_imported_only_where_spans_go_somewhere(off: bool, imported: str) -> None:
    done = subprocess.run([sys.executable, "-c", _BOTH.format(off=off)], capture_output=True, text=True, timeout=50)
    assert done.stdout.strip() == imported, done.stderr
