"""The ledger: opening balances and corrections, only ever added to, each with its author and reason."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from counter.aggregates.entries import MAX_AMOUNT, Entry
from counter.database import Connection, read_query, translated
from counter.errors import SiteError

MAX_WORDS: Final = 500
MOST_ROWS: Final = 1000
ADD_SECONDS: Final = 60
ROWS_AT_ONCE: Final = 5000
"""More would keep the loop busy for so long that hits wait."""


class Adjustment(NamedTuple):
    """One row of the ledger; `reverses` is the row that it takes back."""

    id: int
    created_at: datetime
    metric: str
    amount: int
    reason: str
    author: str
    day: date | None
    page: str | None
    reverses: int | None


class Ledger:
    """The adjustments of all sites."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, site_id: int, amounts: dict[str, int], reason: str, author: str) -> None:
        """Add an amount to the total of each metric.

        Raises:
            SiteError: the reason or the author is missing, or a total would fall below 0.
            AggregatesUnavailableError: nothing was added.
        """
        entries = [Entry(metric, amount) for metric, amount in amounts.items()]
        await self.enter(site_id, entries, reason, author)

    async def enter(
        self, site_id: int, entries: Sequence[Entry], reason: str, author: str, source: str | None = None
    ) -> list[int]:
        """Add rows, all or none, and return their ids.

        Args:
            site_id: of the site.
            entries: what is added.
            reason: why.
            author: who says so.
            source: digest of the list from which the rows come.

        Raises:
            SiteError: the reason or the author is missing, something would be shown as less than nothing, or
                the list is in the ledger already.
            AggregatesUnavailableError: nothing was added.
        """
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(read_query("adjustments.lock"))
                if source and await self._rows_of(site_id, source):
                    raise SiteError("this list is in the ledger already; take it back first if it was wrong")
                return await self._enter(
                    site_id, [(entry, reason, None) for entry in entries], author, source
                )

    async def set_totals(
        self, site_id: int, site_key: str, totals: Mapping[str, int], reason: str, author: str
    ) -> list[int]:
        """Add what is missing so that some metrics show a total as far as it is rolled up; return the ids.

        Raises:
            SiteError: the reason or the author is missing.
            AggregatesUnavailableError: nothing was added.
        """
        with translated():
            async with self._connection.transaction():
                # Two who say the same total at once must not both add what is missing.
                await self._connection.execute(read_query("adjustments.lock"))
                shown = await self.totals(site_key)
                missing = [Entry(metric, total - shown[metric]) for metric, total in totals.items()]
                rows = [(entry, reason, None) for entry in missing if entry.amount]
                return await self._enter(site_id, rows, author, None)

    async def reverse(self, site_id: int, ids: Sequence[int], reason: str, author: str) -> list[int]:
        """Take rows back by rows with the opposite amounts, all or none, and return the ids of these.

        Raises:
            SiteError: a row is not of this site, was taken back before, or is needed so that nothing is
                shown as less than nothing.
            AggregatesUnavailableError: nothing was added.
        """
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(read_query("adjustments.lock"))
                return await self._reverse(site_id, ids, reason, author)

    async def reverse_source(self, site_id: int, source: str, reason: str, author: str) -> list[int]:
        """Take back all rows of a list, and return the ids of the rows that do so.

        Raises:
            SiteError: the ledger has no row of it.
            AggregatesUnavailableError: nothing was added.
        """
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(read_query("adjustments.lock"))
                ids = await self._rows_of(site_id, source)
                if not ids:
                    raise SiteError("the ledger has nothing of this list")
                return await self._reverse(site_id, ids, reason, author)

    async def list_of(self, site_id: int, after: int = 0, limit: int = MOST_ROWS) -> Sequence[Adjustment]:
        """Return rows of a site's ledger, oldest first, those after an id."""
        with translated():
            rows = await self._connection.fetch(read_query("adjustments.list_of"), site_id, after, limit)
        return [Adjustment(*row) for row in map(tuple, rows)]

    async def totals(self, site_key: str) -> dict[str, int]:
        """Return the total of each metric as far as it is rolled up."""
        with translated():
            row = await self._connection.fetchrow(read_query("adjustments.total"), site_key)
        return dict(row) if row else {}

    async def _rows_of(self, site_id: int, source: str) -> list[int]:
        rows = await self._connection.fetch(read_query("adjustments.of_source"), site_id, source)
        return [row["id"] for row in rows]

    async def _reverse(self, site_id: int, ids: Sequence[int], reason: str, author: str) -> list[int]:
        rows = await self._connection.fetch(read_query("adjustments.taken_back"), site_id, ids)
        if missing := sorted(set(ids) - {row["id"] for row in rows}):
            raise SiteError(f"this site's ledger has no row {missing[0]}")
        for row in rows:
            if row["is_reversed"]:
                raise SiteError(f"row {row['id']} was taken back before")
        entries: list[tuple[Entry, str, int | None]] = [
            (Entry(row["metric"], -row["amount"], row["day"], row["page"]), reason, row["id"]) for row in rows
        ]
        return await self._enter(site_id, entries, author, None)

    async def _enter(
        self, site_id: int, rows: Sequence[tuple[Entry, str, int | None]], author: str, source: str | None
    ) -> list[int]:
        entries = [entry for entry, _reason, _reverses in rows]
        _check(entries, [*{reason for _entry, reason, _reverses in rows}, author])
        ids: list[int] = []
        for first in range(0, len(rows), ROWS_AT_ONCE):
            ids += await self._add(site_id, rows[first : first + ROWS_AT_ONCE], author, source)
        await self._check_signs(site_id, entries)
        return ids

    async def _add(
        self, site_id: int, rows: Sequence[tuple[Entry, str, int | None]], author: str, source: str | None
    ) -> list[int]:
        added = await self._connection.fetch(
            read_query("adjustments.add"),
            site_id,
            [entry.metric for entry, _reason, _reverses in rows],
            [entry.amount for entry, _reason, _reverses in rows],
            [entry.day for entry, _reason, _reverses in rows],
            [entry.page for entry, _reason, _reverses in rows],
            [reason.strip() for _entry, reason, _reverses in rows],
            author.strip(),
            [reverses for _entry, _reason, reverses in rows],
            source,
            timeout=ADD_SECONDS,
        )
        return [row["id"] for row in added]

    async def _check_signs(self, site_id: int, entries: Sequence[Entry]) -> None:
        """Refuse what would let somebody see less than nothing; what is not rolled up yet only adds."""
        if all(entry.amount >= 0 for entry in entries):
            return
        days = {entry.day for entry in entries if entry.day}
        pages = {entry.page for entry in entries if entry.page}
        found = await self._connection.fetch(
            read_query("adjustments.below_zero"), site_id, list(days), list(pages), timeout=ADD_SECONDS
        )
        for row in found:
            where = " ".join(str(part) for part in (row["page"], row["day"]) if part) or "the total"
            raise SiteError(f"{where} would have {row['amount']:,} {row['metric']}; nothing was added")


def _check(entries: Iterable[Entry], words: Iterable[str]) -> None:
    for said in words:
        if not said.strip():
            raise SiteError("an adjustment has a reason and an author")
        if len(said) > MAX_WORDS or not said.strip().isprintable():
            raise SiteError(f"reason and author have at most {MAX_WORDS} characters each, all printable")
    if any(abs(entry.amount) > MAX_AMOUNT for entry in entries):
        raise SiteError(f"an amount is at most {MAX_AMOUNT:,}")
