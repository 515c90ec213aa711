"""What the widget shows of a snapshot, and how the numbers describe themselves."""

import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.base import Counts
from counter.sites.model import METRICS
from counter.widget.render import HitAnswer, numbers, pages_answer, widget_answer
from counter.widget.snapshot import Snapshot
from tests.unit.making import EPOCH, ms, site_with

NOON = ms("2026-11-24T12:00+07:00")  # a Tuesday
PERIODS = ("online", "today", "yesterday", "week", "month", "total")


def snapshot_of(visits: dict[str, int], at: str = "2026-11-24T12:00+07:00", total: int = 0) -> Snapshot:
    """A snapshot with so many visits on some days."""
    days = {date.fromisoformat(day): Counts(visits=number) for day, number in visits.items()}
    return Snapshot(as_of_ms=ms(at), online=5, total=Counts(visits=total), days=days)


figures = st.one_of(st.integers(0, 100), st.integers(0, 2**63 - 1))
counts = st.builds(Counts, views=figures, visits=figures, visitors=figures, bots=figures)
snapshots = st.builds(
    Snapshot,
    as_of_ms=st.integers(NOON - 2 * 86_400_000, NOON + 2 * 86_400_000),
    online=figures,
    total=counts,
    days=st.dictionaries(st.dates(date(2026, 10, 10), date(2026, 11, 28)), counts, max_size=40),
    stale=st.booleans(),
)
sites = st.builds(
    site_with,
    time_zone=st.sampled_from(["Asia/Ho_Chi_Minh", "Asia/Kathmandu", "America/New_York", "UTC"]),
    first_weekday=st.integers(1, 7),
    metric=st.sampled_from(METRICS),
)
metrics = st.sampled_from(METRICS)


@pytest.mark.parametrize(
    ("first_weekday", "at", "expected"),
    [
        (1, "2026-11-24T00:00+07:00", (1, 2, 3, 66)),  # Tuesday: week from Monday 23rd
        (7, "2026-11-24T23:59:59.999+07:00", (1, 2, 7, 66)),  # week from Sunday 22nd
        (2, "2026-11-24T12:00+07:00", (1, 2, 1, 66)),
        (3, "2026-11-24T12:00+07:00", (1, 2, 63, 66)),  # week from Wednesday 18th
        (1, "2026-11-23T12:00+07:00", (2, 4, 2, 65)),  # a clock set back: later days are not shown
    ],
)
def test_periods(first_weekday, at, expected):
    """Today, yesterday, the week from the site's first weekday and the month are shown, up to today."""
    visits = {"2026-10-31": 500, "2026-11-18": 32, "2026-11-20": 16, "2026-11-21": 8, "2026-11-22": 4} | {
        "2026-11-23": 2,
        "2026-11-24": 1,
        "2026-11-01": 3,
    }
    found = numbers(snapshot_of(visits, at, total=412_135), site_with(first_weekday=first_weekday), "visits")
    assert (found.today, found.yesterday, found.week, found.month) == expected
    assert (found.online, found.total) == (5, 412_135)


@pytest.mark.parametrize(
    ("at", "first_weekday", "expected"),
    [
        ("2027-01-01T08:00+07:00", 1, (1, 2, 3, 1)),  # a Friday
        ("2026-12-31T08:00+07:00", 1, (2, 0, 2, 6)),
        ("2027-01-01T08:00+07:00", 7, (1, 2, 7, 1)),  # week from Sunday, 27 December
        ("2027-01-01T00:00+08:00", 1, (2, 0, 2, 6)),  # in Hanoi it is still 31 December
    ],
)
def test_periods_over_the_year_end(at, first_weekday, expected):
    """A week goes on over the end of a year, a month does not, and the site's zone says which year it is."""
    visits = {"2026-11-30": 100, "2026-12-27": 4, "2026-12-31": 2, "2027-01-01": 1}
    found = numbers(snapshot_of(visits, at), site_with(first_weekday=first_weekday), "visits")
    assert (found.today, found.yesterday, found.week, found.month) == expected


def test_site_zone_says_what_today_is():
    """At one instant it is another day in another zone, and each site shows its own."""
    snapshot = snapshot_of({"2026-11-23": 2, "2026-11-24": 1}, at="2026-11-23T18:00Z")
    shown = [
        numbers(snapshot, site_with(time_zone=zone), "visits").today
        for zone in ("Asia/Ho_Chi_Minh", "Asia/Kathmandu", "Asia/Tehran", "America/New_York")
    ]
    assert shown == [1, 2, 2, 2]


@given(snapshot=snapshots, site=sites, metric=metrics)
def test_numbers_are_sums_of_days(snapshot, site, metric):
    """Each period is the sum of its days up to today, and nothing is negative."""
    zone = ZoneInfo(site.settings.time_zone)
    today = (EPOCH + timedelta(milliseconds=snapshot.as_of_ms)).astimezone(zone).date()
    of_day = {day: getattr(counted, metric) for day, counted in snapshot.days.items() if day <= today}
    week = [today]
    while week[-1].isoweekday() != site.settings.first_weekday:
        week.append(week[-1] - timedelta(days=1))
    found = numbers(snapshot, site, metric)
    assert found.today == of_day.get(today, 0)
    assert found.yesterday == of_day.get(today - timedelta(days=1), 0)
    assert found.week == sum(of_day.get(day, 0) for day in week)
    assert found.month == sum(of_day.get(today.replace(day=number), 0) for number in range(1, today.day + 1))
    assert (found.online, found.total) == (snapshot.online, getattr(snapshot.total, metric))
    assert min(found) >= 0


