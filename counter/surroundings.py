"""The metrics of what surrounds the way of a hit: stores, clocks, sites that fall silent."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class RedisMetrics:
    """What the servers of Redis say of themselves, by their number; read for each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, says: str) -> Gauge:
            return Gauge(f"counter_redis_{name}", says, ["server"], registry=registry)

        self.up = Gauge("counter_redis_up", "1 if all servers of Redis answered just now.", registry=registry)
        self.used_bytes = gauge("memory_used_bytes", "Memory that the server uses.")
        self.max_bytes = gauge("memory_max_bytes", "Memory that it may use (maxmemory); 0 sets no limit.")
        self.evicted = gauge("evicted_keys", "Keys that it threw away for want of memory since it started.")
        self.noeviction = gauge("noeviction", "1 if it throws nothing away (maxmemory-policy).")
        self.appends = gauge("aof_enabled", "1 if it writes down each change (appendonly).")
        self.persists = gauge("aof_ok", "1 if its append-only file is on and was written well the last time.")
        self.dirty = Gauge(
            "counter_dirty_buckets",
            "Buckets that changed since they were written to Postgres.",
            registry=registry,
        )


class PostgresMetrics:
    """Postgres as this process sees it; read for each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge("counter_postgres_up", "1 if Postgres answered just now.", registry=registry)
        self.pool = Gauge(
            "counter_postgres_pool_connections", "Connections of the pool.", ["state"], registry=registry
        )
        self.pool_max = Gauge(
            "counter_postgres_pool_max_connections", "Connections that the pool may open.", registry=registry
        )
        self.clock_ahead_seconds = Gauge(
            "counter_clock_ahead_seconds",
            "By how much the clock of this host is ahead of that of a store; 0 within the time of a call.",
            ["store"],
            registry=registry,
        )


class SeriesMetrics:
    """How many sites there are, and how many of them have no series of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.build = Gauge(
            "counter_build_info", "1, with the version that runs.", ["version", "python"], registry=registry
        )
        self.sites = Gauge("counter_sites", "Registered sites.", registry=registry)
        self.limit = Gauge(
            "counter_site_series_limit",
            "How many sites get a series of their own (COUNTER_ONLINE_SERIES), beside those that are named.",
            registry=registry,
        )
        self.left_out = Gauge(
            "counter_sites_without_series",
            "Sites with visitors online that have no series of their own, as too many others have more.",
            registry=registry,
        )


class SilenceMetrics:
    """Sites that count nothing in an hour that always has some."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sites = Gauge(
            "counter_silent_sites",
            "Sites without a view in the last full hour that had some in that hour of each of four weeks.",
            registry=registry,
        )
        self.usual_views = Gauge(
            "counter_site_silent_usual_views",
            "Views that such a site usually has in that hour, of those that have most.",
            ["site"],
            registry=registry,
        )


class TraceMetrics:
    """What becomes of the spans, where traces are set up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter("counter_spans_sent", "Spans that the collector took.", registry=registry)
        self.lost = Counter("counter_spans_lost", "Spans that it did not take.", registry=registry)
