"""All that is asked of Postgres about imports."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from counter.database import Connection, read_query, translated
from counter.errors import ImportFileError
from counter.imports.plan import Plan
from counter.imports.sketches import LANE
from counter.imports.tally import Tally
from counter.sites.calendar import period_starts
from counter.sites.model import Site

Figures = dict[str, Any]
"""Name → what a site shows, and how many days and views of pages there are."""


class Imported(NamedTuple):
    """A file whose history is in the aggregates."""

    digest: str
    options: str
    lines: int


class TakenBackError(Exception):
    """Ends the transaction of a dry run."""


class ImportStore:
    """The files that were imported, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, site_id: int) -> None:
        """Keep others from importing into a site until the connection is closed.

        Raises:
            ImportFileError: another import is under way.
        """
        with translated():
            if not await self._connection.fetchval(read_query("imports.try_lock"), site_id):
                raise ImportFileError("another import into this site is under way")

    async def list_of(self, site_id: int) -> list[Imported]:
        """Return what was imported into a site."""
        with translated():
            rows = await self._connection.fetch(read_query("imports.list_of"), site_id)
        return [Imported(*row) for row in map(tuple, rows)]

    async def figures(self, site: Site, today: date) -> Figures:
        """Return what a site shows as far as it is rolled up, and how much there is."""
        starts = period_starts(today, site.settings.first_weekday)
        with translated():
            row = await self._connection.fetchrow(
                read_query("imports.figures"), site.id, starts.today, starts.week, starts.month
            )
        return dict(row) if row else {}

    async def refuse_counted(self, site_id: int, days: Sequence[date], *, adds: bool) -> None:
        """Let no day count twice, unless it is asked for.

        Raises:
            ImportFileError: some of the days have figures.
        """
        if adds:
            return
        with translated():
            rows = await self._connection.fetch(read_query("imports.counted_days"), site_id, days)
        if rows:
            first, last = rows[0]["day"], rows[-1]["day"]
            raise ImportFileError(
                f"{len(rows)} of these days are counted already, from {first} to {last}: say --until "
                f"{first - timedelta(days=1)} to import what came before, or --add to add to them"
            )

    async def name_pages(self, site_id: int, paths: Sequence[str]) -> None:
        """Give an id to each page that has none."""
        with translated():
            await self._connection.execute(read_query("aggregates.name_pages"), [site_id] * len(paths), paths)

    async def add_pages(self, plan: Plan, pages: Sequence[tuple[str, date, int]]) -> None:
        """Write the views of pages, which have their ids, on some days."""
        columns = [[page[column] for page in pages] for column in range(3)]
        with translated():
            await self._connection.execute(
                read_query("imports.add_pages"), plan.site.id, LANE.lane, plan.generation, *columns
            )

    async def finish(self, plan: Plan, file_name: str, tally: Tally) -> None:
        """Note that a file is imported."""
        with translated():
            await self._connection.execute(
                read_query("imports.finish"),
                plan.site.id,
                plan.digest,
                str(plan.options),
                file_name,
                tally.lines,
                tally.malformed,
            )


def take_back(*, dry_run: bool) -> None:
    """End the transaction of a dry run.

    Raises:
        TakenBackError: it is one.
    """
    if dry_run:
        raise TakenBackError