@given(snapshot=snapshots, site=sites, metric=metrics)
def test_widget_says_exact_integers(snapshot, site, metric):
    """The numbers are JSON integers without exponent or point, digit for digit, also beyond 2⁵³."""
    body = widget_answer(snapshot, site, metric).body
    shown = json.loads(body, parse_float=pytest.fail, parse_constant=pytest.fail)
    found = numbers(snapshot, site, metric)
    assert {name: shown[name] for name in PERIODS} == found._asdict()
    assert all(f'"{name}":{value}'.encode() in body for name, value in found._asdict().items())


def test_numbers_beyond_what_javascript_holds():
    """A number above 2⁵³ is written exactly; it is the reader that may round it."""
    snapshot = snapshot_of({"2026-11-24": 2**53 + 1}, total=2**63 - 1)
    body = widget_answer(snapshot, site_with(), "visits").body
    assert b'"today":9007199254740993,' in body
    assert b'"total":9223372036854775807,' in body


@given(snapshot=snapshots, site=sites, metric=metrics)
def test_meta(snapshot, site, metric):
    """The numbers say what they count, in which zone, of which moment to the millisecond, and how exactly."""
    about = json.loads(widget_answer(snapshot, site, metric).body)["meta"]
    as_of = datetime.fromisoformat(about["as_of"])
    assert (as_of - EPOCH) // timedelta(milliseconds=1) == snapshot.as_of_ms
    assert as_of.date() == site.span_of(snapshot.as_of_ms).day
    assert about["time_zone"] == site.settings.time_zone
    assert about["week_start"] == site.settings.first_weekday
    assert about["online_window_seconds"] == 300
    assert (about["metric"], about["stale"]) == (metric, snapshot.stale)
    assert (about["accuracy"] == "estimate") == (metric == "visitors")


@pytest.mark.parametrize(
    ("metric", "unit", "said"),
    [
        ("visits", "lượt truy cập", "20 minutes"),
        ("views", "lượt xem", "bots not"),
        ("visitors", "khách", "sum of daily"),
    ],
)
def test_units(metric, unit, said):
    """Each metric has its Vietnamese unit and a definition that fits the site's settings."""
    about = json.loads(widget_answer(snapshot_of({}), site_with(visit_timeout_seconds=1200), metric).body)[
        "meta"
    ]
    assert about["unit"] == unit
    assert said in about["definition"]
    assert "{" not in about["definition"]


def test_as_of_has_the_offset_of_the_moment():
    """The moment is told in the site's zone with the offset that holds then, summer time too."""
    summer = snapshot_of({}, at="2026-07-01T10:00:00.007Z")
    about = json.loads(widget_answer(summer, site_with(time_zone="Europe/Berlin"), "visits").body)["meta"]
    assert about["as_of"] == "2026-07-01T12:00:00.007+02:00"
    about = json.loads(widget_answer(summer, site_with(time_zone="Asia/Kathmandu"), "visits").body)["meta"]
    assert about["as_of"] == "2026-07-01T15:45:00.007+05:45"


@given(snapshot=snapshots, site=sites, metric=metrics, later_ms=st.integers(1, 3_600_000))
def test_etag_stays_while_the_numbers_do(snapshot, site, metric, later_ms):
    """A later look at the same numbers has the same tag, so an unchanged widget costs a 304."""
    later = msgspec.structs.replace(snapshot, as_of_ms=snapshot.as_of_ms + later_ms)
    same = numbers(later, site, metric) == numbers(snapshot, site, metric)
    first, second = widget_answer(snapshot, site, metric), widget_answer(later, site, metric)
    assert (first.etag == second.etag) == same
    assert first.body != second.body


@given(site=sites, metric=metrics, position=st.integers(0, 5), stale=st.booleans())
def test_etag_changes_with_any_number(site, metric, position, stale):
    """Another number anywhere, another metric or staleness has another tag, which is weak and quoted."""
    today = site.span_of(NOON).day
    on = [today, today - timedelta(days=1), today - timedelta(days=6), today.replace(day=1)]
    base = Snapshot(NOON, 5, Counts(7, 7, 7), dict.fromkeys(on, Counts(3, 3, 3)), stale)
    more = Counts(4, 4, 4)
    changed = [
        msgspec.structs.replace(base, online=6),
        msgspec.structs.replace(base, total=Counts(8, 8, 8)),
        msgspec.structs.replace(base, stale=not stale),
        *(msgspec.structs.replace(base, days=base.days | {day: more}) for day in (on[0], on[1], on[3])),
    ]
    tag = widget_answer(base, site, metric).etag
    assert tag == widget_answer(base, site, metric).etag
    assert widget_answer(changed[position], site, metric).etag != tag
    assert all(widget_answer(base, site, other).etag != tag for other in METRICS if other != metric)
    assert tag.startswith('W/"')
    assert tag.endswith('"')


@given(snapshot=snapshots, site=sites, path=st.text(max_size=30), views=st.none() | figures)
def test_answer_to_a_hit(snapshot, site, path, views):
    """A hit is answered with the widget's numbers and the views of its page, null while unknown."""
    shown = json.loads(HitAnswer(snapshot, site, {path: views}).of(path))
    assert shown.pop("page") == {"path": path, "views": views}
    assert shown == json.loads(widget_answer(snapshot, site, site.settings.metric).body)


@given(pages=st.lists(st.tuples(st.text(max_size=20), st.none() | figures), max_size=10))
def test_pages_answer(pages):
    """Pages are answered in the order in which they were asked for, exactly, null while unknown."""
    answer = pages_answer(pages)
    assert json.loads(answer.body) == {"pages": [{"path": path, "views": views} for path, views in pages]}
    assert answer == pages_answer(list(pages))
    assert answer.etag != pages_answer([*pages, ("/another", 1)]).etag
