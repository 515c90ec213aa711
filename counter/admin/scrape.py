"""What is filled in when somebody asks for the metrics, put together."""

import asyncio
import platform
from typing import Protocol

from counter import __version__
from counter.admin.online import OnlineGauge
from counter.admin.stores import PostgresGauges, RedisGauges
from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.config import Settings
from counter.database import Pool
from counter.metrics import Metrics
from counter.sites.registry import SiteRegistry


class Part(Protocol):
    """Some gauges, and where their values come from."""

    async def refresh(self) -> None:
        """Read the values; what cannot be read is shown as such, and raises nothing."""


class Scrape:
    """All such gauges."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    async def refresh(self) -> None:
        """Fill everything at once, so that a store that hangs costs its own time alone."""
        await asyncio.gather(*(part.refresh() for part in self._parts))


def make_scrape(  # noqa: PLR0917 - all that has something to show
    settings: Settings, store: BucketStore, pool: Pool, sites: SiteRegistry, clock: Clock, metrics: Metrics
) -> Scrape:
    """Return what fills the gauges of sites, Redis and Postgres."""
    metrics.series.build.labels(__version__, platform.python_version()).set(1)
    return Scrape(
        OnlineGauge(
            store,
            sites,
            clock,
            (metrics.http, metrics.series),
            settings.online_series,
            settings.series_sites,
        ),
        RedisGauges(store, clock, (metrics.redis, metrics.postgres)),
        PostgresGauges(pool, clock, metrics.postgres),
    )
