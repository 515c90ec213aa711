"""Histograms that name a trace for each of their buckets, so a slow answer leads to where its time went."""

from collections.abc import Callable

from prometheus_client import Histogram

TraceId = Callable[[], str]


def latencies(trace_id: TraceId | None) -> type[Histogram]:
    """Return the histogram for times; without traces it is the plain one, which costs nothing more.

    Args:
        trace_id: returns the trace under way, empty if nobody follows; None without traces.
    """
    if trace_id is None:
        return Histogram
    find = trace_id

    class Exemplary(Histogram):
        """A histogram whose buckets name the trace that was last counted in them."""

        def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
            """Observe an amount in the trace that is under way."""
            found = find()
            super().observe(amount, exemplar or ({"trace_id": found} if found else None))

    return Exemplary
