"""What is kept no longer: hours, page-days and daily rows, removed in small steps beside the rollup.

Nothing is removed whose bucket may still change: its row was written at least a day ago, and the bucket is
not open. So it is closed for good, as a closed bucket is never opened again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import structlog

from counter.buckets.store import BucketStore
from counter.database import Connection, read_query, translated
from counter.errors import CounterError
from counter.metrics import RollupMetrics
from counter.rollup.portions import parsed

PAUSE_MS: Final = 60_000
"""Time between two looks when there is little to do; where rows were left over, the next rollup goes on."""
STEPS: Final = 10
"""How many steps a look has at most."""
SITES: Final = 200
PAGES: Final = 400
ROWS: Final = 100
"""How many sites and pages a step looks at, and how many rows of each kind it removes, at most."""
KEPT_DAYS: Final = 30
"""Nothing of so few days is ever removed, so it does not matter what of them is open."""

Rest = Callable[[float], Awaitable[None]]
"""Is told how many seconds a step took; returns when the next may begin."""

log = structlog.get_logger(__name__)


class Open(NamedTuple):
    """The open buckets: site keys and days, pairwise."""

    sites: list[str]
    days: list[date]


@dataclass(frozen=True, slots=True)
class _Sweep:
    """A way through all pages, and when it began by the clock of Postgres and by ours."""

    began: datetime
    began_here: datetime


class Retention:
    """Goes through all sites and all pages, again and again.

    Args:
        buckets: the hot counts, which tell what is open.
        metrics: count what was removed.
    """

    def __init__(self, buckets: BucketStore, metrics: RollupMetrics) -> None:
        self._buckets = buckets
        self._metrics = metrics
        self._next_ms = 0
        self._last_site = 0
        self._last_page = 0
        self._sweep: _Sweep | None = None
        self._swept: _Sweep | None = None

    async def look(self, connection: Connection, now_ms: int, rest: Rest) -> None:
        """Do a part of the work in some short steps if it is time to; what fails is tried again later.

        Args:
            connection: whose rollup has just written down all that is open.
            now_ms: decides which days are old.
            rest: after each step.
        """
        if 0 <= self._next_ms - now_ms <= PAUSE_MS:
            return
        self._next_ms = now_ms + PAUSE_MS
        try:
            with translated():
                if await self._look(connection, datetime.fromtimestamp(now_ms / 1000, UTC), rest):
                    self._next_ms = 0
        except CounterError as error:
            # The rollup must go on, whatever is wrong here.
            self._metrics.postgres_errors.labels("retention").inc()
            log.warning("retention postponed", reason=str(error))

    async def _look(self, connection: Connection, now: datetime, rest: Rest) -> bool:
        """Go on until all were looked at, some steps at most; return whether the last one left rows over."""
        timer, most = asyncio.get_running_loop().time, 0
        open_ = await self._open(now.date() - timedelta(days=KEPT_DAYS))
        for _ in range(STEPS):
            began = timer()
            most = await self._step(connection, now, open_)
            await rest(timer() - began)
            if most < ROWS and not self._last_site and not self._last_page:
                break
        return most >= ROWS

    async def _step(self, connection: Connection, now: datetime, open_: Open) -> int:
        removed = {
            "hours": await self._drop_details(connection, now, open_),
            "page_aggregates": await self._fold_pages(connection, now, open_),
            "aggregates": await self._fold_days(connection, open_),
        }
        for table, rows in removed.items():
            self._metrics.removed.labels(table).inc(rows)
        return max(removed.values())

    async def _open(self, before: date) -> Open:
        found = Open([], [])
        for lane in self._buckets.lanes:
            for listed in await self._buckets.list_buckets(lane):
                async for names in parsed(listed):
                    for name in names:
                        if name.day < before:
                            found.sites.append(name.site)
                            found.days.append(name.day)
        return found

    async def _drop_details(self, connection: Connection, now: datetime, open_: Open) -> int:
        row = await connection.fetchrow(
            read_query("retention.drop_details"), self._last_site, SITES, ROWS, now, *open_
        )
        self._last_site = (row and row["last_site"]) or 0
        return int(row["changed"]) if row else 0

    async def _fold_pages(self, connection: Connection, now: datetime, open_: Open) -> int:
        if self._sweep is None:
            self._sweep = _Sweep(await connection.fetchval(read_query("retention.now")), now)
        row = await connection.fetchrow(
            read_query("retention.fold_pages"), self._last_page, PAGES, ROWS, self._sweep.began_here, *open_
        )
        if row is None or row["last_page"] is None:
            self._last_page, self._swept, self._sweep = 0, self._sweep, None
            return 0
        self._last_page = row["last_page"]
        return int(row["removed"])

    async def _fold_days(self, connection: Connection, open_: Open) -> int:
        if self._swept is None:
            return 0
        query = read_query("retention.fold_days")
        return int(
            await connection.fetchval(query, ROWS, self._swept.began, self._swept.began_here, *open_) or 0
        )
