"""Which sites are visited unlike other weeks: by an attack, or for an article that everybody reads."""

from datetime import UTC, datetime
from typing import Final

from counter.database import Connection, read_query, translated
from counter.metrics import RollupMetrics

FEWEST_VIEWS: Final = 100
"""Below this an hour says nothing."""


class Anomalies:
    """Shows the sites that stand out, in a bounded number of series.

    Args:
        metrics: get the series.
        sites: how many sites are shown at most.
    """

    def __init__(self, metrics: RollupMetrics, sites: int) -> None:
        self._metrics = metrics
        self._sites = sites

    async def look(self, connection: Connection, now_ms: int) -> None:
        """Compare this hour with the same hour of the four weeks before.

        Raises:
            AggregatesUnavailableError: it cannot be done now; the last series stay.
        """
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        with translated():
            rows = await connection.fetch(read_query("rollup.unusual_sites"), now, FEWEST_VIEWS, self._sites)
        self.forget()
        for row in rows:
            self._metrics.hour_ratio.labels(row["key"]).set(row["views"] / row["usual"])

    def forget(self) -> None:
        """Show nothing, as another process looks now."""
        self._metrics.hour_ratio.clear()
