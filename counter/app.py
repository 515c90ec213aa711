"""Builds the service, room by room, in the order in which they are opened; `wiring` has the longer parts."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from counter.admin.api import admin_api_routes
from counter.admin.handlers import AdminHandlers
from counter.admin.health import Readiness
from counter.admin.scrape import make_scrape
from counter.buckets.recorder import Recorder
from counter.clock import Clock, system_clock
from counter.config import Settings
from counter.database import migrate, open_pool
from counter.drain import Drain
from counter.express import Express
from counter.hits.gate import Gate
from counter.hits.handlers import HitHandlers
from counter.hits.limits import Limits, Remember
from counter.hits.senders import Senders
from counter.http import also_under, error_middleware, same_origin_middleware, strict_transport
from counter.listen import listening
from counter.memory import settled
from counter.metrics import ConnectionMetrics, Metrics
from counter.ready import EMPTY
from counter.rollup.anomalies import Anomalies
from counter.sites.demo import DEMO_KEY, ensure_demo_site
from counter.sites.registry import SiteRegistry, followed
from counter.steps import Passing, go_on
from counter.supervisor import NOBODY, Supervisor
from counter.tracing.opening import open_tracing
from counter.tracing.tracing import Tracing
from counter.widget.files import demo_routes, file_routes
from counter.widget.signed import SignedScript
from counter.wiring.agreement import Agreement
from counter.wiring.durable import finder, refresher, refresher_over
from counter.wiring.hot import open_buckets
from counter.wiring.lanes import make_lanes, rates, spool_place
from counter.wiring.shown import make_shown
from counter.wiring.traced import Following


@dataclass(frozen=True, slots=True)
class Service:
    """Two applications that share everything below them; the short way is closed while somebody follows."""

    public: web.Application
    express: Express | None
    admin: web.Application
    connections: ConnectionMetrics


@asynccontextmanager
async def build(
    settings: Settings,
    clock: Clock = system_clock,
    passing: Passing = go_on,
    *,
    stop: asyncio.Event | None = None,
    tracing: Tracing | None = None,
    remember: Remember | None = None,
) -> AsyncGenerator[Service]:
    """Open every room, yield the applications, then close the rooms in reverse: hits first, rollup last."""
    metrics = Metrics(trace_id=tracing.trace_id if tracing else None)
    follow = Following(tracing, settings, metrics.traces)
    sites = SiteRegistry()
    database_url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as rooms:
        pool = await rooms.enter_async_context(open_pool(database_url))
        agreement = Agreement(settings, clock)
        await rooms.enter_async_context(agreement.kept())
        buckets = open_buckets(settings, clock, agreement.known)
        store, salts, _audit = await rooms.enter_async_context(buckets)
        agreement.guard(store)
        await rooms.enter_async_context(followed(sites, pool, database_url, settings.sites_seconds))

        rollup = follow.rollup(store, sites.known, passing)
        anomalies = Anomalies(metrics.rollup, metrics.silence, settings.online_series)
        loop = follow.loop(rollup, database_url, clock, metrics.rollup, settings.rollup_seconds, anomalies)
        await rooms.enter_async_context(loop.running())

        lanes = make_lanes(settings, store, sites, finder(pool), metrics, clock, passing, tracing)
        recorder = Recorder(store, lanes, waiting_hits=settings.waiting_hits)
        await rooms.enter_async_context(salts.foreseen(metrics.salts))
        await rooms.enter_async_context(recorder.running())

        senders = Senders(settings.trusted_proxies, settings.forwarding_header, metrics.http)
        limits = Limits(rates(settings), asyncio.get_running_loop().time, remember)
        gate = Gate(salts, clock, limits, senders.find)
        shown = make_shown(settings, store, pool, sites, refresher(rollup, pool, clock), metrics, clock)
        hits = HitHandlers(sites, gate, recorder, shown.answers.ask, metrics.http)
        short = [*hits.short(), *shown.widget.short()]
        always = strict_transport(settings.hsts_seconds)
        public = [
            *also_under(settings.api_path, [*hits.routes(), *shown.routes]),
            *SignedScript(sites, gate.issue_token).routes(),
            *file_routes(settings.script_path),
            *(demo_routes() if settings.demo else []),
        ]

        scrape = make_scrape(settings, store, pool, sites, clock, metrics)
        readiness = Readiness(store, pool, sites, salts, spool_place(settings))
        admin = AdminHandlers(metrics.registry, readiness, scrape, stop or asyncio.Event()).routes()
        admin += admin_api_routes(pool, metrics.admin, clock, refresher_over(rollup, clock))
        yield Service(
            public=_application(metrics, public, around=follow.middlewares, always=always),
            express=None
            if tracing
            else Express(short, metrics.http.request_seconds, settings.api_path, always),
            admin=_application(metrics, admin, same_origin_middleware(), around=follow.middlewares),
            connections=metrics.connections,
        )


async def serve(
    settings: Settings,
    *,
    stop: asyncio.Event,
    say: Callable[[str], None],
    clock: Clock = system_clock,
    passing: Passing = go_on,
    hurry: asyncio.Event | None = None,
    supervisor: Supervisor = NOBODY,
) -> None:
    """Serve until `stop` is set; then drain, finish what was begun, and roll up.

    Args:
        settings: the configuration.
        stop: set it to end everything cleanly.
        say: takes each line for the person at the terminal.
        clock: tells the time of each hit.
        passing: is told each step.
        hurry: set it to end the drain.
        supervisor: hands over sockets, and wants to know when we are ready.

    Raises:
        ConfigError: an address cannot be bound.
        AggregatesUnavailableError: the database cannot be migrated.
    """
    await prepare(settings)
    await attend(
        settings,
        stop=stop,
        say=say,
        clock=clock,
        passing=passing,
        hurry=hurry or asyncio.Event(),
        supervisor=supervisor,
    )


async def prepare(settings: Settings) -> None:
    """Bring the database up to date, once before all workers.

    Raises:
        AggregatesUnavailableError: the database cannot be migrated.
    """
    await migrate(settings.database_url.get_secret_value())
    if settings.demo:
        await ensure_demo_site(settings.database_url.get_secret_value())


async def attend(
    settings: Settings,
    *,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    supervisor: Supervisor,
    say: Callable[[str], None] = lambda _line: None,
    clock: Clock = system_clock,
    passing: Passing = go_on,
    remember: Remember | None = None,
) -> None:
    """Serve on stores that are prepared; see `serve`. Several workers `remember` who sent what together."""
    async with (
        open_tracing() as tracing,
        build(settings, clock, passing, stop=stop, tracing=tracing, remember=remember) as service,
        # The last to open is the first to close: the administrator sees the whole drain of the visitors.
        listening(service.admin, settings.admin_host, settings.admin_port, sockets=supervisor.admin) as admin,
        listening(
            service.public,
            settings.host,
            settings.port,
            sockets=supervisor.public,
            drain=Drain(settings.drain_seconds, hurry),
            connections=settings.connections,
            metrics=service.connections,
            express=service.express,
        ) as public,
    ):
        announce(settings, public, admin, say)
        supervisor.tell("READY=1")
        with settled():
            await stop.wait()
        supervisor.tell("STOPPING=1")


def announce(settings: Settings, public: str, admin: str, say: Callable[[str], None]) -> None:
    """Say where everything is found."""
    if settings.demo:
        say(f"demo portal  {public}/")
        say(f"statistics   {public}/sites/{DEMO_KEY}")
    say(f"script       {public}{settings.script_path}")
    say(f"metrics      {admin}/metrics")
    say(f"readiness    {admin}/readyz")


def _application(
    metrics: Metrics,
    routes: list[web.RouteDef],
    *more: Middleware,
    around: Sequence[Middleware],
    always: Mapping[str, str] = EMPTY,
) -> web.Application:
    app = web.Application(middlewares=[*around, error_middleware(metrics.http, always), *more])
    app.add_routes(routes)
    return app
