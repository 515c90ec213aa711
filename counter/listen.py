"""Listening: how an application meets the network, with limits, and how it stops."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from yarl import URL

from counter.connections import MOST, Connection, Connections, allow_files
from counter.drain import AT_ONCE, Drain, Traffic
from counter.errors import ConfigError
from counter.express import Express
from counter.metrics import ConnectionMetrics
from counter.whole import WholeRequests

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the usual proxy keeps an idle connection, so that the proxy closes it first."""
CLOSE_SECONDS: Final = 1
"""How long a connection may take to end once nothing is under way."""
MAX_LINE_BYTES: Final = 16_384
MAX_FIELD_BYTES: Final = 8190
MAX_HEADERS: Final = 64
READ_BYTES: Final = 65_536
_LIMITS: Final[dict[str, Any]] = {
    "auto_decompress": False,
    "max_field_size": MAX_FIELD_BYTES,
    "max_headers": MAX_HEADERS,
    "max_line_size": MAX_LINE_BYTES,
}
"""Of a parser, whoever has it."""
LINGER_SECONDS: Final = 2.0
"""How long what is left of a refused body is read, so that its sender sees the answer."""


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    *,
    sockets: Sequence[socket.socket] = (),
    drain: Drain = AT_ONCE,
    connections: int = MOST,
    metrics: ConnectionMetrics | None = None,
    express: Express | None = None,
) -> AsyncGenerator[str]:
    """Serve an application while the block runs, and yield its URL.

    On leaving, no new connection is taken, those that are open are drained, and the requests under way are
    finished.

    Args:
        app: what is served.
        host: the address to bind.
        port: the port to bind; 0 takes a free one.
        sockets: that listen already. If there are any, nothing is bound; only our copies of them are closed.
        drain: how the open connections are treated.
        connections: that may be open at a time.
        metrics: count what becomes of them.
        express: answers what it knows before the application is asked.

    Raises:
        ConfigError: the address cannot be bound.
    """
    guests = Connections(allow_files(connections), metrics)
    traffic = Traffic(guests)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    _watch(runner, traffic)
    try:
        async with guests.swept():
            servers = await _open(_protocols(runner, guests, express), host, port, sockets)
            try:
                yield url_of(servers[0].sockets[0])
            finally:
                for server in servers:
                    server.close()
                await traffic.drain(drain)
    finally:
        await runner.cleanup()


def _watch(runner: web.AppRunner, traffic: Traffic) -> None:
    server = runner.server
    assert server is not None  # noqa: S101 - the runner is set up
    server.request_handler = traffic.around(server.request_handler)


def _protocols(
    runner: web.AppRunner, guests: Connections, express: Express | None
) -> Callable[[], Connection]:
    """Return what makes the protocol of each new connection."""
    server = runner.server
    assert server is not None  # noqa: S101 - the runner is set up
    return partial(
        Connection,
        guests,
        express,
        WholeRequests(_make_parser) if express else None,
        server,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        lingering_time=LINGER_SECONDS,
        **_LIMITS,
    )


def _make_parser() -> HttpRequestParser:
    """Return a parser as each connection has one; what it reads is too small to be paused."""
    loop = asyncio.get_running_loop()
    return HttpRequestParser(BaseProtocol(loop), loop, READ_BYTES, **_LIMITS)


async def _open(
    protocols: Callable[[], Connection], host: str, port: int, sockets: Sequence[socket.socket]
) -> list[asyncio.Server]:
    loop = asyncio.get_running_loop()
    try:
        if sockets:
            return [await loop.create_server(protocols, sock=each, backlog=BACKLOG) for each in sockets]
        return [await loop.create_server(protocols, host, port, backlog=BACKLOG)]
    except OSError as error:
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error


async def bound(host: str, port: int) -> tuple[socket.socket, ...]:
    """Return sockets that listen on every address of a host, for processes that are to share them.

    Args:
        host: the address to bind.
        port: the port to bind; 0 takes a free one.

    Raises:
        ConfigError: the address cannot be bound.
    """
    found: list[socket.socket] = []
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in addresses):
            found.append(socket.create_server(address[:2], family=family, backlog=BACKLOG))
    except OSError as error:
        for each in found:
            each.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    return tuple(found)


def url_of(listener: socket.socket) -> str:
    """Return the URL of who listens on a socket."""
    if listener.family == socket.AF_UNIX:
        return f"http://unix:{listener.getsockname()}:"
    host, port = listener.getsockname()[:2]
    return str(URL.build(scheme="http", host=host, port=port))
