"""Follows requests: while somebody does, all of them take the long way."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Final

from aiohttp import web
from aiohttp.hdrs import METH_ALL
from aiohttp.typedefs import Middleware

from counter.config import Network
from counter.http import Handler
from counter.tracing.tracing import Place, Role, Span, Tracing

PEERS: Final = 1024
UNTRACED: Final = frozenset({"/metrics", "/healthz", "/readyz"})
"""They are asked every few seconds, and nobody waits for them."""


class Requests:
    """Follows requests: by method, route and status, and by nothing else that they say.

    Args:
        tracing: makes the spans.
        parents: whose `traceparent` is gone on from: `trusted`, `anybody` or `nobody`.
        trusted: networks of our own proxies.
    """

    def __init__(self, tracing: Tracing, parents: str, trusted: Sequence[Network]) -> None:
        self._tracing = tracing
        self._parents = parents
        self._trusted = trusted
        self._trusts = lru_cache(PEERS)(self._look_up)

    @contextmanager
    def answering(self, request: web.BaseRequest, route: str) -> Generator[Span]:
        """Follow the answer to a request; `route` is the template of its address."""
        method = request.method if request.method in METH_ALL else "_OTHER"
        attributes = {"http.request.method": method, "http.route": route}
        parent = self._parent(request)
        with self._tracing.apart(f"{method} {route}", attributes, Role.ANSWER, parent=parent) as span:
            yield span

    def middleware(self) -> Middleware:
        """Return what follows the requests that aiohttp's router knows; it goes around all others."""

        @web.middleware
        async def follow(request: web.Request, handler: Handler) -> web.StreamResponse:
            resource = request.match_info.route.resource
            route = resource.canonical if resource else "none"
            if route in UNTRACED:
                return await handler(request)
            with self.answering(request, route) as span:
                answer = await handler(request)
                span.note({"http.response.status_code": answer.status})
                if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.fail(str(answer.status))
            return answer

        return follow

    def _parent(self, request: web.BaseRequest) -> Place | None:
        traceparent = request.headers.get("traceparent")
        if traceparent is None or not self._trusts(request.remote):
            return None
        return self._tracing.place_of(traceparent)

    def _look_up(self, peer: str | None) -> bool:
        """Tell whether a peer's word is taken; a Unix socket's is, as its forwarding header's."""
        if self._parents != "trusted":
            return self._parents == "anybody"
        if not self._trusted or not peer:
            return bool(self._trusted)
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network for network in self._trusted)
