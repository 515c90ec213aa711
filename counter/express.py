"""The short way to the few addresses that most requests are for: past aiohttp's router and middlewares.

    request ──► Express ──┬── one of its routes ──► the same handler, timed, its errors made answers ──► Ready
                          └── anything else ──────► the application, with its router and middlewares

What is answered is the same on both ways; tests/acceptance/test_express.py asks on both.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp.hdrs import EXPECT
from prometheus_client import Histogram

from counter.http import REQUEST_ID, SITE_KEY, Handler, answer_errors, new_request_id
from counter.ready import EMPTY, Ready

SITE: Final = "{site}"


class _Route(NamedTuple):
    """A handler, the name of its route in the metrics, and the site in its address, if it has one there."""

    handler: Handler
    name: str
    site: str = ""


class Express:
    """Knows the routes that are worth a short way.

    Args:
        routes: whose addresses have at most `{site}` in them.
        seconds: takes the time of each request, by route and status.
        always: headers of every answer.
    """

    def __init__(
        self, routes: Iterable[web.RouteDef], seconds: Histogram, always: Mapping[str, str] = EMPTY
    ) -> None:
        self._plain: dict[tuple[str, str], _Route] = {}
        self._of_sites: dict[tuple[str, str, str], _Route] = {}
        self._seconds = seconds
        self._clocks: dict[tuple[str, int], Histogram] = {}
        self._always = always
        self._lines = "".join(f"\r\n{name}: {value}" for name, value in always.items())
        self._now = asyncio.get_running_loop().time
        for route in routes:
            before, site, after = route.path.partition(SITE)
            found = _Route(route.handler, route.path)
            if site:
                self._of_sites[route.method, before, after] = found
            else:
                self._plain[route.method, before] = found

    def before(
        self, application: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """Return what handles a request here, or else lets the application do so."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            route = self._find(request.method, request.raw_path)
            # Who expects an answer before sending the body is answered by aiohttp's router.
            if route is None or EXPECT in request.headers or not isinstance(request, web.Request):
                return await application(request)
            if route.site:
                request[SITE_KEY] = route.site
            began_at = self._now()
            request_id = new_request_id()
            answer = await answer_errors(request, route.handler, request_id, route.name)
            if isinstance(answer, Ready):
                answer.tail = f"\r\n{REQUEST_ID}: {request_id}{self._lines}".encode()
            else:
                answer.headers[REQUEST_ID] = request_id
                answer.headers.update(self._always)
            self._clock(route.name, answer.status).observe(self._now() - began_at)
            return answer

        return handle

    def _find(self, method: str, raw_path: str) -> _Route | None:
        path = raw_path.partition("?")[0]
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain
        before, _, rest = path.partition("/sites/")
        key, slash, last = rest.partition("/")
        found = self._of_sites.get((method, before + "/sites/", slash + last))
        return found._replace(site=key) if found and key and "%" not in key else None

    def _clock(self, name: str, status: int) -> Histogram:
        clock = self._clocks.get((name, status))
        if clock is None:
            clock = self._clocks[name, status] = self._seconds.labels(name, str(status))
        return clock
