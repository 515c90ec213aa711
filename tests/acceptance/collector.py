"""A collector of traces: an endpoint of OTLP over HTTP that keeps what it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.acceptance.instance import PATIENCE_SECONDS


class Seen(NamedTuple):
    """A span as it arrived; ids are hexadecimal."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: list[str]
    events: list[str]
    attributes: dict[str, Any]
    failed: bool
    begins_ns: int
    ends_ns: int
    resource: dict[str, Any]


class Collector:
    """What has arrived."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        self.bodies.append(body)
        sent = ExportTraceServiceRequest.FromString(body)
        for per_resource in sent.resource_spans:
            resource = _values(per_resource.resource.attributes)
            for per_scope in per_resource.scope_spans:
                self.spans += [_seen(span, resource) for span in per_scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: Seen) -> list[Seen]:
        """The parts of a span, in order."""
        parts = [span for span in self.spans if span.parent_id == parent.span_id]
        return sorted(parts, key=lambda span: span.begins_ns)

    async def until(self, found: Callable[[], Any]) -> Any:
        """Wait until something has arrived, and return it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (seen := found()):
                await asyncio.sleep(0.02)
        return seen


def _values(attributes: Any) -> dict[str, Any]:
    def value_of(pair: KeyValue) -> Any:
        kind = pair.value.WhichOneof("value")
        return getattr(pair.value, kind) if kind else None

    return {pair.key: value_of(pair) for pair in attributes}


def _seen(span: Span, resource: dict[str, Any]) -> Seen:
    assert not span.status.message
    return Seen(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        [link.span_id.hex() for link in span.links],
        [event.name for event in span.events],
        _values(span.attributes),
        span.status.code == Status.STATUS_CODE_ERROR,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        resource,
    )


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector on a free port."""
    collector = Collector()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()
