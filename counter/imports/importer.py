"""The way of a log: read, counted in a lane of its own, written down at once, shown.

It may be cut short anywhere and run again: what Redis has counted it skips, and Postgres gets all rows of a
file in one transaction, or none. What a log and the live counter both saw would count twice, so days that
were counted live are refused.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, closing, suppress
from datetime import timedelta
from typing import Final

from counter.aggregates.store import AggregateStore
from counter.buckets.base import Counts
from counter.buckets.batch import Batch
from counter.buckets.keys import LaneKeys
from counter.clock import Clock
from counter.database import Connection, translated
from counter.errors import ImportFileError
from counter.imports.file import Contents, LogFile
from counter.imports.lane import LOST, ImportLane, patiently
from counter.imports.order import batches, in_order
from counter.imports.parsing import chunks, parse_all
from counter.imports.plan import Options, Plan
from counter.imports.store import Imported, ImportStore, TakenBackError, take_back
from counter.imports.tally import Tally
from counter.rollup.rollup import Rollup
from counter.rollup.rows import make_rows
from counter.sites.model import Site

ROW_LANE: Final = LaneKeys("import")
_FOLDS: Final = 10

OpenLane = Callable[[Plan], AbstractAsyncContextManager[ImportLane]]


class Importer:
    """Imports logs.

    Args:
        connection: to Postgres; it keeps other imports into the same site out until it is closed.
        rollup: of the live lanes, which makes the new sums seen.
        open_lane: opens the lane of an import.
        jobs: how many processes read the lines; 0 for this one.
        adds: days that were counted live are added to, not refused.
    """

    def __init__(
        self,
        connection: Connection,
        rollup: Rollup,
        open_lane: OpenLane,
        clock: Clock,
        jobs: int = 0,
        *,
        adds: bool = False,
    ) -> None:
        self._jobs = jobs
        self._adds = adds
        self._connection = connection
        self._rollup = rollup
        self._open_lane = open_lane
        self._clock = clock
        self._imports = ImportStore(connection)
        self._aggregates = AggregateStore(connection)

    async def run(
        self, file: LogFile, site: Site, options: Options, *, dry_run: bool = False
    ) -> Tally | None:
        """Import a file, or the rest of it; None if it is in already. A dry run takes all back in the end.

        Raises:
            ImportFileError: it cannot be imported so; nothing of it is in Postgres.
            BucketsUnavailableError, AggregatesUnavailableError: run it again to go on.
        """
        await self._imports.lock(site.id)
        imported = await self._imports.list_of(site.id)
        contents = await file.survey(_digests_by_lines(imported))
        plan = Plan(site, options, contents.digest)
        before = next((each for each in imported if each.digest == plan.digest), None)
        if before and before.options != str(options):
            raise ImportFileError(f"{file.name} was imported with {before.options}, and that stays")
        async with self._open_lane(plan) as lane:
            try:
                tally = None if before else await self._import(file, contents, plan, lane, dry_run)
                await self._show(site)
            except ImportFileError:
                await patiently(lane.clear)
                raise
            await patiently(lane.clear)
        return tally

    async def _import(
        self,
        file: LogFile,
        contents: Contents,
        plan: Plan,
        lane: ImportLane,
        dry_run: bool,  # noqa: FBT001
    ) -> Tally:
        tally = Tally()
        await self._show(plan.site)  # what Redis has is written down, so that all days that count are known
        await lane.begin()
        parsed = parse_all(chunks(file.lines(contents), plan.options.format), plan, self._jobs)
        with closing(parsed):
            await _send_all(batches(tally.watch(in_order(tally.read(parsed, plan.site)))), lane)
        if tally.malformed + tally.skipped["a directive"] == tally.lines:
            raise ImportFileError(f"{file.name} has no line of an access log")
        # Pages are named beforehand: two transactions that both name pages could wait for each other.
        async for buckets in lane.buckets():
            if not dry_run:
                await self._imports.name_pages(
                    plan.site.id, [path for each in buckets for path in each.pages]
                )
        today = plan.site.span_of(self._clock()).day
        with suppress(TakenBackError), translated():
            async with self._connection.transaction():
                tally.shown.append(await self._imports.figures(plan.site, today))
                await self._write(plan, lane, tally)
                await self._imports.finish(plan, file.name, tally)
                tally.shown.append(await self._imports.figures(plan.site, today))
                take_back(dry_run=dry_run)
        return tally

    async def _write(self, plan: Plan, lane: ImportLane, tally: Tally) -> None:
        """Write all days, and make sure that they hold what was read."""
        ids = {plan.site.key: plan.site.id}
        async for buckets in lane.buckets():
            exact = [tally.exactly(bucket) for bucket in buckets]
            rows = await make_rows(ROW_LANE, ids, exact, lane.store, self._aggregates)
            await self._aggregates.write(rows)
            tally.days |= {row.key.day: Counts(row.views, row.visits, row.visitors, row.bots) for row in rows}
        await self._refuse_live(plan.site, tally)
        written = sum(tally.days.values(), Counts())
        if (written.views, written.bots) != (tally.views, tally.bots):
            raise ImportFileError(LOST)

    async def _refuse_live(self, site: Site, tally: Tally) -> None:
        """Let no day count twice that was counted live, unless it is asked for."""
        live = await self._imports.live_days(site.id, list(tally.days))
        if live and not self._adds:
            raise ImportFileError(
                f"{len(live)} of these days were counted live, from {live[0]} to {live[-1]}: say --until "
                f"{live[0] - timedelta(days=1)} to import what came before, or --add to add to them"
            )

    async def _show(self, site: Site) -> None:
        """Let the site's widget start from the new sums."""
        for _attempt in range(_FOLDS):
            report = await patiently(
                lambda: self._rollup.refresh_base(site.key, self._aggregates, self._clock())
            )
            if not report.postponed:
                return
        raise ImportFileError("the rows are written, but not yet shown; run the same command again")


async def _send_all(made: Iterable[Batch], lane: ImportLane) -> None:
    """Send batches one after the other; while Redis counts one, the next one is made."""
    sending: asyncio.Task[None] | None = None
    try:
        for sequence, batch in enumerate(made, start=1):
            if sending:
                await sending
            sending = asyncio.create_task(lane.send(sequence, batch))
            await asyncio.sleep(0)  # lets it go on its way before the next one is made
        if sending:
            await sending
    finally:
        if sending and not sending.done():
            await asyncio.wait([sending])


def _digests_by_lines(imported: list[Imported]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for each in imported:
        found[each.lines].add(each.digest)
    return found
