"""A history as points, one for each hour, day, week or month. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from counter.buckets.base import Counts
from counter.widget.periods import Period, hours_of

Days = Mapping[date, Counts]
"""Each day that has any figure."""

Hours = Mapping[tuple[date, int], tuple[int, int] | None]
"""Views and visits of each local hour that has any, by day and hour; None where they are kept no longer."""


TopPages = list[tuple[str, int]]
"""Paths and their views, most viewed first."""


NONE: Final = Counts()


class Point(msgspec.Struct, frozen=True):
    """The figures of one stretch of time.

    Attributes:
        start: its first local day, or the instant at which an hour begins.
        end: its last local day (included), or the instant at which an hour ends (excluded).
        views, visits, visitors, bots: None where they are not known: before counting began, and visitors and
            bots of an hour. Visitors over more than a day are the sum of daily visitors.
        complete: it is over, so it will hardly grow.
    """

    start: str
    end: str
    views: int | None
    visits: int | None
    visitors: int | None
    bots: int | None
    complete: bool


class Series(NamedTuple):
    """A history, and what has to be known to read it.

    Attributes:
        unit: what a point stands for.
        period: the days that it covers.
        since: the first day on which anything was counted.
        as_of_ms: when it was read.
        stale: it could not be read anew.
    """

    unit: str
    period: Period
    points: list[Point]
    since: date
    as_of_ms: int
    stale: bool


class Top(NamedTuple):
    """The most viewed pages of a period, the most viewed first."""

    period: Period
    pages: TopPages
    as_of_ms: int
    stale: bool


def day_points(days: Days, stretches: Iterable[Period], since: date, today: date) -> list[Point]:
    """Return a point for each stretch of days.

    Args:
        days: figures of all days within the stretches that have any; those of a stretch may be summed up
            under one of its days.
        stretches: what each point stands for.
        since: days before this one are not known; later ones without figures had no visitor.
        today: the day that still runs.
    """
    ordered = sorted(days)
    return [_day_point(days, ordered, stretch, since, today) for stretch in stretches]


def hour_points(hours: Hours, period: Period, zone: ZoneInfo, since: date, now_ms: int) -> list[Point]:
    """Return a point for each hour that the days of a period have, up to the one that still runs."""
    points = []
    for day in period.each_day():
        for hour in hours_of(day, zone):
            if hour.start.timestamp() * 1000 > now_ms:
                break
            known = hours.get((day, hour.number), (0, 0)) if day >= since else None
            views, visits = known or (None, None)
            over = hour.end.timestamp() * 1000 <= now_ms
            start, end = hour.start.isoformat(), hour.end.isoformat()
            points.append(Point(start, end, views, visits, None, None, complete=over))
    return points


def add_days(days: Days, period: Period) -> Counts:
    """Return the sums over a period."""
    return sum((counts for day, counts in days.items() if day in period), Counts())


def _day_point(days: Days, ordered: Sequence[date], stretch: Period, since: date, today: date) -> Point:
    start = end = stretch.first.isoformat()
    if stretch.first == stretch.last:
        sums = days.get(stretch.first)
    else:
        end, sums = stretch.last.isoformat(), _sum_within(days, ordered, stretch)
    over = stretch.last < today
    if sums is None and stretch.last < since:
        return Point(start, end, None, None, None, None, complete=over)
    sums = sums or NONE
    return Point(start, end, sums.views, sums.visits, sums.visitors, sums.bots, complete=over)


def _sum_within(days: Days, ordered: Sequence[date], stretch: Period) -> Counts | None:
    """Look neither at each day of a stretch nor at all days: a long history has thousands of both."""
    found = ordered[bisect_left(ordered, stretch.first) : bisect_right(ordered, stretch.last)]
    return sum((days[day] for day in found), NONE) if found else None
