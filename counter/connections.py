"""The open connections of a listener: how many there may be, and how long each may keep us waiting."""

import asyncio
import resource
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage

from counter.asked import Short
from counter.background import end
from counter.express import Express, Siding
from counter.http import as_problem, problem
from counter.metrics import ConnectionMetrics
from counter.ready import SERVER, Ready
from counter.whole import WholeRequests

MOST: Final = 10_000
FIRST_REQUEST_SECONDS: Final = 10.0
"""How long the head of a connection's first request may take; later ones have the keep-alive time."""
IDLE_SECONDS: Final = 90.0
"""How long a connection is kept whose last request was answered, even if nobody takes the answer.

Longer than the keep-alive time, in which an orderly end begins."""
SWEEP_SECONDS: Final = 1.0
SPARE_FILES: Final = 256
"""File descriptors for all that is no connection of a client."""


class Connection(web.RequestHandler):
    """A client's connection. The others know of it, and it says what is wrong as everything here does.

    A request that has a short way never reaches aiohttp, which waits for one. What the client sends before it
    is answered is held back, so that answers keep the order of the requests.

    Args:
        others: of the listener.
        express: knows the requests that have a short way.
        whole: reads those that come whole; none do after the first that came in pieces, or with another one.
        server: of the long way.
        options: of `web.RequestHandler`.
    """

    __slots__ = (
        "_began_at",
        "_express",
        "_held",
        "_others",
        "_remote",
        "_route",
        "_siding",
        "_whole",
        "_wire",
    )

    def __init__(
        self,
        others: "Connections",
        express: Express | None,
        whole: WholeRequests | None,
        server: web.Server,
        **options: Any,
    ) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._others = others
        self._wire: asyncio.Transport | None = None
        self._remote: str | None = None
        self._express = express
        self._whole = whole
        self._route: Short | None = None  # of the request that is under way on the short way
        self._began_at = 0.0
        self._siding: Siding | None = None
        self._held: list[bytes] = []
        if express is not None:
            self._siding = Siding(cast("HttpRequestParser", self._parser), self._take)
            self._parser = cast("Any", self._siding)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in."""
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)
        self._remote = _host_of(self.peername)
        self._others.enter(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Go."""
        super().connection_lost(exc)
        self._siding = None
        self._others.leave(self)

    def data_received(self, data: bytes) -> None:
        """Read what the client sends, or hold it back while a request of the short way is under way."""
        if self._route is not None or self._held:
            self._held.append(data)
            self._pause_transport_reading()
        elif self._whole is None or not self._read_whole(self._whole, data):
            super().data_received(data)

    def abort(self) -> None:
        """End at once: whoever reads nothing would keep an orderly end from coming."""
        if self._wire is not None:
            self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 400,
        exc: BaseException | None = None,  # noqa: ARG002 - it holds what the client sent, which is for no log
        message: str | None = None,  # noqa: ARG002 - so does this
    ) -> web.StreamResponse:
        """Answer what is no HTTP, without a word of it in the answer or a log."""
        if request.writer.output_size > 0:
            raise ConnectionError
        response = problem(status, "malformed-request", "the request is not HTTP as this listener takes it")
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what aiohttp refuses before any of our code sees it is answered in our form too."""
        if isinstance(resp, web.HTTPException):
            resp = as_problem(resp)
        resp.headers["Server"] = SERVER
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            if self._siding is not None:
                self._siding.left -= 1

    def _read_whole(self, whole: WholeRequests, data: bytes) -> bool:
        """Answer what came the short way, now or later, and return True, or leave it to our own parser."""
        if self._force_close or self._close:
            return False
        siding = self._siding
        read = None if siding is None or siding.left else whole.read(data)
        if siding is None or read is None:
            self._whole = None  # from now on our own parser may be within a request
            return False
        taken = self._take(*read)
        siding.passes = not taken
        return taken

    def _take(self, message: RawRequestMessage, body: bytes) -> bool:
        """Answer a request the short way, now or later, and return True, or leave it to aiohttp."""
        express, others = self._express, self._others
        if express is None or self._paused or others.draining:
            return False
        found = express.find(message)
        if found is None:
            return False
        self._route = found.route
        self._began_at = now = self._loop.time()
        self._next_keepalive_close_time = now + self._keepalive_timeout
        others.begin(self)
        if express.handle(found, message, self._remote, body, self._reply):
            return True
        answered = self._route is None  # what broke after its answer is not answered again
        self._route = None
        others.finish(self)
        return answered

    def _reply(self, answer: Ready) -> None:
        """Send the answer to the request that is under way on the short way; a second one is none."""
        route, self._route = self._route, None
        if route is None or self._express is None:
            return
        self._others.finish(self)
        self._express.finish(route, answer, self._loop.time() - self._began_at)
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._others.draining:
            answer.force_close()
        transport.write(answer.encode())
        if not answer.keep_alive:
            self.force_close()
        elif self._held:
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Read what was held back."""
        held, self._held = b"".join(self._held), []
        self.data_received(held)
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()


