"""Follows the work by OpenTelemetry; imported only where traces are wanted, as it needs an extra."""

import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as TheirSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter
from structlog.contextvars import bind_contextvars, reset_contextvars

from counter import __version__
from counter.errors import ConfigError
from counter.tracing.tracing import NONE, Attributes, Role, Span, Tracing

CLOSE_SECONDS: Final = 5.0
"""How long a stop waits for the collector to take what is left."""
KINDS: Final[Mapping[Role, SpanKind]] = {
    Role.OWN: SpanKind.INTERNAL,
    Role.ANSWER: SpanKind.SERVER,
    Role.CALL: SpanKind.CLIENT,
}
UNNAMED: Final = "unknown_service"
TRACEPARENT: Final = "traceparent"


class OpenTelemetry(Tracing):
    """Sends spans to a collector, as the standard variables say: where to, how many, with which headers.

    Raises:
        ConfigError: a variable cannot be read.
    """

    def __init__(self) -> None:
        try:
            self._exporter = _Counted(OTLPSpanExporter())
            self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        except (ValueError, OSError) as error:
            raise ConfigError(f"traces, by the variables OTEL_*: {error}") from error
        self._tracer = self._provider.get_tracer("counter", __version__)
        self._headers = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, attributes: Attributes = NONE, role: Role = Role.OWN) -> Generator["_Followed"]:
        """Follow the block as a part of what is under way here."""
        with self._followed(self._tracer.start_span(name, kind=KINDS[role], attributes=attributes)) as span:
            yield span

    @contextmanager
    def apart(
        self,
        name: str,
        attributes: Attributes = NONE,
        role: Role = Role.OWN,
        *,
        parent: SpanContext | None = None,
        links: Iterable[SpanContext] = (),
    ) -> Generator["_Followed"]:
        """Follow the block as a part of `parent`, or as a trace of its own."""
        context = set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()
        span = self._tracer.start_span(
            name, context, KINDS[role], attributes, [Link(place) for place in links]
        )
        with self._followed(span) as followed:
            yield followed

    def here(self) -> SpanContext | None:
        """Return where we are, None if nobody follows."""
        span = get_current_span()
        return span.get_span_context() if span.is_recording() else None

    def trace_id(self) -> str:
        """Return the trace that we are in."""
        place = self.here()
        return f"{place.trace_id:032x}" if place else ""

    def note(self, attributes: Attributes) -> None:
        """Say more of what is under way here."""
        get_current_span().set_attributes(dict(attributes))

    def event(self, name: str) -> None:
        """Mark a moment of what is under way here."""
        span = get_current_span()
        if span.is_recording():  # a task may outlive the request that began it
            span.add_event(name)

    def place_of(self, traceparent: str) -> SpanContext | None:
        """Return the place that a header names; `tracestate`, in which anything may stand, is not read."""
        context = self._headers.extract({TRACEPARENT: traceparent}, Context())
        place = get_current_span(context).get_span_context()
        return place if place.is_valid else None

    def count_into(self, sent: Counter, lost: Counter) -> None:
        """Count the spans that the collector took, and those that it did not."""
        self._exporter.sent, self._exporter.lost = sent, lost

    def close(self) -> None:
        """Send what is left; who waits for a collector that is away does not hold up the stop."""
        closing = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    @contextmanager
    def _followed(self, span: TheirSpan) -> Generator["_Followed"]:
        place = span.get_span_context()
        token = attach(set_span_in_context(span))
        # What is logged meanwhile names the trace, so that one leads to the other.
        words = bind_contextvars(trace_id=f"{place.trace_id:032x}") if span.is_recording() else {}
        followed = _Followed(span)
        try:
            yield followed
        except BaseException as error:
            followed.fail(type(error).__qualname__)
            raise
        finally:
            reset_contextvars(**words)
            detach(token)
            span.end()


class _Followed(Span):
    def __init__(self, span: TheirSpan) -> None:
        self._span = span

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


class _Counted(SpanExporter):
    """Counts what the collector takes."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.sent: Counter | None = None
        self.lost: Counter | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        counter = self.sent if result is SpanExportResult.SUCCESS else self.lost
        if counter is not None:
            counter.inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _resource() -> Resource:
    """Return who sends; what the variables say of it comes first."""
    ours = Resource({SERVICE_NAME: "counter", SERVICE_VERSION: __version__})
    theirs = Resource.create()
    named = not str(theirs.attributes.get(SERVICE_NAME, UNNAMED)).startswith(UNNAMED)
    return ours.merge(theirs) if named else theirs.merge(ours)
