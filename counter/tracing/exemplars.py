"""Histograms of times; with traces each bucket names one, so a slow answer leads to where its time went."""

from bisect import bisect_left
from collections.abc import Callable

from prometheus_client import Histogram

TraceId = Callable[[], str]


class Times(Histogram):
    """A histogram of seconds that are counted thousands of times a second: the bucket is found by halves."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count a time; without an exemplar the plain way only looks longer for the same bucket."""
        if exemplar:
            super().observe(amount, exemplar)
            return
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)


def latencies(trace_id: TraceId | None) -> type[Histogram]:
    """Return the histogram for times; without traces it is one that costs little.

    Args:
        trace_id: returns the trace under way, empty if nobody follows; None without traces.
    """
    if trace_id is None:
        return Times
    find = trace_id

    class Exemplary(Histogram):
        """A histogram whose buckets name the trace that was last counted in them."""

        def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
            """Observe an amount in the trace that is under way."""
            found = find()
            super().observe(amount, exemplar or ({"trace_id": found} if found else None))

    return Exemplary
