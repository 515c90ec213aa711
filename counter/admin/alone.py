"""The metrics of a command that is no service."""

from aiohttp import web
from prometheus_client import CollectorRegistry

from counter.admin.answers import exposition


def metrics_application(registry: CollectorRegistry) -> web.Application:
    """Return an application that shows the metrics of a registry."""

    async def get_metrics(request: web.Request) -> web.Response:
        return exposition(request, registry)

    app = web.Application()
    app.router.add_get("/metrics", get_metrics)
    return app
