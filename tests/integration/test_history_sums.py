"""A history of weeks or months that Postgres summed up is the one that single days make."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.buckets.base import BASE_DAYS, Counts
from counter.database import Connection, open_pool
from counter.metrics import Metrics
from counter.sites.model import METRICS, Site
from counter.widget.history import History
from counter.widget.past import Past
from counter.widget.periods import Period, Unit, bins
from counter.widget.series import NONE, Days, Point, day_points
from counter.widget.snapshot import Snapshot
from counter.widget.snapshots import Snapshots
from tests.integration.conftest import AddSite, Hot

TODAY = date(2026, 6, 10)
DAY = timedelta(days=1)
NOON_MS = int(datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp() * 1000)
ADJUST = """
insert into adjustments (site_id, metric, amount, day, page, reason, author)
select $1, metric, amount, day, page, 'a test', 'a test'
from unnest($2::text[], $3::bigint[], $4::date[], $5::text[]) as added (metric, amount, day, page)
"""
_NAMES = count(1)


class Adjustment(NamedTuple):
    """An amount in the ledger; an opening balance has no day."""

    metric: str
    amount: int
    day: date | None
    page: str | None


class Happened(NamedTuple):
    """What is known of a site, and what is asked; all that is read is kept between the snapshots."""

    rows: list[tuple[date, Counts]]
    adjusted: list[Adjustment]
    snapshots: list[dict[date, Counts]]
    first_weekday: int
    unit: Unit
    period: Period


def days_back(most: int) -> st.SearchStrategy[date]:
    """Days up to today, and now and then one ahead, as the clock of another zone may bring it."""
    return st.integers(-1, most).map(lambda age: TODAY - age * DAY)


@st.composite
def all_counts(draw: st.DrawFn) -> Counts:
    """Figures as a row may have them: no more visits than views."""
    views = draw(st.integers(0, 2**40))
    return Counts(views, draw(st.integers(0, views)), draw(st.integers(0, 2**40)), draw(st.integers(0, 9)))


@st.composite
def adjustments(draw: st.DrawFn, days: st.SearchStrategy[date]) -> Adjustment:
    """An amount of a day, an opening balance, or views of a page."""
    page = draw(st.sampled_from([None, None, "/a"]))
    metric = "views" if page else draw(st.sampled_from(METRICS))
    return Adjustment(metric, draw(st.integers(-9, 9)), draw(st.none() | days), page)


@st.composite
def pasts(draw: st.DrawFn) -> Happened:
    """A year and more of a site; few days, close together, so that rows, ledger and snapshots share some."""
    long_ago = draw(st.integers(46, 450))
    near = st.integers(-9, 9).map(lambda days: TODAY - (long_ago + days) * DAY)
    late = st.lists(days_back(60), max_size=4)
    days = st.sampled_from([*draw(st.lists(near, min_size=2, max_size=6)), *draw(late)])
    first = TODAY - (long_ago + draw(st.integers(-9, 40))) * DAY
    return Happened(
        rows=draw(st.lists(st.tuples(days, all_counts()), min_size=2, max_size=20)),
        adjusted=draw(st.lists(adjustments(days), max_size=6)),
        snapshots=draw(st.lists(st.dictionaries(days, all_counts(), max_size=4), min_size=1, max_size=3)),
        first_weekday=draw(st.integers(1, 7)),
        unit=draw(st.sampled_from(["week", "month"])),
        period=Period(first, TODAY - draw(st.just(0) | st.integers(0, (TODAY - first).days)) * DAY),
    )


@pytest.fixture
async def past(hot: Hot, database_url: str) -> AsyncIterator[Past]:
    """The past on real stores."""
    async with open_pool(database_url) as pool:
        yield Past(hot.store, pool)


def history_of(past: Past, hot: Hot, *, fresh_seconds: float) -> History:
    """A history that is asked with snapshots that a test makes."""

    async def made_anew(_key: str) -> None:
        raise AssertionError("no snapshot is read")

    snapshots = Snapshots(hot.store, made_anew, lambda: NOON_MS, Metrics().http, fresh_seconds=1)
    return History(past, snapshots, fresh_seconds=fresh_seconds)


def snapshot_of(days: dict[date, Counts]) -> Snapshot:
    """A snapshot at noon of the day that runs."""
    return Snapshot(NOON_MS, 0, Counts(), days, counted=min(days, default=None))


async def write(connection: Connection, site: Site, happened: Happened) -> None:
    """Bring rows and ledger into Postgres."""
    rows = [
        Row(
            RowKey(site.id, day, "past", part, "0"),
            *(counts.views, counts.visits, counts.visitors, counts.bots),
            hour_views=[0] * 24,
            hour_visits=[0] * 24,
            sketch=b"",
            version=1,
            pages={},
            tokens={},
        )
        for part, (day, counts) in enumerate(happened.rows)
    ]
    await AggregateStore(connection).write(rows)
    columns = zip(*happened.adjusted, strict=True) if happened.adjusted else ([], [], [], [])
    await connection.execute(ADJUST, site.id, *(list(column) for column in columns))


def single_days(happened: Happened) -> Days:
    """What Postgres has of each day, added up here."""
    days: dict[date, Counts] = {}
    for day, counts in happened.rows:
        days[day] = days.get(day, NONE) + counts
    for metric, amount, on, page in happened.adjusted:
        if on is not None and page is None:
            days[on] = days.get(on, NONE) + Counts(**{metric: amount})
    return days


def point_of(days: Days, stretch: Period, since: date) -> Point:
    """A point made from each day of its stretch."""
    found = [days[day] for day in stretch.each_day() if day in days]
    ends = (stretch.first.isoformat(), stretch.last.isoformat())
    if stretch.last < since and not found:
        return Point(*ends, None, None, None, None, complete=stretch.last < TODAY)
    sums = sum(found, NONE)
    return Point(*ends, sums.views, sums.visits, sums.visitors, sums.bots, complete=stretch.last < TODAY)


def first_of(days: Iterable[date | None]) -> date:
    """The earliest of some days."""
    return min(day for day in days if day)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(happened=pasts())
async def test_sums_are_those_of_single_days(
    hot: Hot, past: Past, connection: Connection, add_site: AddSite, happened: Happened
) -> None:
    """Whatever was counted and adjusted, and whatever a snapshot knows better, no figure depends on who sums up."""
    site = await add_site(
        f"site-{next(_NAMES)}", first_weekday=happened.first_weekday, time_zone="UTC", public_stats=True
    )
    await write(connection, site, happened)
    stretches = bins(happened.unit, happened.period, happened.first_weekday)
    in_postgres = single_days(happened)
    counted = min((day for day, _counts in happened.rows), default=None)
    history = history_of(past, hot, fresh_seconds=60)
    for newer in happened.snapshots:
        snapshot = snapshot_of(newer)
        singly = await history.by_day(site, happened.period, snapshot)
        summed = await history.by_day(site, happened.period, snapshot, happened.unit)
        points = day_points(summed.days, stretches, summed.since, TODAY)
        assert points == day_points(singly.days, stretches, singly.since, TODAY)
        since = first_of([TODAY, snapshot.counted, counted])
        assert (summed.since, summed.stale) == (since, False)
        whole = TODAY - (BASE_DAYS - 1) * DAY
        days = {**in_postgres, **{day: counts for day, counts in newer.items() if whole <= day <= TODAY}}
        assert points == [point_of(days, stretch, since) for stretch in stretches]


async def test_what_lies_back_is_not_read_day_by_day(
    past: Past, hot: Hot, connection: Connection, add_site: AddSite
) -> None:
    """Ten years of months are a row for each month, and only the latest days come one by one."""
    site = await add_site("old", time_zone="UTC")
    period = Period(TODAY - 3650 * DAY, TODAY)
    rows = [(day, Counts(2, 1, 1, 0)) for day in period.each_day()]
    await write(connection, site, Happened(rows, [], [], 1, "month", period))
    stretches = bins("month", period, 1)
    found = await history_of(past, hot, fresh_seconds=1).by_day(site, period, snapshot_of({}), "month")
    assert set(found.days) == {
        *(stretch.first for stretch in stretches),
        *Period(date(2026, 4, 1), TODAY).each_day(),
    }


@pytest.mark.parametrize("parts", [1, 2, 3, 20])
async def test_days_of_many_rows_come_once(
    past: Past, connection: Connection, add_site: AddSite, parts: int
) -> None:
    """However many buckets a day had, its figures are their sum, and the ledger is added to it."""
    site = await add_site("crowded")
    period = Period(TODAY - 30 * DAY, TODAY)
    rows = [(day, Counts(3, 2, 1, part)) for day in period.each_day() for part in range(parts)]
    adjusted = [Adjustment("views", 5, TODAY, None), Adjustment("visitors", -1, TODAY, None)]
    happened = Happened(rows, adjusted, [], 1, "month", period)
    await write(connection, site, happened)
    assert await past.days(site, period) == (single_days(happened), period.first)
