"""The quick histogram shows what the plain one shows."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from counter.tracing.exemplars import Times

BUCKETS = (0.001, 0.01, 0.1, 1)
AMOUNTS = st.one_of(st.sampled_from([0.0, *BUCKETS, float("inf")]), st.floats(0, 2))


def shown(kind: type[Histogram], amounts: list[float]) -> bytes:
    """What is shown of some amounts, but for the time at which the histogram was made."""
    registry = CollectorRegistry()
    histogram = kind("seconds", "Times.", ["route"], buckets=BUCKETS, registry=registry)
    for amount in amounts:
        histogram.labels("/").observe(amount)
    lines = generate_latest(registry).splitlines()
    return b"\n".join(line for line in lines if b"_created" not in line)


@given(st.lists(AMOUNTS, max_size=20))
def test_times_fall_into_the_same_buckets(amounts: list[float]) -> None:
    """On a bound, above all of them, or in between: each time is counted where it belongs."""
    assert shown(Times, amounts) == shown(Histogram, amounts)
