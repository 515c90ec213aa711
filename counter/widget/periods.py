"""Which stretches of local days a history is made of, and the hours of a day, summer time included. Pure."""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from counter.errors import InvalidInputError
from counter.sites.calendar import DAY, HOUR_MS, day_start_ms, period_starts

Unit = Literal["hour", "day", "week", "month"]
UNITS: Final[tuple[Unit, ...]] = get_args(Unit)

MOST_DAYS: Final[Mapping[Unit, int]] = {"hour": 31, "day": 3660, "week": 3660, "month": 3660}
"""The longest stretch that may be asked for at once."""

RECENT: Final[Mapping[Unit, int]] = {"hour": 1, "day": 28, "week": 12, "month": 12}
"""How many days (for hours and days), weeks or months are shown when nobody asks for others.

Four weeks of days, so that each weekday stands beside the same one of the period before.
"""

_QUARTER_MS: Final = HOUR_MS // 4
_FIRST_DAY: Final = date(1970, 1, 1)
_LAST_DAY: Final = date(9990, 12, 31)


class Period(NamedTuple):
    """A stretch of local days, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def each_day(self) -> Iterator[date]:
        """Go through its days."""
        return map(date.fromordinal, range(self.first.toordinal(), self.last.toordinal() + 1))


class Cut(NamedTuple):
    """Which days of a period have to be known one by one.

    Attributes:
        starts: the first days of the stretches before, in order, whose sums are enough.
        singly: the first day that has to be known by itself, as have all after it.
    """

    starts: tuple[date, ...]
    singly: date


class Asked(NamedTuple):
    """What a client wants to see; an end that is not named is chosen by the calendar."""

    unit: Unit
    first: date | None
    last: date | None


class Hour(NamedTuple):
    """A local hour of a day, as instants; two hours long where the end of summer time repeats it."""

    number: int
    start: datetime
    end: datetime


def parse_asked(unit: str, first: str | None, last: str | None) -> Asked:
    """Read what a client wants.

    Args:
        unit: one of `UNITS`.
        first: ISO date of the first day, or None.
        last: ISO date of the last day, or None.

    Raises:
        InvalidInputError: it is none of these.
    """
    for known in UNITS:
        if known == unit:
            return Asked(known, _day(first, "from"), _day(last, "to"))
    raise InvalidInputError(f"the unit is one of {', '.join(UNITS)}")


def period_of(asked: Asked, today: date, first_weekday: int, most_days: int) -> Period:
    """Return the stretch of days that a client wants; it ends today at the latest.

    Raises:
        InvalidInputError: it ends before it begins, or is too long.
    """
    last = min(asked.last or today, today)
    first = asked.first or recent(asked.unit, last, first_weekday, RECENT[asked.unit])[0].first
    if first > (asked.last or today):
        raise InvalidInputError("from is a day after to")
    if (last - first).days >= most_days:
        raise InvalidInputError(f"at most {most_days} days can be had at once by {asked.unit}")
    return Period(first, max(first - DAY, last))


def bins(unit: Unit, period: Period, first_weekday: int) -> list[Period]:
    """Cut a period into the days, weeks or months that it touches; the first and last may be cut short."""
    if unit not in {"week", "month"}:
        return [Period(day, day) for day in period.each_day()]
    found = []
    first = period.first
    while first <= period.last:
        last = _last_of_week(first, first_weekday) if unit == "week" else _last_of_month(first)
        found.append(Period(first, min(last, period.last)))
        first = last + DAY
    return found


def cut(stretches: Sequence[Period], recent_day: date) -> Cut:
    """Tell which of some stretches may be summed up: those that are over before a day.

    Args:
        stretches: what points are wanted of, in order, each after the one before; one at least.
        recent_day: the first of the days that will not stay as they are.
    """
    starts = tuple(stretch.first for stretch in stretches if stretch.last < recent_day)
    rest = stretches[len(starts) :]
    return Cut(starts, rest[0].first if rest else stretches[-1].last + DAY)


def recent(unit: Unit, today: date, first_weekday: int, number: int) -> list[Period]:
    """Return the latest days, weeks or months, whole but for the last one, which ends today."""
    starts = period_starts(today, first_weekday)
    if unit == "week":
        first = starts.week - timedelta(weeks=number - 1)
    elif unit == "month":
        first = _months_before(starts.month, number - 1)
    else:
        first = today - timedelta(days=number - 1)
    return bins(unit, Period(first, today), first_weekday)


def months_before(day: date, number: int) -> date:
    """Return the same day so many months before, or the last of that month where it is shorter."""
    first = _months_before(day.replace(day=1), number)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def hours_of(day: date, zone: ZoneInfo) -> list[Hour]:
    """Return the hours that a local day really has; none if the zone skipped the day.

    An hour that the end of summer time repeats is one hour here, as it is in the counts.
    """
    end_ms = day_start_ms(zone, day + DAY)
    starts: dict[int, datetime] = {}
    for at_ms in range(day_start_ms(zone, day), end_ms, _QUARTER_MS):
        local = datetime.fromtimestamp(at_ms // 1000, zone)
        if local.date() == day:
            starts.setdefault(local.hour, local)
    ends = [*list(starts.values())[1:], datetime.fromtimestamp(end_ms // 1000, zone)]
    return [Hour(hour, start, end) for (hour, start), end in zip(starts.items(), ends, strict=False)]


def _last_of_week(day: date, first_weekday: int) -> date:
    return day + timedelta(days=(first_weekday - 1 - day.isoweekday()) % 7)


def _last_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _months_before(first: date, number: int) -> date:
    months = first.year * 12 + first.month - 1 - number
    return date(months // 12, months % 12 + 1, 1)


def _day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    problem = f"{name} is a date, such as 2026-11-24"
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(problem) from error
    if day.isoformat() != text or not _FIRST_DAY <= day <= _LAST_DAY:
        raise InvalidInputError(problem)
    return day
