"""What commands share: they are coroutines, they stop on a signal, they open what they need."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial, wraps
from getpass import getuser
from typing import Any, Final, NamedTuple

import click
import msgspec
import uvloop

from counter.buckets.store import BucketStore
from counter.clock import system_clock
from counter.config import Settings
from counter.database import Connection, connected
from counter.log import set_up_logs
from counter.rollup.rollup import Rollup
from counter.sites.registry import SiteRegistry
from counter.sites.store import SiteStore
from counter.wiring.agreement import known_lanes
from counter.wiring.hot import open_buckets

say: Final = partial(click.echo, color=False)


def actor() -> str:
    """Return who types, for the audit log; a container may know no name."""
    try:
        return getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def json(said: object) -> str:
    """Return what a command says to programs."""
    return msgspec.json.format(msgspec.json.encode(said)).decode()


def runs(command: Callable[..., Coroutine[Any, Any, int | None]]) -> Callable[..., int | None]:
    """Let a command be a coroutine, whose first argument is the configuration; it may return an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> int | None:
        settings = Settings.load()
        set_up_logs(settings.log_level)
        _leave_no_dump()
        return uvloop.run(command(settings, *args, **kwargs))

    return run


class Stop(NamedTuple):
    """What Ctrl-C and SIGTERM set: the first signal `asked`, every further one `hurry`."""

    asked: asyncio.Event
    hurry: asyncio.Event

    def signal(self) -> None:
        """Take one signal."""
        (self.hurry if self.asked.is_set() else self.asked).set()


def stop_on_signals() -> Stop:
    """Return the events that Ctrl-C and SIGTERM set."""
    stop = Stop(asyncio.Event(), asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.signal)
    return stop


def stop_on_parent() -> Stop:
    """Return the events that a worker's parent sets, and SIGTERM the first of them.

    A signal may go to a whole group of processes: Ctrl-C is for the parent, and it alone counts further ones.
    """
    stop = Stop(asyncio.Event(), asyncio.Event())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.asked.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    return stop


@asynccontextmanager
async def database(settings: Settings) -> AsyncGenerator[Connection]:
    """Yield a connection to the database that the settings name."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        yield connection


def _leave_no_dump() -> None:
    """Let no crash of this process, or of an engine it starts, write down memory, where addresses pass."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Counts(NamedTuple):
    """Both stores of counts, and what moves counts between them."""

    connection: Connection
    buckets: BucketStore
    rollup: Rollup
    sites: SiteRegistry


@asynccontextmanager
async def counts(settings: Settings) -> AsyncGenerator[Counts]:
    """Yield what a command needs that looks into both Redis and Postgres."""
    sites = SiteRegistry()
    async with database(settings) as connection:
        lanes = await known_lanes(connection, settings)
        async with open_buckets(settings, system_clock, lanes) as buckets:
            sites.replace(await SiteStore(connection).list_all())
            yield Counts(connection, buckets.store, Rollup(buckets.store, sites.known), sites)
