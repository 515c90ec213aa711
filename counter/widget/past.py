"""What the statistics ask of Postgres, and the open buckets that are newer than its rows."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from counter.buckets.base import Counts
from counter.buckets.calls import HOURS
from counter.buckets.store import BucketStore
from counter.buckets.stored import StoredBucket
from counter.database import Pool, acquired, read_query
from counter.sites.model import Site
from counter.widget.periods import Cut, Period
from counter.widget.series import Days, Hours, TopPages


class Past:
    """The history of sites.

    A row in Postgres may be some seconds behind the open bucket that it belongs to. So the open buckets are
    read first, the rows are summed up without theirs, and both are added: exact, whatever is rolled up
    meanwhile.
    """

    def __init__(self, store: BucketStore, pool: Pool) -> None:
        self._store = store
        self._pool = pool

    async def days(self, site: Site, period: Period, cut: Cut | None = None) -> tuple[Days, date | None]:
        """Return each day that has any figure as Postgres has it, and the first day that has one at all.

        Args:
            site: whose days.
            period: the days that are wanted.
            cut: which of them may be summed up; the sum is then that of a day among them.

        Raises:
            AggregatesUnavailableError: Postgres does not answer.
        """
        starts, singly = cut or Cut((), period.first)
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(read_query("widget.days"), site.id, *period, singly, starts)
            first = await connection.fetchval(read_query("widget.first_day"), site.id)
        return _add_up(rows), first

    async def hours(self, site: Site, period: Period) -> Hours:
        """Return the views and visits of each hour that has any, None where they are kept no longer.

        Raises:
            AggregatesUnavailableError, BucketsUnavailableError, BucketsCorruptError: a store cannot be read.
        """
        opened = await self._open_buckets(site)
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(
                read_query("widget.hours"), site.id, *period, *self._columns(site, opened)
            )
        found: dict[tuple[date, int], tuple[int, int] | None] = {
            (row["day"], row["hour"]): (row["views"], row["visits"]) for row in rows
        }
        for bucket in opened:
            for hour, gained in enumerate(zip(bucket.hour_views, bucket.hour_visits, strict=True)):
                views, visits = found.get((bucket.name.day, hour)) or (0, 0)
                found[bucket.name.day, hour] = (views + gained[0], visits + gained[1])
        # A day of which a part is kept no longer is not known.
        found |= {(row["day"], hour): None for row in rows if row["hour"] is None for hour in HOURS}
        return found

    async def top_pages(self, site: Site, period: Period, number: int) -> TopPages:
        """Return the pages that were viewed most.

        Raises:
            AggregatesUnavailableError, BucketsUnavailableError, BucketsCorruptError: a store cannot be read.
        """
        newer = [
            (path, bucket, views)
            for bucket in await self._open_buckets(site)
            for path, views in bucket.pages.items()
        ]
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(
                read_query("widget.top_pages"),
                site.id,
                *period,
                number,
                [path for path, _bucket, _views in newer],
                *self._columns(site, [bucket for _path, bucket, _views in newer]),
                [views for _path, _bucket, views in newer],
            )
        return [(row["path"], row["views"]) for row in rows]

    async def _open_buckets(self, site: Site) -> list[StoredBucket]:
        lane = self._store.lane_of(site.key)
        (index,) = await self._store.read_indexes(lane, [site.key])
        generation = await self._store.generation(lane)
        return await self._store.read_buckets(lane, generation, index.names)

    def _columns(self, site: Site, buckets: Sequence[StoredBucket]) -> list[list[object]]:
        lane = self._store.lane_of(site.key).lane
        return [
            [bucket.name.day for bucket in buckets],
            [lane] * len(buckets),
            [bucket.name.generation for bucket in buckets],
            [bucket.part for bucket in buckets],
        ]


def _add_up(rows: Iterable[Iterable[Any]]) -> Days:
    """Add up what each day has, row by row, as there may be thousands."""
    days: dict[date, Counts] = {}
    for day, views, visits, visitors, bots in rows:
        counts = Counts(views, visits, visitors, bots)
        days[day] = days[day] + counts if day in days else counts
    return days
