"""Who is online, for Prometheus: of the sites with most visitors, in a bounded number of series."""

from collections.abc import Collection
from heapq import nlargest
from itertools import islice
from typing import Final

from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.errors import CounterError
from counter.metrics import HttpMetrics
from counter.sites.registry import SiteRegistry
from counter.surroundings import SeriesMetrics

SITES_AT_ONCE: Final = 500
"""Hits go on between two such questions."""


class OnlineGauge:
    """Fills the gauges of the sites when they are asked for.

    Args:
        series: how many sites get a series of their own.
        named: keys of sites that get one however few visitors they have.
    """

    def __init__(  # noqa: PLR0917 - what is read, and what is shown of it
        self,
        store: BucketStore,
        sites: SiteRegistry,
        clock: Clock,
        metrics: tuple[HttpMetrics, SeriesMetrics],
        series: int,
        named: Collection[str] = (),
    ) -> None:
        self._store = store
        self._sites = sites
        self._clock = clock
        self._http, self._shown = metrics
        self._series = series
        self._named = frozenset(named)

    async def refresh(self) -> None:
        """Read the number of visitors online; without Redis there is no series rather than an old one."""
        self._shown.sites.set(len(self._sites))
        self._shown.limit.set(self._series)
        try:
            online = await self._count()
        except CounterError:
            self._http.redis_errors.labels("online").inc()
            online = {}
        most = nlargest(self._series, online, key=lambda key: online[key])
        chosen = {*most, *(self._named & online.keys())}
        self._http.online.clear()
        for key in chosen:
            self._http.online.labels(key).set(online[key])
        self._http.online_all.set(sum(online.values()))
        self._shown.left_out.set(sum(1 for key in online if online[key] and key not in chosen))

    async def _count(self) -> dict[str, int]:
        now_ms = self._clock()
        windows = (
            (site.key, now_ms - site.settings.online_window_seconds * 1000) for site in list(self._sites)
        )
        online: dict[str, int] = {}
        while some := dict(islice(windows, SITES_AT_ONCE)):
            online |= await self._store.count_online(some)
        return online
