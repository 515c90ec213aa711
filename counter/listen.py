"""Listening: how an application meets the network, with limits, and how it stops."""

import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from counter.drain import AT_ONCE, Drain, Traffic
from counter.errors import ConfigError

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the usual proxy keeps an idle connection, so that the proxy closes it first."""
CLOSE_SECONDS: Final = 1
"""How long a connection may take to end once nothing is under way."""
MAX_LINE_BYTES: Final = 16_384


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    *,
    sockets: Sequence[socket.socket] = (),
    drain: Drain = AT_ONCE,
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

    Raises:
        ConfigError: the address cannot be bound.
    """
    traffic = Traffic()
    app.middlewares.insert(0, traffic.middleware())
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        max_line_size=MAX_LINE_BYTES,
        shutdown_timeout=CLOSE_SECONDS,
    )
    await runner.setup()
    try:
        yield await _open(runner, host, port, sockets)
    finally:
        try:
            await _stop(runner, traffic, drain)
        finally:
            await runner.cleanup()


async def _open(runner: web.AppRunner, host: str, port: int, sockets: Sequence[socket.socket]) -> str:
    sites: list[web.BaseSite] = [web.SockSite(runner, each, backlog=BACKLOG) for each in sockets]
    sites = sites or [web.TCPSite(runner, host, port, backlog=BACKLOG)]
    try:
        for site in sites:
            await site.start()
    except OSError as error:
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    return sites[0].name


async def _stop(runner: web.AppRunner, traffic: Traffic, drain: Drain) -> None:
    for site in runner.sites:
        await site.stop()
    if runner.server:
        await traffic.drain(runner.server, drain)
