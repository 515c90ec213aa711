"""What is kept no longer goes without any total, any page's views or any open day being touched."""

from datetime import UTC, date, datetime, timedelta

import pytest

from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.buckets.batch import Batch, Hit, Kind
from counter.checks.durable import DurableAudit
from counter.database import Connection
from counter.errors import SiteError
from counter.metrics import Metrics
from counter.rollup.retention import KEPT_DAYS, PAUSE_MS, Retention
from counter.rollup.rollup import Rollup
from counter.sites.model import Site, SiteSettings
from tests.integration.conftest import LANE, Hot

NOON = datetime(2026, 6, 10, 5, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
TODAY = date(2026, 6, 10)
AGES = (1, 89, 90, 91, 400, 800, 1500)
"""Days before today of the rows."""
TABLES = ("hours", "page_aggregates", "aggregates")


def row(site: Site, day: date, part: int = 1, *, factor: int = 1) -> Row:
    """A row with two pages, of which the views stand in two hours."""
    hours = [0] * 22
    return Row(
        RowKey(site.id, day, "g", part, "0"),
        5 * factor, 3 * factor, 2 * factor, factor,
        [2 * factor, 3 * factor, *hours], [factor, 2 * factor, *hours],
        b"", 7, {"/a": 2 * factor, "/b": 3 * factor}, {},
    )  # fmt: skip


async def written(connection: Connection, site: Site) -> list[Row]:
    """Write a row for each of the ages, as if it had been done long ago."""
    rows = [row(site, TODAY - timedelta(days=age), part) for part, age in enumerate(reversed(AGES), 1)]
    await AggregateStore(connection).write(rows)
    await age_all(connection)
    return rows


async def age_all(connection: Connection) -> None:
    await connection.execute("update aggregates set rolled_up_at = now() - interval '2 days'")


class Sweeper:
    """Lets the retention do all that it would do in time."""

    def __init__(self, hot: Hot, connection: Connection) -> None:
        self.metrics = Metrics().rollup
        self._retention = Retention(hot.store, self.metrics)
        self._connection = connection
        self._looks = 0
        self.steps: list[dict[str, float]] = []

    async def sweep(self, looks: int = 6) -> None:
        for _ in range(looks):
            self._looks += 1
            await self._retention.look(
                self._connection, NOON_MS + self._looks * (PAUSE_MS + 1), self._note_step
            )

    async def _note_step(self, _took_seconds: float) -> None:
        """Note what has been removed since the step before."""
        before = {table: sum(step[table] for step in self.steps) for table in TABLES}
        self.steps.append({table: self.removed(table) - before[table] for table in TABLES})

    def removed(self, table: str) -> float:
        return self.metrics.removed.labels(table)._value.get()


@pytest.fixture
def sweeper(hot: Hot, connection: Connection) -> Sweeper:
    return Sweeper(hot, connection)


async def figures(connection: Connection, site: Site) -> tuple[object, ...]:
    """All that must never change: totals by two ways, views of the pages; and nothing contradicts itself."""
    store = AggregateStore(connection)
    audit = DurableAudit(connection)
    assert await audit.faulty_rows([site.id]) == []
    assert await audit.faulty_pages([site.id]) == []
    totals = (await store.totals([site.id], []))[site.id]
    assert (await audit.sums([site.id]))[site.id].rows.views == totals.views
    shown = await connection.fetchrow("select views, visits, visitors, bots from site_totals")
    assert tuple(shown) == totals
    return totals, await store.page_views(site.id, ["/a", "/b"], [])


async def kept(connection: Connection, query: str) -> set[int]:
    """The ages of the days that a query finds."""
    return {(TODAY - day).days for (day,) in await connection.fetch(query)}


HOURS = "select day from aggregates where hour_views is not null and hour_visits is not null"
PAGES = "select day from page_aggregates"
DAYS = "select day from aggregates"


async def test_defaults(connection, add_site, sweeper):
    """Hours stay 90 days, page-days 25 months, days for ever; the removed rows are counted."""
    site = await add_site()
    await written(connection, site)
    before = await figures(connection, site)
    await sweeper.sweep()
    assert await figures(connection, site) == before
    assert await kept(connection, HOURS) == {1, 89, 90}
    assert await kept(connection, PAGES) == {1, 89, 90, 91, 400}
    assert await kept(connection, DAYS) == set(AGES)
    assert (sweeper.removed("hours"), sweeper.removed("page_aggregates")) == (4, 4)
    assert sweeper.removed("aggregates") == 0


async def test_days_go_after_their_pages(connection, add_site, sweeper):
    """Days that are kept no longer are carried forward with all figures, and so are their pages."""
    site = await add_site(hours_days=0, page_months=0, day_months=24)
    await connection.execute("update sites set changed_at = now() - interval '1 day'")
    await written(connection, site)
    before = await figures(connection, site)
    await sweeper.sweep()
    assert await figures(connection, site) == before
    assert await kept(connection, DAYS) == await kept(connection, PAGES) == {1, 89, 90, 91, 400}
    assert await kept(connection, HOURS) == {1, 89, 90, 91, 400}
    assert sweeper.removed("aggregates") == 2


async def test_for_ever(connection, add_site, sweeper):
    """Zero keeps everything."""
    site = await add_site(hours_days=0, page_months=0, day_months=0)
    await written(connection, site)
    await sweeper.sweep()
    for query in (HOURS, PAGES, DAYS):
        assert await kept(connection, query) == set(AGES)


@pytest.mark.parametrize("settings", [{}, {"day_months": 24}])
async def test_old_copy_brings_nothing_back(connection, add_site, sweeper, settings):
    """An old copy of Redis writes its buckets again, which changes nothing; a late hit still counts."""
    site = await add_site(**settings)
    await connection.execute("update sites set changed_at = now() - interval '1 day'")
    rows = await written(connection, site)
    before = await figures(connection, site)
    await sweeper.sweep()
    await AggregateStore(connection).write(rows)
    assert await figures(connection, site) == before
    late = row(site, TODAY - timedelta(days=1500), len(rows) + 1)
    await AggregateStore(connection).write([late])
    totals, pages = await figures(connection, site)
    assert (totals.views, pages) == (before[0].views + 5, {"/a": 16, "/b": 24})
    await AggregateStore(connection).write([row(site, late.key.day, len(rows) + 1, factor=2)])
    await age_all(connection)
    await sweeper.sweep()
    totals, pages = await figures(connection, site)
    assert (totals.views, pages) == (before[0].views + 10, {"/a": 18, "/b": 27})


async def test_no_page_without_the_row_of_its_bucket(connection, add_site):
    """Where an old copy brings the row of a day back, of which pages were never carried, none is written either."""
    site = await add_site()
    old = row(site, TODAY - timedelta(days=1500))
    await connection.execute(
        "insert into carried (site_id, lane, generation, days_through, days_part) values ($1, '0', 'g', $2, 1)",
        site.id,
        old.key.day,
    )
    await AggregateStore(connection).write([old])
    assert await kept(connection, DAYS) == await kept(connection, PAGES) == set()
    late = row(site, old.key.day, 2)
    await AggregateStore(connection).write([late])
    assert await kept(connection, DAYS) == await kept(connection, PAGES) == {1500}


async def test_open_and_fresh_rows_are_left_alone(hot, connection, add_site, sweeper):
    """A bucket that is open, however old its day, and a row that was written of late keep everything."""
    site = await add_site(day_months=24)
    await connection.execute("update sites set changed_at = now() - interval '1 day'")
    old_ms = NOON_MS - 1500 * 86_400_000
    batch = Batch()
    batch.add(Hit(site, old_ms, Kind.VIEW, "/a", b"x" * 8))
    await hot.record("worker", 1, batch)
    found = {"portal": site}
    # A rollup that believes the day to be going on writes the row and leaves the bucket open.
    await Rollup(hot.store, found.get).run(AggregateStore(connection), old_ms)
    await age_all(connection)
    await sweeper.sweep()
    assert await kept(connection, HOURS) == await kept(connection, PAGES) == {1500}
    await Rollup(hot.store, found.get).run(AggregateStore(connection), NOON_MS)
    assert not await hot.redis.smembers(LANE.open)
    await sweeper.sweep()
    assert await kept(connection, HOURS) == await kept(connection, PAGES) == {1500}  # as it is fresh
    await age_all(connection)
    before = await figures(connection, site)
    await sweeper.sweep()
    assert await kept(connection, DAYS) == set()
    assert await figures(connection, site) == before


async def test_steps_are_small(hot, connection, add_site, sweeper, monkeypatch):
    """However much is to be removed, a step removes a few rows, and the next ones the rest."""
    monkeypatch.setattr("counter.rollup.retention.ROWS", 3)
    monkeypatch.setattr("counter.rollup.retention.PAGES", 1)
    monkeypatch.setattr("counter.rollup.retention.SITES", 1)
    site, other = await add_site(), await add_site("other")
    await written(connection, site)
    await written(connection, other)
    while sweeper.removed("hours") < 8 or sweeper.removed("page_aggregates") < 8:
        await sweeper.sweep(1)
        assert len(sweeper.steps) < 100
    assert all(removed <= 3 for step in sweeper.steps for removed in step.values())


async def test_look_ends_when_all_were_looked_at(connection, add_site, sweeper):
    """Where there is little to do there are few steps, until the next minute; a rest follows each."""
    await written(connection, await add_site())
    await sweeper.sweep(1)
    assert len(sweeper.steps) == 2  # the second finds that there is nothing after the first
    assert sweeper.removed("hours") == 4


async def test_failure_stops_no_rollup(connection, sweeper):
    """What goes wrong is counted, and nothing is raised."""
    await connection.execute("drop function fold_old_pages")
    await sweeper.sweep(1)
    assert sweeper.metrics.postgres_errors.labels("retention")._value.get() == 1


async def test_reverting_keeps_the_totals(connection, add_site, sweeper, here):
    """Going back to a version without retention, the totals stay."""
    site = await add_site(day_months=24)
    await connection.execute("update sites set changed_at = now() - interval '1 day'")
    await written(connection, site)
    before, _pages = await figures(connection, site)
    await sweeper.sweep()
    for name in ("0009_pages_without_keys", "0007_reading", "0006_retention"):  # the last first
        text = (here / "sql" / "migrations" / f"{name}.sql").read_text(encoding="utf-8")
        await connection.execute(text.partition("-- migrate:down")[2])
    shown = await connection.fetchrow("select views, visits, visitors from site_totals")
    assert tuple(shown) == before[:3]


@pytest.mark.parametrize(
    "settings", [{"hours_days": 34}, {"page_months": 12}, {"day_months": 2}, {"hours_days": -1}]
)
def test_what_is_shown_of_late_is_kept(settings):
    """Less than what pages and widget show cannot be chosen."""
    with pytest.raises(SiteError, match="or 0 to keep them for ever"):
        SiteSettings(**settings)


def test_what_is_open_matters_only_where_something_may_be_removed():
    """Nothing of the days that are left out is removed, whatever a site chooses and in whatever zone it is."""
    with pytest.raises(SiteError, match="or 0 to keep them for ever"):
        SiteSettings(hours_days=KEPT_DAYS + 2)
