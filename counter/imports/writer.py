"""The way of another counter's history: into the aggregates and the ledger in one transaction, or not at all.

Its days are rows under `import-DIGEST`, as those of logs are, but without sketches: nobody knows who the
visitors were. Views of pages whose day is unknown are on the opening day, a day before everything and before
each week and month that is shown; the rest of an old total is in the ledger. A dry run does all of it and
takes it back.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.buckets.base import BASE_DAYS
from counter.clock import Clock
from counter.database import Connection, read_query, translated
from counter.errors import ImportFileError
from counter.imports.history import DayRow, History, Settled
from counter.imports.plan import NAME_DIGITS
from counter.imports.sketches import patiently
from counter.imports.store import Figures, ImportStore, TakenBackError, take_back
from counter.rollup.rollup import Rollup
from counter.sites.model import Site

ROW_LANE: Final = "import"
TOTAL: Final = "total"
"""Among the options of an import that had figures without a day."""
ROWS_AT_ONCE: Final = 200
OPENING: Final = 1
"""The part of a row on the opening day, on which nothing was counted."""
_FOLDS: Final = 10


@dataclass(frozen=True, slots=True)
class Order:
    """How a history is imported.

    Attributes:
        source: the name of the command.
        names: of the files.
        digest: SHA-256 of their content.
        told: the options that decide what counts, in words.
        author: who imports; stands in the ledger.
        dry_run: nothing stays.
        skip_bad: what is understood counts although something is not.
        adds: days that have figures, and totals that were imported before, are added to.
    """

    source: str
    names: str
    digest: str
    told: str = ""
    author: str = "import"
    dry_run: bool = False
    skip_bad: bool = False
    adds: bool = False

    def options(self, history: History) -> str:
        """Return what is kept beside the digest."""
        return " ".join(
            word for word in (f"source={self.source}", TOTAL if history.is_undated else "", self.told) if word
        )


class Outcome(NamedTuple):
    """What a site showed before and after, and what was written."""

    before: Figures
    after: Figures
    settled: Settled


class HistoryWriter:
    """Imports histories.

    Args:
        connection: to Postgres; it keeps other imports into the same site out until it is closed.
        rollup: of the live lanes, which makes the new sums seen.
    """

    def __init__(self, connection: Connection, rollup: Rollup, clock: Clock) -> None:
        self._connection = connection
        self._rollup = rollup
        self._clock = clock
        self._imports = ImportStore(connection)
        self._aggregates = AggregateStore(connection)

    async def run(self, history: History, site: Site, order: Order) -> Outcome | None:
        """Write a history; None if it is in already.

        Raises:
            ImportFileError: it cannot be imported so; nothing of it is in Postgres.
            BucketsUnavailableError, AggregatesUnavailableError: run it again.
        """
        await self._imports.lock(site.id)
        if await self._is_in(site, order, history):
            await self._show(site)
            return None
        if history.bad and not order.skip_bad:
            raise ImportFileError(_bad_rows(history))
        # What Redis has is written down first, so that all days that count are known.
        await self._show(site)
        with suppress(TakenBackError), translated():
            async with self._connection.transaction():
                outcome = await self._write(history, site, order)
                take_back(dry_run=order.dry_run)
        await self._show(site)
        return outcome

    async def _is_in(self, site: Site, order: Order, history: History) -> bool:
        for each in await self._imports.list_of(site.id):
            if each.digest == order.digest:
                if each.options != order.options(history):
                    raise ImportFileError(f"{order.names} was imported with {each.options}, and that stays")
                return True
            again = each.options.split(" ")[:2] == [f"source={order.source}", TOTAL]
            if again and history.is_undated and not order.adds:
                raise ImportFileError(
                    f"a total of {order.source} was imported before and would count twice; --add adds to it"
                )
        return False

    async def _write(self, history: History, site: Site, order: Order) -> Outcome:
        before = await self._imports.figures(site, self._today(site))
        await self._imports.refuse_counted(site.id, history.days, adds=order.adds)
        first = [day for day in (before["first_day"], *history.days[:1]) if day]
        latest = self._today(site) - timedelta(days=BASE_DAYS + 1)
        settled = history.settle(min([latest, *(day - timedelta(days=1) for day in first)]))
        dated = set(history.days)
        parts = ((row, 0 if row.day in dated else OPENING) for row in settled.rows)
        rows = [_row(site, order, row, part) for row, part in parts]
        for start in range(0, len(rows), ROWS_AT_ONCE):
            await self._aggregates.write(rows[start : start + ROWS_AT_ONCE])
        if settled.undated:
            reason = f"import of {order.source}: {order.names}"
            await Ledger(self._connection).add(site.id, settled.undated, reason, order.author)
        with translated():
            await self._connection.execute(
                read_query("imports.finish"), site.id, order.digest, order.options(history), order.names,
                history.records, history.bad,
            )  # fmt: skip
        return Outcome(before, await self._imports.figures(site, self._today(site)), settled)

    def _today(self, site: Site) -> date:
        return site.span_of(self._clock()).day

    async def _show(self, site: Site) -> None:
        """Let the site's widget start from the new sums."""
        for _attempt in range(_FOLDS):
            report = await patiently(
                lambda: self._rollup.refresh_base(site.key, self._aggregates, self._clock())
            )
            if not report.postponed:
                return
        raise ImportFileError("the sums could not be renewed; run the same command again")


def _row(site: Site, order: Order, row: DayRow, part: int) -> Row:
    key = RowKey(site.id, row.day, f"import-{order.digest[:NAME_DIGITS]}", part, ROW_LANE)
    counts = row.counts
    return Row(
        key, counts.views, counts.visits, counts.visitors, counts.bots, row.hour_views, row.hour_visits,
        b"", 1, dict(row.pages), {},
    )  # fmt: skip


def _bad_rows(history: History) -> str:
    """Say which rows are bad."""
    lines = [f"  {bad.file} line {bad.line}: {bad.reason}" for bad in history.examples]
    more = [f"  and {history.bad - len(lines)} more"] if history.bad > len(lines) else []
    head = f"{history.bad} bad rows, nothing was imported; mend them, or leave them out with --skip-bad:"
    return "\n".join([head, *lines, *more])
