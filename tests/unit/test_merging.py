"""Metrics of several workers become those of one service."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from counter.metrics import Metrics, WorkerMetrics
from counter.workers.merging import GAUGES, kept, merged


def told(registry: CollectorRegistry) -> list[Metric]:
    """What a worker tells its parent."""
    return list(text_string_to_metric_families(generate_latest(registry).decode()))


def value_of(families: list[Metric], name: str, **labels: str) -> float:
    (found,) = [
        sample.value
        for family in families
        for sample in family.samples
        if (sample.name, sample.labels) == (name, labels)
    ]
    return found


def test_every_gauge_has_a_rule():
    """Whether a gauge adds up or the largest counts is decided for each, and for no gauge that is gone."""
    registry = Metrics().registry
    assert {family.name for family in registry.collect() if family.type == "gauge"} == set(GAUGES)


def test_metrics_of_the_parent_are_its_own():
    """No worker has what the parent alone tells, so nothing is added to it."""
    registry = CollectorRegistry()
    WorkerMetrics(registry)
    own = {family.name for family in registry.collect()}
    assert not own & {family.name for family in Metrics().registry.collect()}


@given(st.lists(st.lists(st.integers(0, 10), max_size=5), min_size=1, max_size=4))
def test_counts_add_up_and_never_fall(workers: list[list[int]]):
    """Counters and histograms are sums over all workers, whether they still run or have left theirs behind."""
    sources = []
    for observed in workers:
        registry = CollectorRegistry()
        counter = Counter("hits", "Hits.", ["result"], registry=registry)
        seconds = Histogram("seconds", "Seconds.", buckets=(1, 5), registry=registry)
        for value in observed:
            counter.labels("view").inc(value)
            seconds.observe(value)
        counter.labels("view").inc(0)
        sources.append(told(registry))
    every = [value for observed in workers for value in observed]
    gone, *alive = sources
    for families in (merged(sources), merged([*alive, kept(merged([gone]))])):
        assert value_of(families, "hits_total", result="view") == sum(every)
        assert value_of(families, "seconds_count") == len(every)
        assert value_of(families, "seconds_bucket", le="5.0") == sum(value <= 5 for value in every)
    born = min(value_of(source, "seconds_created") for source in sources)
    assert value_of(merged(sources), "seconds_created") == born


@pytest.mark.parametrize(
    ("name", "together"), [("counter_connections", 5), ("counter_rollup_leader", 3), ("something_new", 3)]
)
def test_gauges_follow_their_rule(name: str, together: int):
    """Own things add up, common ones show the largest; nothing of a gauge outlives its worker."""
    sources = []
    for value in (2, 3):
        registry = CollectorRegistry()
        Gauge(name, "A gauge.", registry=registry).set(value)
        sources.append(told(registry))
    assert value_of(merged(sources), name) == together
    assert kept(merged(sources)) == []


def test_bucket_names_the_latest_trace_of_all_workers():
    """Of the traces that workers name for a bucket the latest stays, also that of a worker that is gone."""
    sources = []
    for trace, at in (("older", 5.0), ("latest", 7.5), ("", 0.0)):
        registry = CollectorRegistry()
        seconds = Histogram("seconds", "Seconds.", buckets=(1,), registry=registry)
        seconds.observe(0.5, {"trace_id": trace} if trace else None)
        families = told(registry)
        for family in families:
            family.samples = [
                sample._replace(exemplar=sample.exemplar._replace(timestamp=at))
                if sample.exemplar
                else sample
                for sample in family.samples
            ]
        sources.append(families)
    for each in (sources, sources[::-1], [kept(merged(sources[:2])), sources[2]]):
        (found,) = [sample for sample in merged(each)[0].samples if sample.labels.get("le") == "1.0"]
        assert found.value == 3
        assert found.exemplar.labels == {"trace_id": "latest"}
