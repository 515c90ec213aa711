"""The site-local calendar: which day and hour an instant has, in every zone there is."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.sites.calendar import Span, calendar_for, day_start_ms, find_span, is_time_zone, period_starts
from tests.unit.making import ms
from tests.unit.zones import (
    DAY_MS,
    HOUR_MS,
    LAST_MS,
    MINUTE_MS,
    NASTY_ZONES,
    first_instant,
    latest_changes,
    local,
    next_change,
)

ALL_ZONES = sorted(available_timezones() - {"localtime"})
instants = st.integers(0, LAST_MS)
carries_ms = st.sampled_from([60_000, 1_800_000, 3_600_000, 5_400_000, DAY_MS])


@st.composite
def telling_instants(draw: st.DrawFn, zone: ZoneInfo) -> int:
    """Any instant, or one beside a midnight, a full hour or a change of the offset."""
    at_ms = draw(instants)
    kind = draw(st.sampled_from(["any", "midnight", "carried", "change"]))
    if kind == "any":
        return at_ms
    if kind == "change":
        at_ms = next_change(zone, at_ms, days=183) or at_ms
    else:
        at_ms = first_instant(zone, local(zone, at_ms).date()) + (kind == "carried") * 30 * MINUTE_MS
    beside = draw(st.one_of(st.sampled_from([-1, 0, 1]), st.integers(-2 * HOUR_MS, 2 * HOUR_MS)))
    return min(max(at_ms + beside, 0), LAST_MS)


def check_span(zone: ZoneInfo, carry_ms: int, span: Span, at_ms: int, share: float) -> None:
    assert span.start_ms <= at_ms < span.end_ms
    inside = span.start_ms + int((span.end_ms - 1 - span.start_ms) * share)
    begins_ms = first_instant(zone, span.day)
    carried_until = begins_ms + carry_ms
    assert span.day_before == local(zone, begins_ms - 1).date()
    for instant in (span.start_ms, at_ms, inside, span.end_ms - 1):
        there = local(zone, instant)
        assert (there.date(), there.hour) == (span.day, span.hour)
        assert span.carries == (instant < carried_until)


@pytest.mark.parametrize("name", NASTY_ZONES)
@settings(max_examples=60)
@given(data=st.data(), carry_ms=carries_ms, share=st.floats(0, 1))
def test_span_in_zones_that_do_odd_things(name, data, carry_ms, share):
    """All of a span lies in one local hour and carries as one, also where clocks do odd things."""
    zone = ZoneInfo(name)
    at_ms = data.draw(telling_instants(zone))
    check_span(zone, carry_ms, find_span(zone, carry_ms, at_ms), at_ms, share)


@pytest.mark.parametrize("name", NASTY_ZONES)
def test_span_beside_changes_of_the_offset(name):
    """All of a span lies in one local hour and carries as one, beside each change of the offset."""
    zone = ZoneInfo(name)
    for change in latest_changes(zone):
        for beside in (-90, -60, -45, -30, -15, 0, 15, 30, 45, 60, 90):
            for at_ms in (change + beside * MINUTE_MS - 1, change + beside * MINUTE_MS):
                check_span(zone, 1_800_000, find_span(zone, 1_800_000, at_ms), at_ms, 0.5)


@settings(max_examples=300)
@given(name=st.sampled_from(ALL_ZONES), data=st.data(), carry_ms=carries_ms, share=st.floats(0, 1))
def test_span_in_any_zone(name, data, carry_ms, share):
    """All of a span lies in one local hour and carries as one, in every IANA zone."""
    zone = ZoneInfo(name)
    at_ms = data.draw(telling_instants(zone))
    check_span(zone, carry_ms, find_span(zone, carry_ms, at_ms), at_ms, share)


@given(name=st.sampled_from(ALL_ZONES), at_ms=instants)
def test_day_start_is_its_first_instant(name, at_ms):
    """A day begins at its first instant, in every IANA zone."""
    zone = ZoneInfo(name)
    day = local(zone, at_ms).date()
    assert day_start_ms(zone, day) == first_instant(zone, day)


@pytest.mark.parametrize(
    ("name", "day", "start"),
    [
        ("Asia/Ho_Chi_Minh", date(2026, 11, 24), "2026-11-23T17:00Z"),
        ("Asia/Kathmandu", date(2026, 11, 24), "2026-11-23T18:15Z"),
        ("Asia/Tehran", date(2026, 11, 24), "2026-11-23T20:30Z"),
        ("America/Sao_Paulo", date(2017, 10, 15), "2017-10-15T03:00Z"),  # 23:59:59 → 01:00
        ("Africa/Cairo", date(2023, 4, 28), "2023-04-27T22:00Z"),  # 23:59:59 → 01:00
        ("Asia/Beirut", date(2022, 3, 27), "2022-03-26T22:00Z"),  # 23:59:59 → 01:00
        ("America/Havana", date(2022, 11, 6), "2022-11-06T04:00Z"),  # the first of two midnights
        ("Africa/Cairo", date(2023, 10, 27), "2023-10-26T22:00Z"),  # 23:00 to 24:00 came twice before
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00Z"),  # the 30th never was
        ("Australia/Lord_Howe", date(2026, 10, 4), "2026-10-03T13:30Z"),
    ],
)
def test_day_start_where_midnight_is_odd(name, day, start):
    """A day begins at the right instant also where midnight is skipped or comes twice."""
    assert day_start_ms(ZoneInfo(name), day) == ms(start)


@pytest.mark.parametrize(
    ("name", "at", "day", "hour"),
    [
        ("Asia/Ho_Chi_Minh", "2026-12-31T16:59:59.999Z", date(2026, 12, 31), 23),
        ("Asia/Ho_Chi_Minh", "2026-12-31T17:00Z", date(2027, 1, 1), 0),
        ("Asia/Ho_Chi_Minh", "2028-02-28T17:00Z", date(2028, 2, 29), 0),
        ("Asia/Kathmandu", "2026-11-24T18:14:59.999Z", date(2026, 11, 24), 23),
        (
            "Australia/Lord_Howe",
            "2026-04-04T15:10Z",
            date(2026, 4, 5),
            1,
        ),  # 02:00 → 01:30: the hour's second half
        ("America/Sao_Paulo", "2017-10-15T03:00Z", date(2017, 10, 15), 1),
        ("Pacific/Apia", "2011-12-30T09:59:59.999Z", date(2011, 12, 29), 23),
        ("Pacific/Apia", "2011-12-30T10:00Z", date(2011, 12, 31), 0),
    ],
)
def test_span_at_the_edges_of_days(name, at, day, hour):
    """The last millisecond of a day is that day's, and the first of the next is the next's."""
    span = find_span(ZoneInfo(name), 1_800_000, ms(at))
    assert (span.day, span.hour) == (day, hour)


@given(
    name=st.sampled_from(ALL_ZONES),
    carry_ms=carries_ms,
    first=instants,
    steps=st.lists(
        st.one_of(st.integers(-2 * HOUR_MS, 2 * HOUR_MS), st.integers(-DAY_MS, DAY_MS)), max_size=30
    ),
)
def test_calendar_remembers_nothing_wrong(name, carry_ms, first, steps):
    """The calendar that remembers its last span says what the zone's rules say, in any order."""
    zone, span_of = ZoneInfo(name), calendar_for(name, carry_ms)
    at_ms = first
    for step in (0, *steps):
        at_ms = max(0, at_ms + step)
        assert span_of(at_ms) == find_span(zone, carry_ms, at_ms)


