"""Draining: a listener that takes no new connection serves those that it has, until they are gone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, cast

import structlog
from aiohttp import web

from counter.connections import Connection, Connections

POLL_SECONDS: Final = 0.02
FINISH_SECONDS: Final = 10.0
"""How long a request under way may still take after the drain."""

log = structlog.get_logger(__name__)


class Drain(NamedTuple):
    """How long connections without a request are left open after the stop.

    Attributes:
        seconds: at most; 0 closes them at once.
        hurry: set, it ends the drain.
    """

    seconds: float = 0.0
    hurry: asyncio.Event | None = None


AT_ONCE: Final = Drain()


class Traffic:
    """Knows the requests under way and, while draining, has every answer tell its client to go.

    A client that is told by `Connection: close` opens its next connection elsewhere. One that is not told may
    send a request in the very moment in which we close; it meets a reset, and nobody repeats a POST for it.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._under_way = 0

    def around(
        self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """Return what handles all requests of a listener as `handle` does."""
        begin, finish = self._connections.begin, self._connections.finish

        async def watched(request: web.BaseRequest) -> web.StreamResponse:
            connection = cast("Connection", request.protocol)
            self._under_way += 1
            begin(connection)
            try:
                response = await handle(request)
            finally:
                self._under_way -= 1
                finish(connection)
            if self._connections.draining:
                response.force_close()
            return response

        return watched

    async def drain(self, drain: Drain) -> None:
        """Wait until no connection is left or the time is over, then until no request is under way."""
        self._connections.draining = True
        hurry = drain.hurry or asyncio.Event()
        if drain.seconds:
            log.info("draining", connections=len(self._connections), seconds=drain.seconds)
            await _until(lambda: hurry.is_set() or not self._connections, drain.seconds)
            log.info("drained", connections=len(self._connections))
        await _until(lambda: not (self._under_way or self._connections.busy), FINISH_SECONDS)


async def _until(done: Callable[[], bool], seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while not done() and clock() < deadline:  # noqa: ASYNC110 - aiohttp tells nobody when a connection ends
        await asyncio.sleep(POLL_SECONDS)
