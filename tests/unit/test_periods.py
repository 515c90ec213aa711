"""Which days, weeks and months a history has, and the hours of a day where the clock is put forward or back."""

import itertools
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import InvalidInputError
from counter.sites.calendar import find_span
from counter.widget.periods import UNITS, Asked, Period, bins, cut, hours_of, parse_asked, period_of, recent

TODAY = date(2026, 6, 10)
days = st.dates(date(2000, 1, 1), date(2100, 12, 31))
periods = st.builds(
    lambda first, number: Period(first, first + timedelta(days=number)), days, st.integers(0, 500)
)
weekdays = st.integers(1, 7)
zones = st.sampled_from(
    [
        "Asia/Ho_Chi_Minh",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/Havana",
        "Africa/Cairo",
        "Asia/Kathmandu",
    ]
)


@given(st.sampled_from(UNITS), periods, weekdays)
def test_bins_cover_a_period_once(unit, period, first_weekday):
    """Every day of a period is in one stretch, in order; inner weeks and months are whole."""
    found = bins(unit, period, first_weekday)
    assert [day for stretch in found for day in stretch.each_day()] == list(period.each_day())
    for stretch in found[1:]:
        if unit == "week":
            assert stretch.first.isoweekday() == first_weekday
        elif unit == "month":
            assert stretch.first.day == 1
        else:
            assert stretch.days == 1


@given(st.sampled_from(UNITS), periods, weekdays, st.integers(-9, 509))
def test_no_stretch_is_summed_up_in_part(unit, period, first_weekday, after):
    """Whole stretches before a day are summed up, all others are not, and no day is in both."""
    stretches = bins(unit, period, first_weekday)
    day = period.first + timedelta(days=after)
    starts, singly = cut(stretches, day)
    whole = [stretch for stretch in stretches if stretch.first in starts]
    assert whole == stretches[: len(starts)]
    assert [stretch for stretch in stretches if stretch.last < day] == whole
    assert singly == (whole[-1].last + timedelta(days=1) if whole else period.first)


@given(st.sampled_from(UNITS), days, weekdays, st.integers(1, 40))
def test_recent_stretches_end_today(unit, today, first_weekday, number):
    """So many stretches as were asked for, the last of which runs, and all others are whole."""
    found = recent(unit, today, first_weekday, number)
    assert (len(found), found[-1].last) == (number, today)
    if unit == "week":
        assert {stretch.days for stretch in found[:-1]} <= {7}
    if unit == "month":
        assert all(stretch.first.day == 1 for stretch in found)


@given(days, zones)
def test_hours_follow_each_other_as_the_counts_do(day, zone):
    """Hours fill the day without a gap, and an instant in one is counted under its number."""
    hours = hours_of(day, ZoneInfo(zone))
    assert all(hour.end.timestamp() == after.start.timestamp() for hour, after in itertools.pairwise(hours))
    assert 22 <= len(hours) <= 24
    for hour in hours:
        start_ms, end_ms = round(hour.start.timestamp() * 1000), round(hour.end.timestamp() * 1000)
        for at_ms in (start_ms, (start_ms + end_ms) // 2, end_ms - 1):
            span = find_span(ZoneInfo(zone), 0, at_ms)
            assert (span.day, span.hour) == (day, hour.number)


@pytest.mark.parametrize(
    ("zone", "day", "number", "seconds"),
    [
        ("Asia/Ho_Chi_Minh", date(2026, 6, 10), 24, 86_400),
        ("Europe/Berlin", date(2026, 3, 29), 23, 82_800),
        ("Europe/Berlin", date(2026, 10, 25), 24, 90_000),
        ("Africa/Cairo", date(2026, 4, 24), 23, 82_800),  # midnight is skipped
        ("Australia/Lord_Howe", date(2026, 10, 4), 24, 84_600),  # half an hour is skipped
        ("Pacific/Apia", date(2011, 12, 30), 0, 0),  # the whole day is
    ],
)
def test_days_that_are_short_or_long(zone, day, number, seconds):
    """A day has the hours and the length that it has."""
    hours = hours_of(day, ZoneInfo(zone))
    assert len(hours) == number
    assert sum(hour.end.timestamp() - hour.start.timestamp() for hour in hours) == seconds


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked("hour", None, None), (TODAY, TODAY)),
        (Asked("day", None, None), (date(2026, 5, 14), TODAY)),
        (Asked("week", None, None), (date(2026, 3, 23), TODAY)),
        (Asked("month", None, None), (date(2025, 7, 1), TODAY)),
        (Asked("day", date(2026, 6, 1), date(2030, 1, 1)), (date(2026, 6, 1), TODAY)),
        (Asked("day", None, date(2026, 3, 31)), (date(2026, 3, 4), date(2026, 3, 31))),
    ],
)
def test_ends_that_nobody_named(asked, expected):
    """A period that is not named is the latest one, and none goes beyond today."""
    assert period_of(asked, TODAY, 1, 3660) == expected


@given(st.text(max_size=12))
def test_any_text_is_a_date_or_refused(text):
    """Whatever stands for a date, it is one or a clear refusal."""
    try:
        asked = parse_asked("day", text, None)
    except InvalidInputError:
        return
    assert asked.first is not None
    assert asked.first.isoformat() == text


def test_longest_period():
    """The limit is in days, both ends counted."""
    assert period_of(Asked("hour", TODAY - timedelta(days=30), None), TODAY, 1, 31).days == 31
    with pytest.raises(InvalidInputError):
        period_of(Asked("hour", TODAY - timedelta(days=31), None), TODAY, 1, 31)
