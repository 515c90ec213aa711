"""Records added up to rows of days and to what goes into the ledger. Pure.

A row needs all figures, a source rarely has them. One number stands for those that are not known: visitors
for visits, else visits for views and visitors, else views for all. Pages alone tell of views only. Views
whose hour is not known are spread evenly over the day.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from counter.buckets.base import Counts
from counter.imports.records import Bad, Balance, Day, Page, Record

HOURS: Final = 24
EXAMPLES: Final = 5


@dataclass(slots=True)
class DayParts:
    """What is known of a day so far; None where nothing tells."""

    views: int | None = None
    visits: int | None = None
    visitors: int | None = None
    bots: int = 0
    hour_views: list[int] = field(default_factory=lambda: [0] * HOURS)
    hour_visits: list[int] = field(default_factory=lambda: [0] * HOURS)

    def add(self, part: Day) -> None:
        """Add one more part."""
        self.views = add_known(self.views, part.views)
        self.visits = add_known(self.visits, part.visits)
        self.visitors = add_known(self.visitors, part.visitors)
        self.bots += part.bots
        if part.hour is not None:
            self.hour_views[part.hour] += part.views or 0
            self.hour_visits[part.hour] += part.visits or 0


class DayRow(NamedTuple):
    """All figures of one day, as a row of the aggregates needs them."""

    day: date
    counts: Counts
    hour_views: list[int]
    hour_visits: list[int]
    pages: Mapping[str, int]


class Settled(NamedTuple):
    """What is to be written.

    Attributes:
        rows: of the days that count, in their order; the opening day is the first if there is one.
        undated: metric → what goes into the ledger.
    """

    rows: list[DayRow]
    undated: dict[str, int]


class History:
    """Adds up what a source tells of a site.

    Args:
        until: the last day that counts; None for all.
    """

    def __init__(self, until: date | None = None) -> None:
        self.bad = 0
        self.examples: list[Bad] = []
        self.records = 0
        self.left_out: set[date] = set()
        self._until = until
        self._days: dict[date, DayParts] = defaultdict(DayParts)
        self._pages: dict[date | None, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._balances: list[Balance] = []

    @property
    def days(self) -> list[date]:
        """The days that count, in order."""
        days = {*self._days, *(day for day in self._pages if day)}
        return sorted(day for day in days if day not in self.left_out)

    @property
    def is_undated(self) -> bool:
        """Whether some of it has no day."""
        return bool(self._balances) or None in self._pages

    @property
    def pages(self) -> int:
        """How many distinct pages are known."""
        return len({path for pages in self._pages.values() for path in pages})

    def take(self, records: Iterable[Record]) -> None:
        """Add up all of some records."""
        for record in records:
            self.records += 1
            match record:
                case Bad():
                    self._note(record)
                case Day():
                    self._take_day(record)
                case Page():
                    self._take_page(record)
                case Balance():
                    self._balances.append(record)

    def _take_day(self, record: Day) -> None:
        self._leave_out_late(record.day)
        self._days[record.day].add(record)

    def _take_page(self, record: Page) -> None:
        self._leave_out_late(record.day)
        if record.views:
            self._pages[record.day][record.path] += record.views

    def _leave_out_late(self, day: date | None) -> None:
        if day and self._until and day > self._until:
            self.left_out.add(day)

    def _note(self, bad: Bad) -> None:
        self.bad += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(bad)

    def settle(self, opening_day: date) -> Settled:
        """Return what is to be written.

        Args:
            opening_day: on which the views of pages count whose days nobody knows.
        """
        every = sorted({*self._days, *(day for day in self._pages if day)})
        rows = {day: make_row(day, self._days.get(day), self._pages.get(day, {})) for day in every}
        dated = sum((row.counts for row in rows.values()), Counts())
        opening = make_row(opening_day, None, self._pages.get(None, {}))
        undated = self._undated(dated, opening.counts.views)
        kept = [rows[day] for day in self.days]
        first = [opening] if opening.pages else []
        return Settled(first + kept, {metric: amount for metric, amount in undated.items() if amount})

    def _undated(self, dated: Counts, opening_views: int) -> dict[str, int]:
        """Return of each metric what is in no row: the total without its days, and what came before."""
        undated = {"views": 0, "visits": 0, "visitors": 0}
        for whole, counted in ((True, dated), (False, Counts())):
            balances = [balance for balance in self._balances if balance.whole is whole]
            stated = known(balances)
            if stated:
                undated["views"] += max(0, stated.views - counted.views)
                undated["visits"] += max(0, stated.visits - counted.visits)
                undated["visitors"] += max(0, stated.visitors - counted.visitors)
        undated["views"] = max(0, undated["views"] - opening_views)
        return undated


def known(balances: Sequence[Balance]) -> Counts | None:
    """Add up balances and let their numbers stand for those that are not known; None if nothing is."""
    views = visits = visitors = None
    for balance in balances:
        views = add_known(views, balance.views)
        visits = add_known(visits, balance.visits)
        visitors = add_known(visitors, balance.visitors)
    return None if views is visits is visitors is None else fill(views, visits, visitors)


def fill(views: int | None, visits: int | None, visitors: int | None, bots: int = 0) -> Counts:
    """Let the numbers that are known stand for the others. A visit begins with a view, so it needs one."""
    if visits is None:
        visits = views if visitors is None else visitors
    visits = visits or 0
    views = visits if views is None else views
    visits = min(visits, views)
    return Counts(views, visits, visits if visitors is None else visitors, bots)


def make_row(day: date, parts: DayParts | None, pages: Mapping[str, int]) -> DayRow:
    """Complete a day: all figures, and hours that sum up to them."""
    of_pages = sum(pages.values())
    if parts is None:
        counts, hour_views, hour_visits = Counts(of_pages), [0] * HOURS, [0] * HOURS
    else:
        counts = fill(parts.views, parts.visits, parts.visitors, parts.bots)
        hour_views = parts.hour_visits if parts.views is None else parts.hour_views
        hour_visits = parts.hour_visits
    views = max(counts.views, of_pages)
    hour_views = [hour + more for hour, more in zip(hour_views, spread(views - sum(hour_views)), strict=True)]
    visits_fit = all(visit <= view for visit, view in zip(hour_visits, hour_views, strict=True))
    if sum(hour_visits) != counts.visits or not visits_fit:
        hour_visits = share(counts.visits, hour_views)
    full = Counts(views, counts.visits, counts.visitors, counts.bots)
    return DayRow(day, full, hour_views, hour_visits, pages)


def spread(amount: int) -> list[int]:
    """Divide an amount evenly between the hours."""
    each, left = divmod(amount, HOURS)
    return [each + (hour < left) for hour in range(HOURS)]


def share(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount in proportion to weights whose sum is no less; none gets more than it weighs."""
    whole = sum(weights)
    parts = [amount * weight // whole if whole else 0 for weight in weights]
    left = amount - sum(parts)
    for hour, weight in enumerate(weights):
        more = min(left, weight - parts[hour], 1)
        parts[hour] += more
        left -= more
    return parts


def add_known(before: int | None, more: int | None) -> int | None:
    """Add two numbers of which either may be unknown."""
    if before is None or more is None:
        return more if before is None else before
    return before + more