def test_clock_that_goes_back():
    """A clock set back over midnight counts for the day before again, and then for the day again."""
    span_of = calendar_for("Asia/Ho_Chi_Minh", 1_800_000)
    clock = ["2026-11-24T00:00:01+07:00", "2026-11-23T23:59:59.999+07:00", "2026-11-24T00:00+07:00"]
    assert [span_of(ms(at)).day.day for at in clock] == [24, 23, 24]


def test_ordinary_hour_is_one_span():
    """An hour in which nothing changes is one span, so that a busy site looks its zone up once an hour."""
    span = find_span(ZoneInfo("Asia/Kathmandu"), 1_800_000, ms("2026-11-24T12:34:56+05:45"))
    assert (span.start_ms, span.end_ms) == (ms("2026-11-24T12:00+05:45"), ms("2026-11-24T13:00+05:45"))


@given(today=st.dates(date(1970, 1, 8), date(2100, 1, 1)), first_weekday=st.integers(1, 7))
def test_period_starts(today, first_weekday):
    """A week begins on the site's first weekday at most six days ago, a month on its first day."""
    starts = period_starts(today, first_weekday)
    assert starts.today == today
    assert starts.yesterday == today - timedelta(days=1)
    assert starts.week.isoweekday() == first_weekday
    assert today - timedelta(days=6) <= starts.week <= today
    assert starts.month == date(today.year, today.month, 1)


@pytest.mark.parametrize(
    ("today", "first_weekday", "week", "month"),
    [
        (date(2027, 1, 1), 1, date(2026, 12, 28), date(2027, 1, 1)),  # a Friday
        (date(2027, 1, 1), 7, date(2026, 12, 27), date(2027, 1, 1)),
        (date(2028, 2, 29), 1, date(2028, 2, 28), date(2028, 2, 1)),  # a Tuesday
        (date(2028, 2, 29), 2, date(2028, 2, 29), date(2028, 2, 1)),
        (date(2028, 3, 1), 7, date(2028, 2, 27), date(2028, 3, 1)),
    ],
)
def test_periods_over_the_ends_of_months_and_years(today, first_weekday, week, month):
    """A week goes on over the end of a month and of a year; a month and a leap day do not confuse it."""
    starts = period_starts(today, first_weekday)
    assert (starts.week, starts.month) == (week, month)


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "../../etc/passwd", "Asia", "zone.tab", "Asia/Ho_Chi_Minh\0", "\ud800", "a" * 5000],
)
def test_what_is_no_time_zone(name):
    """What is no IANA name is refused, never looked for elsewhere and never an error."""
    assert not is_time_zone(name)


def test_every_time_zone_is_known():
    """Every IANA name may be a site's."""
    assert all(map(is_time_zone, ALL_ZONES))
