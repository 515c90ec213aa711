"""The history of a site up to this moment: what is closed, and today as it goes on."""

import asyncio
from datetime import date
from typing import Final, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from counter.buckets.base import BASE_DAYS
from counter.errors import InvalidInputError
from counter.sites.calendar import DAY
from counter.sites.model import Site
from counter.widget.kept import Kept
from counter.widget.past import Past
from counter.widget.periods import MOST_DAYS, Asked, Cut, Period, Unit, bins, cut, months_before, period_of
from counter.widget.series import Days, Hours, Series, Top, TopPages, day_points, hour_points
from counter.widget.snapshot import Snapshot
from counter.widget.snapshots import Snapshots

ROOM: Final = 100_000
"""Days, hours and pages that are kept in memory, some 300 bytes each."""
READERS: Final = 3
MOST_TOP_DAYS: Final = 366
MOST_PAGES: Final = 100

V = TypeVar("V")


class DayHistory(NamedTuple):
    """The days of a period, today as of a snapshot.

    Attributes:
        days: each day that has any figure.
        since: the first day on which anything was counted; today if nothing ever was.
        stale: the days before today, or the snapshot, could not be read anew.
    """

    days: Days
    since: date
    stale: bool


class _Read(NamedTuple, Generic[V]):
    """What was read, and when."""

    value: V
    as_of_ms: int


class History:
    """Answers what was counted when.

    What Postgres says is kept for seconds, as whole statistics are asked for again and again; today comes
    from the snapshot, which is a second old at most.

    Args:
        past: what is closed.
        snapshots: today.
        fresh_seconds: how long days and hours are kept; top pages, which cost most, three times as long.
    """

    def __init__(self, past: Past, snapshots: Snapshots, *, fresh_seconds: float) -> None:
        readers = asyncio.Semaphore(READERS)
        self._past = past
        self._snapshots = snapshots
        self._days = Kept[tuple[str, Period, Unit, int, date], tuple[Days, date | None]](
            fresh_seconds=fresh_seconds, weigh=lambda found: len(found[0]), room=ROOM, readers=readers
        )
        self._hours = Kept[tuple[str, Period], _Read[Hours]](
            fresh_seconds=fresh_seconds, weigh=lambda found: len(found.value), room=ROOM, readers=readers
        )
        self._top = Kept[tuple[str, Period], _Read[TopPages]](
            fresh_seconds=3 * fresh_seconds, weigh=lambda found: len(found.value), room=ROOM, readers=readers
        )

    async def of(self, site: Site, asked: Asked) -> Series:
        """Return the points of a history.

        Raises:
            InvalidInputError: the period cannot be had.
            NumbersUnavailableError, AggregatesUnavailableError, BucketsUnavailableError: it cannot be read,
                and was not kept from before.
        """
        snapshot = await self._snapshots.of(site)
        weekday = site.settings.first_weekday
        period = period_of(asked, today_of(site, snapshot), weekday, MOST_DAYS[asked.unit])
        if asked.unit == "hour":
            return await self.by_hour(site, period, snapshot)
        stretches = bins(asked.unit, period, weekday)
        found = await self.by_day(site, period, snapshot, asked.unit)
        points = day_points(found.days, stretches, found.since, today_of(site, snapshot))
        return Series(asked.unit, period, points, found.since, snapshot.as_of_ms, found.stale)

    async def by_day(self, site: Site, period: Period, snapshot: Snapshot, unit: Unit = "day") -> DayHistory:
        """Return the days of a period.

        Args:
            site: whose days.
            period: the days that are wanted.
            snapshot: what they are up to this moment.
            unit: of which points are wanted. Then no more is known of the weeks or months that lie back than
                their sums, each under one of its days.

        Raises:
            AggregatesUnavailableError: they cannot be read, and were not kept from before.
        """
        today, weekday = today_of(site, snapshot), site.settings.first_weekday
        whole = _first_whole(today)
        stretches = bins(unit, period, weekday) if unit in {"week", "month"} else []
        sums = cut(stretches, whole) if stretches else Cut((), period.first)
        (closed, first), stale = await self._days.of(
            (site.key, period, unit, weekday, sums.singly), lambda: self._past.days(site, period, sums)
        )
        # What a snapshot has of these days is newer than what Postgres has. Of earlier ones it has no more
        # than a bucket that came late, so these are up to date with the next rollup.
        recent = Period(max(period.first, whole), min(period.last, today))
        newer = {day: counts for day, counts in snapshot.days.items() if day in recent}
        since = min(day for day in (today, snapshot.counted, first) if day)
        return DayHistory({**closed, **newer}, since, stale or snapshot.stale)

    async def by_hour(self, site: Site, period: Period, snapshot: Snapshot) -> Series:
        """Return a point for each hour of a period.

        Raises:
            AggregatesUnavailableError, BucketsUnavailableError: they cannot be read, and were not kept.
        """
        days = await self.by_day(site, period, snapshot)

        async def read() -> _Read[Hours]:
            return _Read(await self._past.hours(site, period), snapshot.as_of_ms)

        (hours, as_of_ms), stale = await self._hours.of((site.key, period), read)
        zone = ZoneInfo(site.settings.time_zone)
        points = hour_points(hours, period, zone, days.since, as_of_ms)
        return Series("hour", period, points, days.since, as_of_ms, stale or days.stale)

    async def top(self, site: Site, first: date | None, last: date | None) -> Top:
        """Return the most viewed pages.

        Raises:
            InvalidInputError: the period cannot be had.
            NumbersUnavailableError, AggregatesUnavailableError, BucketsUnavailableError: they cannot be
                read, and were not kept from before.
        """
        snapshot = await self._snapshots.of(site)
        asked = Asked("day", first, last)
        today, months = today_of(site, snapshot), site.settings.page_months
        period = period_of(asked, today, site.settings.first_weekday, MOST_TOP_DAYS)
        if months and period.first < months_before(today, months):
            raise InvalidInputError(f"views of pages by day are kept for {months} months")
        return await self.top_of(site, period, snapshot)

    async def top_of(self, site: Site, period: Period, snapshot: Snapshot) -> Top:
        """Return the most viewed pages of a period.

        Raises:
            AggregatesUnavailableError, BucketsUnavailableError: they cannot be read, and were not kept.
        """

        async def read() -> _Read[TopPages]:
            return _Read(await self._past.top_pages(site, period, MOST_PAGES), snapshot.as_of_ms)

        (pages, as_of_ms), stale = await self._top.of((site.key, period), read)
        return Top(period, pages, as_of_ms, stale or snapshot.stale)


def today_of(site: Site, snapshot: Snapshot) -> date:
    """Return the site's day at the moment of a snapshot."""
    return site.span_of(snapshot.as_of_ms).day


def _first_whole(today: date) -> date:
    """Return the first day that a snapshot has whole in any zone: its base keeps so many days of UTC."""
    return today - (BASE_DAYS - 1) * DAY
