"""What the statistics page tells of the past: the latest stretch of time beside the one before it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from counter.buckets.base import Counts
from counter.sites.model import METRICS, Metric
from counter.widget.periods import RECENT, Period, Unit, hours_of, recent
from counter.widget.series import Days, Point, TopPages, day_points
from counter.widget.snapshot import Snapshot

YEARS: Final = 3660
"""How many days back the busiest day is looked for."""


class Slot(NamedTuple):
    """One place on the axis of time.

    Attributes:
        first: its first local day.
        hour: the local hour, if it stands for one.
        now: its figures; None if it lies ahead.
        before: the figures of its like in the period before; None if there is none.
    """

    first: date
    hour: int | None
    now: Point | None
    before: Point | None


class Comparison(NamedTuple):
    """Sums of two periods over those parts that are over in both."""

    now: int
    before: int


class Story(NamedTuple):
    """What was counted in the latest stretch of time.

    Attributes:
        unit: what a slot stands for.
        slots: the stretch, part by part.
        period: its days.
        sums: the figures of these days together.
        compares: the period before is known from its first day on.
        busiest: the day with most, for each metric that has any.
        since: the first day on which anything was counted.
        top: the pages that were viewed most in the period.
        stale: something of this could not be read anew.
    """

    unit: Unit
    slots: Sequence[Slot]
    period: Period
    sums: Counts
    compares: bool
    busiest: Mapping[Metric, tuple[date, int]]
    since: date
    top: TopPages
    stale: bool

    def total(self, metric: Metric) -> int | None:
        """Return the sum over all slots; None if the unit does not have this metric."""
        known = [getattr(slot.now, metric) for slot in self.slots if slot.now]
        return None if self.unit == "hour" and metric == "visitors" else sum(value or 0 for value in known)

    def compare(self, metric: Metric) -> Comparison | None:
        """Return what has to be set against each other; None where that would be unfair or empty."""
        if not self.compares:
            return None
        pairs = [
            (getattr(slot.now, metric), getattr(slot.before, metric))
            for slot in self.slots
            if slot.now and slot.before and slot.now.complete
        ]
        known = [pair for pair in pairs if None not in pair]
        if not known:
            return None
        return Comparison(sum(now for now, _before in known), sum(before for _now, before in known))


class Overview(NamedTuple):
    """What is known of a site.

    Attributes:
        snapshot: None if its numbers cannot be read.
        story: None if its past cannot be read.
    """

    snapshot: Snapshot | None
    story: Story | None

    @property
    def stale(self) -> bool:
        """Tell whether anything on the page is not of this moment."""
        parts = (self.snapshot, self.story)
        return any(part is None or part.stale for part in parts)


def day_slots(unit: Unit, days: Days, since: date, today: date, first_weekday: int) -> list[Slot]:
    """Return the latest days, weeks or months, and before them as many others."""
    number = RECENT[unit]
    stretches = recent(unit, today, first_weekday, 2 * number)
    points = day_points(days, stretches, since, today)
    return [
        Slot(stretch.first, None, now, before)
        for stretch, now, before in zip(stretches[number:], points[number:], points[:number], strict=True)
    ]


def hour_slots(points: Iterable[Point], today: date, zone: ZoneInfo) -> list[Slot]:
    """Return the hours of today, also those ahead, beside those of yesterday.

    Args:
        points: of yesterday's hours and of today's so far.
        today: the day that runs.
        zone: the site's.
    """
    days: dict[bool, dict[int, Point]] = {True: {}, False: {}}
    for point in points:
        is_today = point.start[:10] == today.isoformat()
        days[is_today][int(point.start[11:13])] = point
    return [
        Slot(today, hour.number, days[True].get(hour.number), days[False].get(hour.number))
        for hour in hours_of(today, zone)
    ]


def period_of_slots(slots: Sequence[Slot], today: date) -> Period:
    """Return the days that the slots cover."""
    return Period(slots[0].first, today)


def first_before(slots: Sequence[Slot]) -> date:
    """Return the first day of the period before."""
    return min(
        (date.fromisoformat(slot.before.start[:10]) for slot in slots if slot.before), default=date.max
    )


def busiest_days(days: Days) -> dict[Metric, tuple[date, int]]:
    """Return the day with most of each metric, the latest of several; nothing where there was nothing."""
    found: dict[Metric, tuple[date, int]] = {}
    for metric in METRICS:
        day = max(days, key=lambda day: (getattr(days[day], metric), day), default=None)
        if day is not None and getattr(days[day], metric):
            found[metric] = (day, getattr(days[day], metric))
    return found
