"""Follows requests, on the short way and on the long one."""

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.hdrs import EXPECT, METH_ALL
from aiohttp.typedefs import Middleware
from prometheus_client import Histogram

from counter.config import Network
from counter.express import Express
from counter.hits.visitors import parse_address
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
                answered(span, answer.status)
            return answer

        return follow

    def _parent(self, request: web.BaseRequest) -> Place | None:
        traceparent = request.headers.get("traceparent")
        if traceparent is None or not self._trusts(request.remote):
            return None
        return self._tracing.place_of(traceparent)

    def _look_up(self, peer: str | None) -> bool:
        """Tell whether a peer's word is taken; a Unix socket's is, as its forwarding header's."""
        if self._parents != "trusted" or not self._trusted or not peer:
            return self._parents == "anybody" or (self._parents == "trusted" and bool(self._trusted))
        address = parse_address(peer)
        return address is not None and any(address in network for network in self._trusted)


def answered(span: Span, status: int) -> None:
    """Say how a request was answered."""
    span.note({"http.response.status_code": status})
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(str(status))


class TracedExpress(Express):
    """Follows the requests that take the short way; the others have their middleware."""

    def __init__(
        self,
        requests: Requests,
        routes: Iterable[web.RouteDef],
        seconds: Histogram,
        always: Mapping[str, str],
    ) -> None:
        super().__init__(routes, seconds, always)
        self._requests = requests

    def before(
        self, application: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """Return what handles a request, and follows it where it is handled here."""
        handle = super().before(application)

        async def follow(request: web.BaseRequest) -> web.StreamResponse:
            route = self._find(request.method, request.raw_path)
            if route is None or EXPECT in request.headers:
                return await handle(request)
            with self._requests.answering(request, route.name) as span:
                answer = await handle(request)
                answered(span, answer.status)
            return answer

        return follow
