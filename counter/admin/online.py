"""Who is online, for Prometheus: of the sites with most visitors, in a bounded number of series."""

from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.errors import CounterError
from counter.metrics import HttpMetrics
from counter.sites.registry import SiteRegistry


class OnlineGauge:
    """Fills the gauge when it is scraped."""

    def __init__(
        self, store: BucketStore, sites: SiteRegistry, clock: Clock, metrics: HttpMetrics, series: int
    ) -> None:
        self._store = store
        self._sites = sites
        self._clock = clock
        self._metrics = metrics
        self._series = series

    async def refresh(self) -> None:
        """Read the number of visitors online; without Redis there is no series rather than an old one."""
        now_ms = self._clock()
        windows = {site.key: now_ms - site.settings.online_window_seconds * 1000 for site in self._sites}
        self._metrics.online.clear()
        try:
            online = await self._store.count_online(windows)
        except CounterError:
            self._metrics.redis_errors.labels("online").inc()
            return
        for key in sorted(online, key=lambda key: online[key], reverse=True)[: self._series]:
            self._metrics.online.labels(key).set(online[key])
        self._metrics.online_all.set(sum(online.values()))
