"""Every Prometheus metric, by the room that feeds it."""

from dataclasses import InitVar, dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from counter.surroundings import PostgresMetrics, RedisMetrics, SeriesMetrics, SilenceMetrics, TraceMetrics
from counter.tracing.exemplars import TraceId, latencies

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_BATCH_HITS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_ROLLUP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Labelled(dict[str, Counter]):
    """The series of a counter by their only label; looking one up costs no lock.

    Args:
        counter: has one label.
    """

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, value: str) -> Counter:
        series = self[value] = self._counter.labels(value)
        return series


class RecorderMetrics:
    """The way of hits into Redis."""

    def __init__(
        self, registry: CollectorRegistry, redis_errors: Counter, latency: type[Histogram] = Histogram
    ) -> None:
        self.redis_errors = redis_errors
        self.batch_hits = Histogram(
            "counter_batch_hits", "Hits that went to Redis together.", buckets=_BATCH_HITS, registry=registry
        )
        self.batch_seconds = latency(
            "counter_batch_seconds",
            "Time until Redis acknowledged a batch, repetitions included.",
            buckets=_SECONDS,
            registry=registry,
        )


class SpoolMetrics:
    """The hits that wait on disk while Redis is away."""

    def __init__(self, registry: CollectorRegistry, latency: type[Histogram] = Histogram) -> None:
        self.spooled = Counter("counter_spooled_hits", "Hits written to the spool.", registry=registry)
        self.replayed = Counter(
            "counter_replayed_hits", "Hits of the spool that Redis has now.", registry=registry
        )
        self.dropped = Counter(
            "counter_spool_dropped",
            "What the spool could not keep or replay: records by reason, hits of removed sites.",
            ["reason"],
            registry=registry,
        )
        self.append_seconds = latency(
            "counter_spool_append_seconds",
            "Time until a batch was on disk.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.bytes = Gauge(
            "counter_spool_bytes",
            "What this process has still to replay, by lane.",
            ["lane"],
            registry=registry,
        )
        self.oldest_seconds = Gauge(
            "counter_spool_oldest_seconds",
            "How long the oldest hit of the spool has waited, by lane; 0 if none waits.",
            ["lane"],
            registry=registry,
        )


class RollupMetrics:
    """The way from Redis into Postgres."""

    def __init__(self, registry: CollectorRegistry, latency: type[Histogram] = Histogram) -> None:
        self.seconds = latency(
            "counter_rollup_seconds", "Time of one rollup.", buckets=_ROLLUP_SECONDS, registry=registry
        )
        self.rows = Counter("counter_rollup_rows", "Rows written to Postgres.", ["table"], registry=registry)
        self.removed = Counter(
            "counter_rollup_removed_rows",
            "Rows that are kept no longer, and rows whose hours are not, by table.",
            ["table"],
            registry=registry,
        )
        self.failures = Counter("counter_rollup_failures", "Rollups that did not finish.", registry=registry)
        self.last_success = Gauge(
            "counter_rollup_last_success_timestamp_seconds",
            "When this process last finished a rollup; 0 if it never did.",
            registry=registry,
        )
        self.leader = Gauge("counter_rollup_leader", "1 if this process does the rollups.", registry=registry)
        self.hour_ratio = Gauge(
            "counter_site_hour_ratio",
            "Views of this hour so far by the mean of the same hour in four weeks, of sites that stand out.",
            ["site"],
            registry=registry,
        )
        self.postgres_errors = Counter(
            "counter_postgres_errors", "Calls to Postgres that failed.", ["operation"], registry=registry
        )


