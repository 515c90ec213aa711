"""What the audit asks of Postgres, by SQL of its own; it only reads."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final, NamedTuple

import asyncpg

from counter.aggregates.store import RowKey
from counter.buckets.base import Counts
from counter.checks.counts import DurableRow, Figures
from counter.database import Connection, read_query, translated

MOST_FAULTS: Final = 1000
HOURS_OF_DAY: Final = 24


class DurableSums(NamedTuple):
    """What Postgres has of a site."""

    ledger: Counts
    rows: Counts


class FaultyRow(NamedTuple):
    """A row as it stands, by its key in words."""

    site: str
    name: str
    figures: Figures


class FaultyPages(NamedTuple):
    """A row whose pages have more views than it has, or one with fewer than none."""

    site: str
    name: str
    page_views: int
    least: int
    day_views: int


class Leader(NamedTuple):
    """The connection that holds the lease of the rollup."""

    pid: int
    client: str
    seconds: int


class DurableAudit:
    """Reads sums, rows and the server's state over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @asynccontextmanager
    async def one_moment(self) -> AsyncGenerator[None]:
        """Let all that is read within be as of one moment."""
        with translated():
            async with self.connection.transaction(isolation="repeatable_read", readonly=True):
                yield

    async def sums(self, sites: Sequence[int]) -> dict[int, DurableSums]:
        """Return the sums of each site that is still registered."""
        rows = await self._fetch(read_query("checks.totals"), sites)
        return {
            row["site_id"]: DurableSums(
                Counts(row["ledger_views"], row["ledger_visits"], row["ledger_visitors"]), _counts(row)
            )
            for row in rows
        }

    async def days(self, first_days: Mapping[int, date]) -> dict[int, dict[date, Counts]]:
        """Return, by site, the sums of each day since a first one that has any rows."""
        rows = await self._fetch(read_query("checks.days"), list(first_days), list(first_days.values()))
        found: dict[int, dict[date, Counts]] = {site: {} for site in first_days}
        for row in rows:
            found[row["site_id"]][row["day"]] = _counts(row)
        return found

    async def adjusted_days(self, first_days: Mapping[int, date]) -> dict[int, dict[date, Counts]]:
        """Return, by site, the sums of the ledger of each day since a first one that has any."""
        rows = await self._fetch(
            read_query("checks.adjusted_days"), list(first_days), list(first_days.values())
        )
        found: dict[int, dict[date, Counts]] = {site: {} for site in first_days}
        for row in rows:
            found[row["site_id"]][row["day"]] = Counts(row["views"], row["visits"], row["visitors"])
        return found

    async def rows(self, keys: Sequence[RowKey]) -> dict[RowKey, DurableRow]:
        """Return those of some rows that there are."""
        rows = await self._fetch(read_query("checks.rows"), *_columns(keys))
        return {
            RowKey(row["site_id"], row["day"], row["generation"], row["part"], row["lane"]): DurableRow(
                _figures(row, row["version"]), row["rows_of_day"]
            )
            for row in rows
        }

    async def faulty_rows(self, sites: Sequence[int]) -> list[FaultyRow]:
        """Return rows that hold what none may hold."""
        rows = await self._fetch(read_query("checks.row_faults"), sites, MOST_FAULTS)
        return [FaultyRow(row["site"], _name(row), _figures(row, 0)) for row in rows]

    async def faulty_pages(self, sites: Sequence[int]) -> list[FaultyPages]:
        """Return rows whose pages do not fit into them."""
        rows = await self._fetch(read_query("checks.page_faults"), sites, MOST_FAULTS)
        return [
            FaultyPages(row["site"], _name(row), row["page_views"], row["least"], row["day_views"])
            for row in rows
        ]

    async def unwritten(self, versions: Mapping[RowKey, int]) -> set[RowKey]:
        """Return those of some buckets whose rows have not reached a version yet."""
        rows = await self._fetch(
            read_query("checks.unwritten"), *_columns(list(versions)), list(versions.values())
        )
        return {RowKey(*row) for row in map(tuple, rows)}

    async def leaders(self, lease_key: int) -> list[Leader]:
        """Return who holds the lease; nobody can hold it beside another."""
        return [Leader(*row) for row in map(tuple, await self._fetch(read_query("checks.lease"), lease_key))]

    async def migrations(self) -> set[str]:
        """Return the versions of the migrations that were applied."""
        with translated():
            try:
                rows = await self.connection.fetch(read_query("checks.migrations"))
            except asyncpg.UndefinedTableError:
                return set()
        return {row["version"] for row in rows}

    async def _fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        with translated():
            return await self.connection.fetch(query, *args)


def _columns(keys: Sequence[RowKey]) -> list[list[object]]:
    """Return the columns of keys in the order in which the queries take them."""
    return [
        [key.site_id for key in keys],
        [key.day for key in keys],
        [key.lane for key in keys],
        [key.generation for key in keys],
        [key.part for key in keys],
    ]


def _counts(row: asyncpg.Record) -> Counts:
    return Counts(row["views"], row["visits"], row["visitors"], row["bots"])


def _figures(row: asyncpg.Record, version: int) -> Figures:
    return Figures(version, _counts(row), _hours(row["hour_views"]), _hours(row["hour_visits"]))


def _hours(values: Sequence[int | None] | None) -> list[int]:
    """Return a figure for each hour, also where a damaged row has none; nothing if they are not kept."""
    if values is None:
        return []
    return [value or 0 for value in [*values, *[0] * HOURS_OF_DAY][:HOURS_OF_DAY]]


def _name(row: asyncpg.Record) -> str:
    return f"{row['day']} {row['generation']} part {row['part']} lane {row['lane']}"
