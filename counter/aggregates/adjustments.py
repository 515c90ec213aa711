"""The ledger: opening balances and corrections, only ever added to, each with its author and reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from counter.database import Connection, read_query, translated
from counter.errors import SiteError


class Adjustment(NamedTuple):
    """One row of the ledger."""

    id: int
    created_at: datetime
    metric: str
    amount: int
    reason: str
    author: str


class Ledger:
    """The adjustments of all sites."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, site_id: int, amounts: dict[str, int], reason: str, author: str) -> None:
        """Add an amount to the total of each metric.

        Raises:
            SiteError: the reason or the author is missing.
            AggregatesUnavailableError: nothing was added.
        """
        if not reason.strip() or not author.strip():
            raise SiteError("an adjustment has a reason and an author")
        with translated():
            async with self._connection.transaction():
                for metric, amount in amounts.items():
                    await self._connection.execute(
                        read_query("adjustments.add"), site_id, metric, amount, reason.strip(), author.strip()
                    )

    async def list_of(self, site_id: int) -> Sequence[Adjustment]:
        """Return a site's adjustments, oldest first."""
        with translated():
            rows = await self._connection.fetch(read_query("adjustments.list_of"), site_id)
        return [Adjustment(*row) for row in map(tuple, rows)]

    async def totals(self, site_key: str) -> dict[str, int]:
        """Return the total of each metric as far as it is rolled up."""
        with translated():
            row = await self._connection.fetchrow(read_query("adjustments.total"), site_key)
        return dict(row) if row else {}