class SaltMetrics:
    """The secrets behind the visitor ids."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.overdue = Gauge(
            "counter_salts_overdue",
            "Days whose salt is over and may still be in a file of Redis; see docs/privacy.md.",
            registry=registry,
        )
        self.looked = Gauge(
            "counter_salts_looked_timestamp_seconds",
            "When this process last looked for salts that are over; 0 if it never did.",
            registry=registry,
        )


class HttpMetrics:
    """What was asked and answered."""

    def __init__(
        self, registry: CollectorRegistry, redis_errors: Counter, latency: type[Histogram] = Histogram
    ) -> None:
        self.redis_errors = redis_errors
        self.hits = Counter("counter_hits", "Beacons by what became of them.", ["result"], registry=registry)
        self.untrusted_proxies = Counter(
            "counter_untrusted_proxy_requests",
            "Beacons that a proxy of a private network forwarded which is not among the trusted ones.",
            registry=registry,
        )
        self.request_seconds = latency(
            "counter_request_seconds",
            "Time to answer a request.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.snapshots = Counter(
            "counter_snapshots",
            "Answers with numbers by where they came from.",
            ["source"],
            registry=registry,
        )
        self.online = Gauge(
            "counter_site_online_visitors",
            "Visitors online, of the sites that have most.",
            ["site"],
            registry=registry,
        )
        self.online_all = Gauge(
            "counter_online_visitors", "Visitors online, summed over all sites.", registry=registry
        )


class WorkerMetrics:
    """What the parent of several workers knows of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.alive = Gauge("counter_workers_alive", "Workers that serve and answer.", registry=registry)
        self.wanted = Gauge("counter_workers_wanted", "Workers that there are to be.", registry=registry)
        self.restarts = Counter(
            "counter_worker_restarts", "Workers that ended and were replaced.", registry=registry
        )
        self.hangs = Counter(
            "counter_worker_hangs", "Workers that did not answer and were ended for it.", registry=registry
        )


class ConnectionMetrics:
    """The connections of the public listener."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("counter_connections", "Open connections of the visitors.", registry=registry)
        self.ended = Counter(
            "counter_connections_ended",
            "Connections that we ended: there were too many, or they kept us waiting.",
            ["reason"],
            registry=registry,
        )


class AdminMetrics:
    """The administration over HTTP."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            "counter_admin_refused",
            "Requests to the administration that were refused, by what was wrong with their token.",
            ["reason"],
            registry=registry,
        )


def _begin_at_zero(metrics: "Metrics") -> None:
    """Show what has not happened yet as 0: a series that is born with its first error shows no increase."""
    for counter, values in (
        (metrics.recorder.redis_errors, ("record", "online", "info")),
        (metrics.rollup.postgres_errors, ("rollup",)),
        (metrics.spool.dropped, ("damaged", "torn", "unreadable", "refused", "unknown_site")),
        (metrics.rollup.rows, ("aggregates", "page_aggregates")),
        (metrics.http.snapshots, ("memory", "redis", "stale", "none")),
        (metrics.connections.ended, ("full", "no_request", "idle")),
    ):
        for value in values:
            counter.labels(value)


@dataclass(frozen=True, slots=True)
class Metrics:
    """All metrics of one process.

    Args:
        trace_id: returns the trace under way, for the exemplars of the latencies; None without traces.
    """

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    trace_id: InitVar[TraceId | None] = None
    recorder: RecorderMetrics = field(init=False)
    spool: SpoolMetrics = field(init=False)
    rollup: RollupMetrics = field(init=False)
    salts: SaltMetrics = field(init=False)
    http: HttpMetrics = field(init=False)
    connections: ConnectionMetrics = field(init=False)
    admin: AdminMetrics = field(init=False)
    redis: RedisMetrics = field(init=False)
    postgres: PostgresMetrics = field(init=False)
    series: SeriesMetrics = field(init=False)
    silence: SilenceMetrics = field(init=False)
    traces: TraceMetrics = field(init=False)

    def __post_init__(self, trace_id: TraceId | None) -> None:
        latency = latencies(trace_id)
        redis_errors = Counter(
            "counter_redis_errors", "Calls to Redis that failed.", ["operation"], registry=self.registry
        )
        object.__setattr__(self, "recorder", RecorderMetrics(self.registry, redis_errors, latency))
        object.__setattr__(self, "spool", SpoolMetrics(self.registry, latency))
        object.__setattr__(self, "rollup", RollupMetrics(self.registry, latency))
        object.__setattr__(self, "salts", SaltMetrics(self.registry))
        object.__setattr__(self, "http", HttpMetrics(self.registry, redis_errors, latency))
        object.__setattr__(self, "connections", ConnectionMetrics(self.registry))
        object.__setattr__(self, "admin", AdminMetrics(self.registry))
        object.__setattr__(self, "redis", RedisMetrics(self.registry))
        object.__setattr__(self, "postgres", PostgresMetrics(self.registry))
        object.__setattr__(self, "series", SeriesMetrics(self.registry))
        object.__setattr__(self, "silence", SilenceMetrics(self.registry))
        object.__setattr__(self, "traces", TraceMetrics(self.registry))
        _begin_at_zero(self)
