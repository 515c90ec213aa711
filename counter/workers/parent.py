"""The parent: prepares the stores, binds the sockets, starts the workers, and answers the administrator."""

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from counter.app import announce, prepare
from counter.config import Settings
from counter.drain import FINISH_SECONDS
from counter.hits.shared import new_memory
from counter.http import error_middleware, same_origin_middleware
from counter.listen import bound, listening, url_of
from counter.metrics import HttpMetrics, WorkerMetrics
from counter.supervisor import NOBODY, Supervisor
from counter.workers.handlers import TeamHandlers
from counter.workers.process import Together
from counter.workers.questions import MetricsOfAll, hears
from counter.workers.team import Team
from counter.workers.watch import Watch


async def serve_with_workers(
    settings: Settings,
    size: int,
    *,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    say: Callable[[str], None],
    supervisor: Supervisor = NOBODY,
) -> None:
    """Serve with several workers until `stop` is set; then let all of them drain and end.

    Args:
        settings: the configuration; each worker reads its own from the environment.
        size: how many workers there are.
        stop: set it to end everything cleanly.
        hurry: set it to end the drain.
        say: takes each line for the person at the terminal.
        supervisor: hands over sockets, and wants to know when all workers are ready.

    Raises:
        ConfigError: an address cannot be bound, or a worker cannot start.
        AggregatesUnavailableError: the database cannot be migrated.
    """
    await prepare(settings)
    with ExitStack() as held:
        public = supervisor.public or await bound(settings.host, settings.port)
        for each in public:
            held.enter_context(each)
        registry = CollectorRegistry()
        limits = new_memory()
        if limits is not None:
            held.callback(os.close, limits)
        shown = WorkerMetrics(registry)
        team = Team(size, public, Together(limits, secrets.randbits(32)), shown)
        watch = Watch(
            team.ready,
            hears,
            asyncio.get_running_loop().time,
            shown,
            silent_seconds=settings.worker_silent_seconds,
            grace_seconds=settings.drain_seconds + FINISH_SECONDS,
        )
        metrics = MetricsOfAll(team.ready, registry.collect)
        app = _admin(registry, TeamHandlers(size, team.ready, metrics, stop))
        async with (
            listening(app, settings.admin_host, settings.admin_port, sockets=supervisor.admin) as admin,
            metrics.looking(),
            watch.watching(),
            team.running(stop, hurry, metrics.forget),
        ):
            if not stop.is_set():
                announce(settings, url_of(public[0]), admin, say)
                supervisor.tell("READY=1")
            await stop.wait()
            supervisor.tell("STOPPING=1")
            held.close()  # the workers close theirs


def _admin(registry: CollectorRegistry, handlers: TeamHandlers) -> web.Application:
    errors = Counter("counter_redis_errors", "Calls to Redis that failed.", ["operation"], registry=registry)
    app = web.Application(
        middlewares=[error_middleware(HttpMetrics(registry, errors)), same_origin_middleware()]
    )
    app.add_routes(handlers.routes())
    return app
