"""How the admin listener answers."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from counter.http import NO_STORE, SAFE


def health_json(body: object, status: int) -> web.Response:
    """Answer with what a load balancer or a person wants to know now."""
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/json",
        headers=NO_STORE | SAFE,
    )


def admin_json(
    said: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer a question of the administration."""
    return web.Response(
        body=msgspec.json.encode(said),
        status=status,
        content_type="application/json",
        headers={**NO_STORE, **SAFE, **(headers or {})},
    )


def exposition(request: web.Request, registry: CollectorRegistry) -> web.Response:
    """Answer with all metrics in the format that Prometheus asks for."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    headers = NO_STORE | SAFE | {"Content-Type": content_type, "Vary": "Accept"}
    return web.Response(body=encode(registry), headers=headers)
