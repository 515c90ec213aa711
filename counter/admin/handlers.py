"""The admin listener's addresses: metrics and health."""

import asyncio
from http import HTTPStatus

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from counter.admin.health import Readiness
from counter.admin.scrape import Scrape
from counter.http import NO_STORE, SAFE


class AdminHandlers:
    """For Prometheus, load balancers and people who look after the service."""

    def __init__(
        self, registry: CollectorRegistry, readiness: Readiness, scrape: Scrape, stop: asyncio.Event
    ) -> None:
        self._registry = registry
        self._readiness = readiness
        self._scrape = scrape
        self._stop = stop

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this room."""
        return [
            web.get("/metrics", self.get_metrics),
            web.get("/healthz", self.get_health),
            web.get("/readyz", self.get_readiness),
        ]

    async def get_metrics(self, request: web.Request) -> web.Response:
        """Answer with all metrics in the format that Prometheus asks for."""
        await self._scrape.refresh()
        return _exposition(self._registry, request)

    async def get_health(self, _request: web.Request) -> web.Response:
        """Answer that the process runs."""
        return _json({"status": "alive"}, HTTPStatus.OK)

    async def get_readiness(self, _request: web.Request) -> web.Response:
        """Answer 200 if a hit can be accepted, else 503, and name what is missing; when stopping, 503."""
        if self._stop.is_set():
            return _json({"status": "stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)
        findings = await self._readiness.look()
        ready = not any(finding.detail for finding in findings if finding.needed)
        parts = {finding.part: finding.detail or "ok" for finding in findings}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json({"status": "ready" if ready else "not ready", "parts": parts}, status)


def metrics_application(registry: CollectorRegistry) -> web.Application:
    """Return an application that shows the metrics of a registry, for a command that is no service."""

    async def get_metrics(request: web.Request) -> web.Response:
        return _exposition(registry, request)

    app = web.Application()
    app.router.add_get("/metrics", get_metrics)
    return app


def _exposition(registry: CollectorRegistry, request: web.Request) -> web.Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    headers = NO_STORE | SAFE | {"Content-Type": content_type, "Vary": "Accept"}
    return web.Response(body=encode(registry), headers=headers)


def _json(body: object, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/json",
        headers=NO_STORE | SAFE,
    )