def _host_of(peer: str | tuple[Any, ...] | None) -> str | None:
    """Return the address of a peer, as aiohttp's requests tell it."""
    return str(peer[0]) if isinstance(peer, tuple) else peer


class Connections:
    """Keeps the connections of a listener apart: no request yet, idle, or with a request under way.

    Those that wait are in the order of time, so the longest waiting is always the first.

    Args:
        most: that may be open; further ones take the place of the one that has waited longest.
        metrics: count those that are ended.
        now: seconds of a clock that never goes back.

    Attributes:
        draining: whether every answer is to tell its client to go.
    """

    def __init__(
        self, most: int, metrics: ConnectionMetrics | None = None, now: Callable[[], float] | None = None
    ) -> None:
        self.draining = False
        self._most = most
        self._metrics = metrics
        self._now = now or asyncio.get_running_loop().time
        self._new: dict[Connection, float] = {}
        self._idle: dict[Connection, float] = {}
        self._busy: set[Connection] = set()
        if metrics:
            metrics.open.set_function(self.__len__)

    def __len__(self) -> int:
        return len(self._new) + len(self._idle) + len(self._busy)

    @property
    def busy(self) -> int:
        """How many have a request under way."""
        return len(self._busy)

    def enter(self, connection: Connection) -> None:
        """Take a new connection in; if there are too many, somebody has to go."""
        self._new[connection] = self._now()
        if len(self) > self._most:
            self._end(next(iter(self._new if len(self._new) > len(self._idle) else self._idle)), "full")

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._new.pop(connection, None)
        self._idle.pop(connection, None)
        self._busy.discard(connection)

    def begin(self, connection: Connection) -> None:
        """Note that a request has come; its connection may be gone already."""
        if self._idle.pop(connection, None) is not None or self._new.pop(connection, None) is not None:
            self._busy.add(connection)

    def finish(self, connection: Connection) -> None:
        """Note that a request was answered; its connection may be gone already."""
        if connection in self._busy:
            self._busy.remove(connection)
            self._idle[connection] = self._now()

    def sweep(self) -> None:
        """End the connections that have kept us waiting for too long."""
        now = self._now()
        for waiting, seconds, reason in (
            (self._new, FIRST_REQUEST_SECONDS, "no_request"),
            (self._idle, IDLE_SECONDS, "idle"),
        ):
            while waiting and now - next(iter(waiting.values())) > seconds:
                self._end(next(iter(waiting)), reason)

    @asynccontextmanager
    async def swept(self) -> AsyncGenerator[None]:
        """Sweep again and again while the block runs."""
        task = asyncio.create_task(self._keep_sweeping(), name="sweep connections")
        try:
            yield
        finally:
            await end(task)

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()

    def _end(self, connection: Connection, reason: str) -> None:
        self.leave(connection)
        connection.abort()
        if self._metrics:
            self._metrics.ended.labels(reason).inc()


def allow_files(most: int) -> int:
    """Raise this process's limit of open files as far as it may go, and return how many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + SPARE_FILES
    limit = soft if soft == resource.RLIM_INFINITY or soft >= wanted else min(wanted, hard)
    if hard == resource.RLIM_INFINITY and soft < wanted:
        limit = wanted
    if limit != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return most if limit == resource.RLIM_INFINITY else max(1, min(most, limit - SPARE_FILES))
