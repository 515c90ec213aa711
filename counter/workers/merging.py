"""How the metrics of several workers become those of one service. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import Metric
from prometheus_client.samples import Exemplar, Sample

GAUGES: Final[Mapping[str, Callable[[float, float], float]]] = {
    "counter_build_info": max,
    "counter_clock_ahead_seconds": max,
    "counter_connections": float.__add__,
    "counter_dirty_buckets": max,
    "counter_online_visitors": max,
    "counter_postgres_pool_connections": float.__add__,
    "counter_postgres_pool_max_connections": float.__add__,
    "counter_postgres_up": min,
    "counter_redis_aof_enabled": max,
    "counter_redis_aof_ok": max,
    "counter_redis_evicted_keys": max,
    "counter_redis_memory_max_bytes": max,
    "counter_redis_memory_used_bytes": max,
    "counter_redis_noeviction": max,
    "counter_redis_up": min,
    "counter_rollup_last_success_timestamp_seconds": max,
    "counter_rollup_leader": max,
    "counter_salts_looked_timestamp_seconds": max,
    "counter_salts_overdue": max,
    "counter_silent_sites": max,
    "counter_site_hour_ratio": max,
    "counter_site_online_visitors": max,
    "counter_site_series_limit": max,
    "counter_site_silent_usual_views": max,
    "counter_sites": max,
    "counter_sites_without_series": max,
    "counter_spool_bytes": float.__add__,
    "counter_spool_oldest_seconds": max,
}
"""Of each gauge, what two workers show together: what each has of its own adds up; of what all look at, or
the leader alone knows, the largest counts; a store is up if all reach it. A gauge that is not here is taken
for one that all look at."""

CREATED: Final = "_created"
KEPT: Final = frozenset({"counter", "histogram"})
"""The types of which a worker that is gone leaves its part behind: they must never fall."""


def merged(sources: Iterable[Iterable[Metric]]) -> list[Metric]:
    """Return the families of all sources, each series once, in the order in which they come first.

    Args:
        sources: the families of each worker, as OpenMetrics tells them.
    """
    families: dict[str, Metric] = {}
    series: dict[str, dict[tuple[str, frozenset[tuple[str, str]]], Sample]] = {}
    for source in sources:
        for family in source:
            families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known = series.setdefault(family.name, {})
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                known[key] = _joined(family, known[key], sample) if key in known else sample
    for name, family in families.items():
        family.samples = list(series[name].values())
    return list(families.values())


def kept(families: Iterable[Metric]) -> list[Metric]:
    """Return what outlives the worker that told it."""
    return [family for family in families if family.type in KEPT]


def _joined(family: Metric, one: Sample, other: Sample) -> Sample:
    if one.name.endswith(CREATED):
        return one._replace(value=min(one.value, other.value))
    rule = float.__add__ if family.type in KEPT else GAUGES.get(family.name, max)
    value = rule(float(one.value), float(other.value))
    return one._replace(value=value, exemplar=_newer(one.exemplar, other.exemplar))


def _newer(one: Exemplar | None, other: Exemplar | None) -> Exemplar | None:
    """Return the trace that was counted last; a bucket names one alone."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda exemplar: float(exemplar.timestamp or 0))
