"""The way of a log: read, counted, written down at once, shown.

It may be cut short anywhere and run again: Postgres gets all rows of a file in one transaction, and until
then nothing of it is anywhere but on disk, how far the counting is, so that it goes on there. What a log and
somebody else saw would count twice, so days that were counted already are refused.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from datetime import date
from itertools import islice
from typing import Final

from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.buckets.base import Counts
from counter.clock import Clock
from counter.database import Connection, translated
from counter.errors import ImportFileError
from counter.imports.file import Contents, LogFile
from counter.imports.parsing import DIRECTIVE, after, chunks, parse_all
from counter.imports.plan import Options, Plan
from counter.imports.progress import Keeper
from counter.imports.sketches import LANE, Sketches, patiently
from counter.imports.state import State
from counter.imports.store import Imported, ImportStore, TakenBackError, take_back
from counter.imports.tally import Tally
from counter.imports.visitors import Sketch
from counter.rollup.rollup import Rollup
from counter.sites.model import Site

DAYS_AT_ONCE: Final = 100
PAGES_AT_ONCE: Final = 20_000
_FOLDS: Final = 10

OpenSketches = Callable[[], AbstractAsyncContextManager[Sketches]]


class Importer:
    """Imports logs.

    Args:
        connection: to Postgres; it keeps other imports into the same site out until it is closed.
        rollup: of the live lanes, which makes the new sums seen.
        open_sketches: opens what makes the sketches of days.
        jobs: how many processes read the lines; 0 for this one.
        keeper: keeps how far it is.
        adds: days that were counted already are added to, not refused.
    """

    def __init__(
        self,
        connection: Connection,
        rollup: Rollup,
        open_sketches: OpenSketches,
        clock: Clock,
        jobs: int = 0,
        *,
        keeper: Keeper,
        adds: bool = False,
    ) -> None:
        self._jobs = jobs
        self._adds = adds
        self._connection = connection
        self._rollup = rollup
        self._open_sketches = open_sketches
        self._clock = clock
        self._keeper = keeper
        self._imports = ImportStore(connection)
        self._aggregates = AggregateStore(connection)

    async def run(
        self, file: LogFile, site: Site, options: Options, *, dry_run: bool = False
    ) -> Tally | None:
        """Import a file; None if it is in already. A dry run takes all back in the end.

        Raises:
            ImportFileError: it cannot be imported so; nothing of it is in Postgres.
            BucketsUnavailableError, AggregatesUnavailableError: run it again.
        """
        await self._imports.lock(site.id)
        imported = await self._imports.list_of(site.id)
        contents = await file.survey(_digests_by_lines(imported))
        plan = Plan(site, options, contents.digest)
        before = next((each for each in imported if each.digest == plan.digest), None)
        if before and before.options != str(options):
            raise ImportFileError(f"{file.name} was imported with {before.options}, and that stays")
        tally = None if before else await self._import(file, contents, plan, dry_run=dry_run)
        self._keeper.forget(plan)
        await self._show(site)
        return tally

    async def _import(self, file: LogFile, contents: Contents, plan: Plan, *, dry_run: bool) -> Tally:
        await self._show(plan.site)  # what Redis has is written down, so that all days that count are known
        state = self._keeper.begin(plan, contents.lines)
        with self._keeper.guarding(state):
            async with self._open_sketches() as sketches:
                await self._count(file, contents, plan, state, sketches)
            return await self._keep(file, plan, state, dry_run=dry_run)

    async def _count(
        self, file: LogFile, contents: Contents, plan: Plan, state: State, sketches: Sketches
    ) -> None:
        """Read all lines, and count the hits of which they tell in the order of their times."""
        sketches.days = state.sketches
        pieces = chunks(file.lines(contents), plan.options.format)
        left = after(pieces, state.tally.lines, state.tally.examples) if state.tally.lines else pieces
        async with aclosing(parse_all(left, plan, self._jobs)) as parsed:
            async for chunk in parsed:
                state.take(chunk)
                await _sketch(state, sketches)
                self._keeper.note(state)
        state.finish()
        await _sketch(state, sketches)

    async def _keep(self, file: LogFile, plan: Plan, state: State, *, dry_run: bool) -> Tally:
        """Write all down that was counted."""
        tally = state.tally
        rows = [_row(plan, day, state) for day in sorted(state.counts.days)]
        if tally.malformed + tally.skipped[DIRECTIVE] == tally.lines:
            raise ImportFileError(f"{file.name} has no line of an access log")
        await self._imports.refuse_counted(plan.site.id, list(state.counts.days), adds=self._adds)
        if not dry_run:
            # Beforehand: two transactions that both name pages could wait for each other.
            await self._name_pages(plan.site, rows)
        tally.days = {row.key.day: Counts(row.views, row.visits, row.visitors, row.bots) for row in rows}
        today = plan.site.span_of(self._clock()).day
        with suppress(TakenBackError), translated():
            async with self._connection.transaction():
                tally.shown.append(await self._imports.figures(plan.site, today))
                if dry_run:
                    await self._name_pages(plan.site, rows)
                await self._write(plan, rows)
                await self._imports.finish(plan, file.name, tally)
                tally.shown.append(await self._imports.figures(plan.site, today))
                take_back(dry_run=dry_run)
        return tally

    async def _name_pages(self, site: Site, rows: list[Row]) -> None:
        paths = iter(sorted({path for row in rows for path in row.pages}))
        while part := list(islice(paths, PAGES_AT_ONCE)):
            await self._imports.name_pages(site.id, part)

    async def _write(self, plan: Plan, rows: list[Row]) -> None:
        for first in range(0, len(rows), DAYS_AT_ONCE):
            days = rows[first : first + DAYS_AT_ONCE]
            await self._aggregates.write([row._replace(pages={}) for row in days])
        pages = ((path, row.key.day, views) for row in rows for path, views in row.pages.items())
        while at_once := list(islice(pages, PAGES_AT_ONCE)):
            await self._imports.add_pages(plan, at_once)

    async def _show(self, site: Site) -> None:
        """Let the site's widget start from the new sums."""
        for _attempt in range(_FOLDS):
            report = await patiently(
                lambda: self._rollup.refresh_base(site.key, self._aggregates, self._clock())
            )
            if not report.postponed:
                return
        raise ImportFileError("the rows are written, but not yet shown; run the same command again")


async def _sketch(state: State, sketches: Sketches) -> None:
    """Let Redis take the visitors into the sketches of their days; asked again, it comes to the same."""
    await sketches.add(state.due)
    state.due.clear()


def _row(plan: Plan, day: date, state: State) -> Row:
    """Return the row of a day, with the exact number of visitors where that is known.

    It keeps no sketch: the ids of its visitors are nobody else's, so comparing them would only add the errors
    of estimates.
    """
    counted, exact = state.counts.days[day], state.counts.visitors.days.get(day, 0)
    return Row(
        key=RowKey(plan.site.id, day, plan.generation, 0, LANE.lane),
        views=sum(counted.hour_views),
        visits=sum(counted.hour_visits),
        visitors=state.sketches.get(day, Sketch()).visitors if exact is None else exact,
        bots=counted.bots,
        hour_views=counted.hour_views,
        hour_visits=counted.hour_visits,
        sketch=b"",
        version=1,
        pages=counted.pages,
        tokens={},
    )


def _digests_by_lines(imported: list[Imported]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for each in imported:
        found[each.lines].add(each.digest)
    return found
