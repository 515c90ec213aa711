"""The admin listener's addresses: metrics and health."""

import asyncio
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CollectorRegistry

from counter.admin.answers import exposition, health_json
from counter.admin.health import Readiness
from counter.admin.scrape import Scrape


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
        """Answer with all metrics; `?counted` asks no store, for whoever wants the counters alone."""
        if "counted" not in request.query:
            await self._scrape.refresh()
        return exposition(request, self._registry)

    async def get_health(self, _request: web.Request) -> web.Response:
        """Answer that the process runs."""
        return health_json({"status": "alive"}, HTTPStatus.OK)

    async def get_readiness(self, _request: web.Request) -> web.Response:
        """Answer 200 if a hit can be accepted, else 503, and name what is missing; when stopping, 503."""
        if self._stop.is_set():
            return health_json({"status": "stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)
        findings = await self._readiness.look()
        ready = not any(finding.detail for finding in findings if finding.needed)
        parts = {finding.part: finding.detail or "ok" for finding in findings}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return health_json({"status": "ready" if ready else "not ready", "parts": parts}, status)
