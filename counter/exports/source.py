"""Reads what is to be exported through a cursor of the server, as of one moment."""

from collections.abc import AsyncGenerator, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from counter.database import Connection, read_query, translated
from counter.exports.tables import COLUMNS, Row, Table

ROWS_AT_ONCE: Final = 2000
"""How many rows are in memory at once."""
PATIENCE_SECONDS: Final = 3600
"""How long Postgres may take for the next rows; the first ones may have to be sorted."""


class Wanted(NamedTuple):
    """What is to be exported.

    Attributes:
        sites: ids; None for all.
        first, last: days (of adjustments and imports in UTC); None for no limit.
    """

    table: Table
    sites: Sequence[int] | None
    first: date | None = None
    last: date | None = None


async def read_rows(connection: Connection, wanted: Wanted) -> AsyncGenerator[list[Row]]:
    """Yield all rows, some at a time; the next ones are fetched when these have been taken.

    Raises:
        AggregatesUnavailableError: Postgres fails.
    """
    names = [column.name for column in COLUMNS[wanted.table]]
    limits: list[Any] = [wanted.sites, wanted.first, wanted.last]
    args = limits[:1] if wanted.table == "sites" else limits
    with translated():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            cursor = await connection.cursor(_query(wanted.table), *args, timeout=PATIENCE_SECONDS)
            while rows := await cursor.fetch(ROWS_AT_ONCE, timeout=PATIENCE_SECONDS):
                yield [tuple(row[name] for name in names) for row in rows]


def _query(table: Table) -> str:
    queries: dict[Table, str] = {
        "days": read_query("exports.days"),
        "hours": read_query("exports.hours"),
        "pages": read_query("exports.pages"),
        "adjustments": read_query("exports.adjustments"),
        "imports": read_query("exports.imports"),
        "sites": read_query("exports.sites"),
    }
    return queries[table]
