"""Whether traces are wanted, and what they cost where they are not."""

import os
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from counter.errors import ConfigError
from counter.metrics import Metrics
from counter.tracing.exemplars import Times, latencies
from counter.tracing.opening import MISSING, fault_of_extra, open_tracing
from counter.tracing.telemetry import OpenTelemetry
from counter.tracing.wanted import Wanted, wanted_of

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "http://c:4318/v1/traces"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, Wanted()),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, Wanted()),
        ({ENDPOINT: "http://c:4318"}, Wanted(TRACES)),
        ({ENDPOINT: "http://c:4318/"}, Wanted(TRACES)),
        ({ENDPOINT: ""}, Wanted()),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/x"}, Wanted("https://c/x")),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, Wanted("http://localhost:4318/v1/traces")),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://c:4318"}, Wanted()),
        ({"OTEL_SDK_DISABLED": "TRUE", ENDPOINT: "http://c:4318"}, Wanted()),
        (
            {"OTEL_TRACES_EXPORTER": "zipkin, otlp", ENDPOINT: "http://c:4318"},
            Wanted(TRACES, "OTEL_TRACES_EXPORTER names zipkin, otlp; there is otlp alone"),
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", ENDPOINT: "http://c:4318"},
            Wanted(TRACES, "OTEL_EXPORTER_OTLP_PROTOCOL has to be http/protobuf"),
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
                ENDPOINT: "http://c:4318",
            },
            Wanted(TRACES),
        ),
    ],
)
def test_standard_variables_say_whether_traces_are_wanted(variables: dict[str, str], wanted: Wanted) -> None:
    """An exporter or an endpoint has to be named; what we cannot do is said in words."""
    assert wanted_of(variables) == wanted


async def test_what_cannot_be_done_is_logged_and_counting_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another exporter than ours leaves the service without traces, not without hits."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    async with open_tracing() as tracing:
        assert tracing is None


def test_variable_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in a variable is a mistake of the configuration, told in one line."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(ConfigError, match="OTEL_"):
        OpenTelemetry()


def test_without_traces_the_histograms_are_the_quick_ones() -> None:
    """A time costs as little as it can where nobody follows."""
    assert latencies(None) is Times
    metrics = Metrics()
    for histogram in (metrics.http.request_seconds, metrics.recorder.batch_seconds, metrics.rollup.seconds):
        assert type(histogram) is Times


def test_histogram_names_the_trace_that_is_under_way() -> None:
    """A bucket names the last trace that was counted in it, and none where nobody followed."""
    now = ""
    registry = CollectorRegistry()
    seconds = latencies(lambda: now)(
        "seconds", "Seconds.", ["route"], buckets=(1, 5), registry=registry
    ).labels("a")
    seconds.observe(0.5)
    assert b"trace_id" not in generate_latest(registry)
    now = "ab" * 16
    with seconds.time():
        pass
    seconds.observe(3)
    now = ""
    seconds.observe(3)
    lines = generate_latest(registry).decode().splitlines()
    assert [line.split(" # ")[1].split()[0] for line in lines if " # {" in line] == [
        f'{{trace_id="{"ab" * 16}"}}'
    ] * 2


def test_service_loads_nothing_of_it_unasked() -> None:
    """The program starts without OpenTelemetry, so it runs where the extra is not installed."""
    code = (
        "import sys, counter.cli, counter.app, counter.workers.parent\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.exporter', 'google'))])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_missing_extra_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that are wanted where the extra is not installed are told as such."""
    assert fault_of_extra() == ""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    assert fault_of_extra() == MISSING
