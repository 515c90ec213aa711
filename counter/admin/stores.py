"""How Redis and Postgres are, for Prometheus: asked when somebody asks for the metrics."""

from typing import Any, Final

from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.database import Pool, acquired, answering_soon
from counter.errors import CounterError
from counter.surroundings import PostgresMetrics, RedisMetrics

SAFE_POLICY: Final = "noeviction"
WELL: Final = "ok"
MICROSECONDS: Final = 1_000_000


class RedisGauges:
    """Shows what the servers say of themselves; nothing rather than something old if they say nothing."""

    def __init__(
        self, store: BucketStore, clock: Clock, metrics: tuple[RedisMetrics, PostgresMetrics]
    ) -> None:
        self._store = store
        self._clock = clock
        self._redis, self._clocks = metrics

    async def refresh(self) -> None:
        """Ask all servers of Redis."""
        shown = self._redis
        per_server = (shown.used_bytes, shown.max_bytes, shown.evicted, shown.noeviction, shown.appends)
        try:
            servers = await self._store.server_info("default")
            now_ms = self._clock()
            dirty = await self._store.count_dirty()
        except CounterError:
            shown.up.set(0)
            for gauge in (*per_server, shown.persists):
                gauge.clear()
            return
        shown.up.set(1)
        shown.dirty.set(dirty)
        for number, server in enumerate(servers):
            values = (
                server["used_memory"],
                server["maxmemory"],
                server["evicted_keys"],
                server["maxmemory_policy"] == SAFE_POLICY,
                server["aof_enabled"],
            )
            for gauge, value in zip(per_server, values, strict=True):
                gauge.labels(str(number)).set(value)
            shown.persists.labels(str(number)).set(_persists(server))
        ahead = (now_ms / 1000 - server["server_time_usec"] / MICROSECONDS for server in servers)
        self._clocks.clock_ahead_seconds.labels("redis").set(max(ahead, key=abs))


class PostgresGauges:
    """Shows whether Postgres answers, what time it has, and how busy the pool is."""

    def __init__(self, pool: Pool, clock: Clock, metrics: PostgresMetrics) -> None:
        self._pool = pool
        self._clock = clock
        self._metrics = metrics

    async def refresh(self) -> None:
        """Ask Postgres, and look at the pool."""
        idle = self._pool.get_idle_size()
        self._metrics.pool.labels("idle").set(idle)
        self._metrics.pool.labels("used").set(self._pool.get_size() - idle)
        self._metrics.pool_max.set(self._pool.get_max_size())
        try:
            async with answering_soon(), acquired(self._pool) as connection:
                theirs = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
        except CounterError:
            self._metrics.up.set(0)
            return
        self._metrics.up.set(1)
        self._metrics.clock_ahead_seconds.labels("postgres").set(self._clock() / 1000 - theirs)


def _persists(server: dict[str, Any]) -> bool:
    written = (server.get("aof_last_write_status", WELL), server.get("aof_last_bgrewrite_status", WELL))
    return bool(server["aof_enabled"]) and set(written) == {WELL}
