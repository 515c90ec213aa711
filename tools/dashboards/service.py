"""Service health: whether hits are taken, kept and written down, and what stands in their way."""

from grafana_foundation_sdk.builders import dashboard as builders

from tools.dashboards.panels import board, heat, lines, number, prom

HITS = 'route=~".*/hits(\\\\.gif)?"'
RATE = "[$__rate_interval]"


FAILED = f'sum by (status) (rate(counter_request_seconds_count{{status=~"5.."}}{RATE})) or vector(0)'


def rate(metric: str, by: str = "") -> str:
    """Return PromQL for how often something happens in a second, over all processes."""
    return f"sum by ({by}) (rate({metric}{RATE}))" if by else f"sum(rate({metric}{RATE}))"


def _quantiles(metric: str, where: str = "") -> list[object]:
    return [
        prom(
            f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{where}{RATE})))", name, ref
        ).exemplar(exemplar=True)
        for share, name, ref in ((0.5, "half", "A"), (0.95, "95 %", "B"), (0.99, "99 %", "C"))
    ]


def _now() -> list[object]:
    return [
        number("Processes", prom('sum(up{job="counter"})', instant=True), width=3),
        number("Hits per second", prom(rate("counter_hits_total")), unit="ops", width=3),
        number(
            "Requests that fail", prom("counter:errors:ratio5m"), unit="percentunit", red_above=0.01, width=3
        ),
        number("Behind in Postgres", prom("counter:rollup_lag_seconds"), unit="s", red_above=120, width=3),
        number("Hits on disk", prom("sum(counter_spool_bytes)"), unit="bytes", red_above=1, width=3),
        number("Memory of Redis", prom("max(counter_redis_memory_used_bytes)"), unit="bytes", width=3),
        number("Problems found by check", prom("sum(counter_check_problems)"), red_above=1, width=3),
        number("Leaders", prom("sum(counter_rollup_leader)"), width=3),
    ]


def _hits() -> list[object]:
    return [
        lines(
            "Hits by what became of them",
            prom(rate("counter_hits_total", "result"), "{{result}}"),
            unit="ops",
            stacked=True,
        ),
        lines(
            "Requests by route", prom(rate("counter_request_seconds_count", "route"), "{{route}}"), unit="ops"
        ),
        heat(
            "Time to answer a hit",
            f"sum by (le) (increase(counter_request_seconds_bucket{{{HITS}}}{RATE}))",
            unit="s",
        ),
        lines("Time to answer a hit", *_quantiles("counter_request_seconds", f"{{{HITS}}}"), unit="s"),
        heat("Hits in a batch", f"sum by (le) (increase(counter_batch_hits_bucket{RATE}))", unit="short"),
        lines("Time until Redis has a batch", *_quantiles("counter_batch_seconds"), unit="s"),
        lines(
            "Numbers by where they came from",
            prom(rate("counter_snapshots_total", "source"), "{{source}}"),
            unit="ops",
        ),
        lines(
            "Connections",
            prom("sum by (instance) (counter_connections)", "{{instance}}"),
            prom(rate("counter_connections_ended_total", "reason"), "ended: {{reason}}", "B"),
        ),
    ]


def _kept() -> list[object]:
    return [
        lines("Spool", prom("sum by (instance) (counter_spool_bytes)", "{{instance}}"), unit="bytes"),
        lines(
            "Oldest hit in the spool",
            prom("max by (instance) (counter_spool_oldest_seconds)", "{{instance}}"),
            unit="s",
        ),
        lines(
            "Hits into the spool and out of it",
            prom(rate("counter_spooled_hits_total"), "in"),
            prom(rate("counter_replayed_hits_total"), "out", "B"),
            unit="ops",
        ),
        lines("Buckets that wait for the rollup", prom("max(counter_dirty_buckets)", "buckets")),
        lines("Behind in Postgres", prom("counter:rollup_lag_seconds", "lag"), unit="s"),
        lines("Time of a rollup", *_quantiles("counter_rollup_seconds"), unit="s"),
        lines("Rows written", prom(rate("counter_rollup_rows_total", "table"), "{{table}}"), unit="ops"),
        lines(
            "Memory of Redis",
            prom("max by (server) (counter_redis_memory_used_bytes)", "used by {{server}}"),
            prom("max by (server) (counter_redis_memory_max_bytes > 0)", "limit of {{server}}", "B"),
            unit="bytes",
        ),
        lines(
            "Redis is well (1) or not (0)",
            prom("min(counter_redis_up)", "answers"),
            prom("min(counter_redis_aof_ok)", "writes down", "B"),
            prom("min(counter_redis_noeviction)", "evicts nothing", "C"),
            prom("max(counter_redis_evicted_keys)", "keys evicted", "D"),
        ),
        lines(
            "Connections to Postgres",
            prom("sum by (state) (counter_postgres_pool_connections)", "{{state}}"),
            prom("sum(counter_postgres_pool_max_connections)", "most", "B"),
            prom("min(counter_postgres_up)", "answers", "C"),
        ),
    ]


def _wrong() -> list[object]:
    return [
        lines(
            "Errors by kind",
            prom(rate("counter_redis_errors_total", "operation"), "Redis: {{operation}}"),
            prom(rate("counter_postgres_errors_total", "operation"), "Postgres: {{operation}}", "B"),
            prom(rate("counter_spool_dropped_total", "reason"), "spool: {{reason}}", "C"),
            prom(FAILED, "answered {{status}}", "D"),
            prom(rate("counter_rollup_failures_total"), "rollups that failed", "E"),
            prom(rate("counter_spans_lost_total"), "spans that the collector did not take", "F"),
            unit="ops",
        ),
        lines(
            "Workers, where there are several",
            prom("sum(counter_workers_wanted)", "wanted"),
            prom("sum(counter_workers_alive)", "that answer", "B"),
            prom(
                "sum(increase(counter_worker_restarts_total[15m]))", "replaced in a quarter of an hour", "C"
            ),
            prom("sum(increase(counter_worker_hangs_total[15m]))", "as they hung", "D"),
        ),
        lines("Problems by check", prom("max by (check) (counter_check_problems)", "{{check}}")),
        lines(
            "Clocks ahead", prom("max by (store) (counter_clock_ahead_seconds)", "of {{store}}"), unit="s"
        ).min(-1),
        lines(
            "Silent sites, and salts that are overdue",
            prom("max(counter_silent_sites)", "silent sites"),
            prom("max(counter_salts_overdue)", "salts", "B"),
            prom(rate("counter_untrusted_proxy_requests_total"), "untrusted proxies, per second", "C"),
        ),
    ]


def dashboard() -> builders.Dashboard:
    """Return the dashboard."""
    made = board(
        "counter-service", "Counter: service health", "All processes of the counter.", "now-3h", "15s"
    )
    for title, panels in (
        ("Now", _now()),
        ("Hits", _hits()),
        ("What is kept, and written down", _kept()),
        ("What is wrong", _wrong()),
    ):
        made = made.with_row(builders.Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made
