"""The site-local calendar: the day and hour of an instant, and where a week and a month begin. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOUR_MS = 3_600_000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that lies in one local hour: `start_ms <= t < end_ms`.

    Attributes:
        day: the local date.
        day_before: the local date before it: the day before, but where a zone has skipped one.
        hour: the local hour, 0 to 23. An hour that the end of summer time repeats is one hour here.
        carries: a visit of the day before may still go on, so visitors are also looked up
            under that day's salt.
    """

    start_ms: int
    end_ms: int
    day: date
    day_before: date
    hour: int
    carries: bool


@dataclass(frozen=True, slots=True)
class PeriodStarts:
    """The first local dates of the calendar periods that contain `today`."""

    today: date
    yesterday: date
    week: date
    month: date


def period_starts(today: date, first_weekday: int) -> PeriodStarts:
    """Return where the periods around `today` begin.

    Args:
        today: a local date.
        first_weekday: ISO number of the week's first day, 1 (Monday) to 7 (Sunday).
    """
    into_week = (today.isoweekday() - first_weekday) % 7
    return PeriodStarts(today, today - DAY, today - timedelta(days=into_week), today.replace(day=1))


@lru_cache(maxsize=2048)
def calendar_for(time_zone: str, carry_ms: int) -> Callable[[int], Span]:
    """Return the function from an instant (ms since the epoch) to its span, shared by sites alike.

    It remembers the last span, so an instant in the same hour costs two comparisons.

    Args:
        time_zone: an IANA name.
        carry_ms: how long after midnight a visit of the day before may go on.
    """
    zone = ZoneInfo(time_zone)
    last = Span(0, 0, date.min, date.min, 0, carries=False)

    def span_of(at_ms: int) -> Span:
        nonlocal last
        span = last
        if not span.start_ms <= at_ms < span.end_ms:
            last = span = find_span(zone, carry_ms, at_ms)
        return span

    return span_of


def find_span(zone: ZoneInfo, carry_ms: int, at_ms: int) -> Span:
    """Return the span around `at_ms`, computed from the zone's rules alone."""
    local = _local(zone, at_ms)
    start, end = _hour_bounds(zone, at_ms)
    begins_ms = day_start_ms(zone, local.date())
    carried_until = begins_ms + carry_ms
    carries = at_ms < carried_until
    if carries:
        end = min(end, carried_until)
    else:
        start = max(start, carried_until)
    return Span(start, end, local.date(), _local(zone, begins_ms - 1).date(), local.hour, carries)


def day_start_ms(zone: ZoneInfo, day: date) -> int:
    """Return the instant at which `day` begins, also where summer time skips midnight."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return round(midnight.timestamp() * 1000)


def is_time_zone(name: str) -> bool:
    """Tell whether `name` is an IANA zone that this system knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _local(zone: ZoneInfo, at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, zone)


def _offset_ms(zone: ZoneInfo, at_ms: int) -> int:
    offset = _local(zone, at_ms).utcoffset()
    assert offset is not None  # noqa: S101 - a zone always has one
    return round(offset.total_seconds() * 1000)


def _hour_bounds(zone: ZoneInfo, at_ms: int) -> tuple[int, int]:
    """Bound the local hour; where the offset changes within it, give the single millisecond."""
    offset = _offset_ms(zone, at_ms)
    start = at_ms - (at_ms + offset) % HOUR_MS
    end = start + HOUR_MS
    if _offset_ms(zone, start) == offset == _offset_ms(zone, end - 1):
        return start, end
    return at_ms, at_ms + 1
