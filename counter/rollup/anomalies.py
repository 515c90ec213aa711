"""Which sites are visited unlike other weeks: attacked, with an article that everybody reads, or broken."""

from datetime import UTC, datetime
from typing import Final

from counter.database import Connection, read_query, translated
from counter.metrics import RollupMetrics
from counter.surroundings import SilenceMetrics

FEWEST_VIEWS: Final = 100
"""Below this an hour says nothing."""
SURELY_VISITED: Final = 20
"""Views that an hour had in each of four weeks, so that none at all means that something is broken."""


class Anomalies:
    """Shows the sites that stand out, in a bounded number of series.

    Args:
        metrics: get the sites that have more views than usual.
        silence: gets those that have none.
        sites: how many sites are shown at most.
    """

    def __init__(self, metrics: RollupMetrics, silence: SilenceMetrics, sites: int) -> None:
        self._metrics = metrics
        self._silence = silence
        self._sites = sites

    async def look(self, connection: Connection, now_ms: int) -> None:
        """Compare this hour, and the last full one, with the same hour of the four weeks before.

        Raises:
            AggregatesUnavailableError: it cannot be done now; the last series stay.
        """
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        with translated():
            rows = await connection.fetch(read_query("rollup.unusual_sites"), now, FEWEST_VIEWS, self._sites)
            silent = await connection.fetch(read_query("rollup.silent_sites"), now, SURELY_VISITED)
        self.forget()
        for row in rows:
            self._metrics.hour_ratio.labels(row["key"]).set(row["views"] / row["usual"])
        self._silence.sites.set(len(silent))
        for row in silent[: self._sites]:
            self._silence.usual_views.labels(row["key"]).set(row["usual"])

    def forget(self) -> None:
        """Show nothing, as another process looks now."""
        self._metrics.hour_ratio.clear()
        self._silence.usual_views.clear()
        self._silence.sites.set(0)
