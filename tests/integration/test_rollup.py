"""The rollup on real engines: whatever happens to it, rows and totals come out the same, and never fall."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore
from counter.buckets.batch import Batch, Hit, Kind
from counter.buckets.keys import LaneKeys
from counter.buckets.store import BucketStore
from counter.database import Connection, connected
from counter.errors import BucketsCorruptError, BucketsUnavailableError, BusyError
from counter.rollup.closing import GRACE_MS
from counter.rollup.report import Report
from counter.rollup.rollup import Rollup
from counter.sites.calendar import day_start_ms
from counter.sites.model import Site
from counter.sites.registry import SiteRegistry
from counter.sites.store import SiteStore
from counter.widget.snapshot import Snapshot, add_up
from tests.integration.conftest import LANE, Hot
from tests.integration.model import person_id

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NOON = int(datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp() * 1000)
ROWS = "select site_id, day, lane, generation, part, views, visits, visitors, bots, hour_views, hour_visits, version from aggregates order by 1, 2, 3, 4, 5"
PAGE_ROWS = "select path, day, generation, part, views from page_aggregates join pages on pages.id = page_id order by 1, 2, 3, 4"
WAITING = (
    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
)
_SEQUENCES = count(1)


class Portal:
    """A site in UTC with both its stores, and what a test does to it."""

    def __init__(self, hot: Hot, connection: Connection, site: Site) -> None:
        self.hot = hot
        self.connection = connection
        self.aggregates = AggregateStore(connection)
        self.site = site
        self.sites = SiteRegistry()
        self.sites.replace([site])
        self.rollup = Rollup(hot.store, self.sites.known)

    async def view(self, at_ms: int, *people: int, page: str = "/a") -> None:
        """Let people view a page at a moment."""
        batch = Batch()
        for person in people:
            day = self.site.span_of(at_ms).day
            ids = person_id(person, day), person_id(person, day - timedelta(days=1))
            batch.add(Hit(self.site, at_ms, Kind.VIEW, page, *ids))
        await self.hot.record("worker", next(_SEQUENCES), batch)

    async def roll_up(self, now_ms: int, *adjusted: str) -> Report:
        return await self.rollup.run(self.aggregates, now_ms, adjusted)

    async def refresh(self, now_ms: int) -> Report:
        return await self.rollup.refresh_base(self.site.key, self.aggregates, now_ms)

    async def shown(self, now_ms: int) -> Snapshot:
        """What the widget would show; the base is made first where there is none."""
        live = await self.hot.store.read_site(self.site.key, now_ms - 300_000)
        if live.base is None:
            await self.refresh(now_ms)
            live = await self.hot.store.read_site(self.site.key, now_ms - 300_000)
        return add_up(live, now_ms)

    async def rows(self) -> list[Any]:
        return [tuple(row) for row in await self.connection.fetch(ROWS)] + [
            tuple(row) for row in await self.connection.fetch(PAGE_ROWS)
        ]

    async def durable_total(self) -> int:
        total: int = await self.connection.fetchval(
            "select views from site_totals where site = $1", self.site.key
        )
        return total


@pytest.fixture
async def portal(hot: Hot, connection: Connection, add_site: Callable[..., Awaitable[Site]]) -> Portal:
    return Portal(hot, connection, await add_site("portal", time_zone="UTC"))


async def test_rollup_writes_what_redis_holds(portal: Portal) -> None:
    """Rows, hours and pages equal the buckets, and the widget shows the same before and after."""
    await portal.view(NOON, 1, 2, 3)
    await portal.view(NOON + HOUR_MS, 1, page="/b")
    before = await portal.shown(NOON + HOUR_MS)
    report = await portal.roll_up(NOON + HOUR_MS)
    row = await portal.connection.fetchrow("select * from aggregates")
    assert (row["views"], row["visits"], row["visitors"]) == (4, 4, 3)
    assert (row["hour_views"][12], row["hour_views"][13], row["hour_visits"][13]) == (3, 1, 1)
    pages = await portal.connection.fetch(
        "select path, views from page_aggregates join pages on id = page_id"
    )
    assert {page["path"]: page["views"] for page in pages} == {"/a": 3, "/b": 1}
    assert (report.rows, report.page_rows) == (1, 2)
    assert await portal.shown(NOON + HOUR_MS) == before
    assert await portal.roll_up(NOON + HOUR_MS) == Report(0, 0, 0, 0)


async def test_rollup_writes_only_pages_that_changed(portal: Portal) -> None:
    """A page that was settled is not written again until it changes."""
    await portal.view(NOON, 1)
    await portal.roll_up(NOON)
    await portal.view(NOON, 1, page="/b")
    assert (await portal.roll_up(NOON)).page_rows == 1


async def test_day_is_closed_after_its_rollup_and_the_total_stays(portal: Portal) -> None:
    """A closed day leaves Redis, stays in the total, and yesterday's number is today's of yesterday."""
    await portal.view(NOON, 1, 2)
    before = await portal.shown(NOON)
    await portal.roll_up(NOON + DAY_MS)
    after = await portal.shown(NOON + DAY_MS)
    assert after.total == before.total
    assert after.days[date(2026, 6, 10)].visits == 2
    assert await portal.hot.store.bucket_names(LANE) == (set(), set())
    assert not await portal.hot.redis.keys("*bucket*")


async def test_hits_after_the_close_of_their_day_count(portal: Portal) -> None:
    """A hit that comes when its day is closed goes into a bucket of its own, and none is absorbed."""
    await portal.view(NOON, 1, 2)
    await portal.roll_up(NOON + DAY_MS)
    for late in range(1, 4):
        await portal.view(NOON + late, 3)
        await portal.roll_up(NOON + DAY_MS)
        assert (await portal.shown(NOON + DAY_MS)).total.views == 2 + late
        assert await portal.durable_total() == 2 + late
    assert (await portal.shown(NOON + DAY_MS)).days[date(2026, 6, 10)].visitors == 3


async def test_visitors_of_a_day_in_two_buckets_are_counted_once(portal: Portal) -> None:
    """The same visitor before and after a wipe of Redis is one visitor, live and rolled up, and they add up in SQL."""
    await portal.view(NOON, 1, 2)
    await portal.roll_up(NOON)
    await portal.hot.redis.flushall()
    await portal.view(NOON + 1, 2, 3)
    assert (await portal.shown(NOON)).total.visitors == 3
    await portal.roll_up(NOON)
    assert await portal.connection.fetchval("select sum(visitors) from aggregates") == 3
    await portal.roll_up(NOON + DAY_MS)
    assert (await portal.shown(NOON + DAY_MS)).total.visitors == 3


async def test_total_never_falls_when_redis_is_wiped(portal: Portal) -> None:
    """After a rollup Redis may lose everything: the total stays, today goes on, every later hit shows."""
    await portal.view(NOON, *range(50))
    await portal.roll_up(NOON)
    await portal.hot.redis.flushall()
    assert (await portal.shown(NOON)).total.views == 50
    for more in range(1, 6):
        await portal.view(NOON + more, 100 + more)
        shown = await portal.shown(NOON)
        assert (shown.total.views, shown.days[date(2026, 6, 10)].views) == (50 + more, 50 + more)
    await portal.roll_up(NOON)
    assert await portal.durable_total() == 55


async def test_no_hit_is_absorbed_after_an_older_snapshot_is_restored(portal: Portal) -> None:
    """Redis comes back with less than was rolled up: a new generation begins, and every hit shows."""
    await portal.view(NOON, *range(10))
    await portal.roll_up(NOON)
    old = {key: await portal.hot.redis.dump(key) for key in await portal.hot.redis.keys("*")}
    await portal.view(NOON, *range(10, 30))
    await portal.roll_up(NOON)
    await portal.hot.redis.flushall()
    for key, dump in old.items():
        await portal.hot.redis.restore(key, 0, dump)
    # The data are another life's now, as their replication id tells.
    await portal.hot.redis.hset(LANE.generation, "life", "the one before")
    await portal.hot.store.generation(LANE)
    assert (await portal.shown(NOON)).total.views == 30
    for more in range(1, 6):
        await portal.view(NOON + 1, 50 + more)
        assert (await portal.shown(NOON)).total.views == 30 + more
    await portal.roll_up(NOON)
    assert await portal.durable_total() == 35


async def test_restart_that_lost_nothing_keeps_what_was_not_rolled_up(portal: Portal) -> None:
    """Redis restarts with its file: what it held beyond the last rollup still counts, in the old generation."""
    await portal.view(NOON, 1, 2)
    await portal.roll_up(NOON)
    await portal.view(NOON, 3)
    await portal.hot.redis.hset(LANE.generation, "life", "the one before")
    await portal.hot.store.generation(LANE)
    await portal.view(NOON + 1, 4)
    assert (await portal.shown(NOON)).total.views == 4
    await portal.roll_up(NOON)
    assert await portal.durable_total() == 4
    assert await portal.connection.fetchval("select count(distinct generation) from aggregates") == 2


async def test_two_rollups_at_once_leave_the_rows_of_one(portal: Portal, database_url: str) -> None:
    """Rollups that overlap write the same absolute values."""
    await portal.view(NOON, *range(20))
    async with connected(database_url) as second, connected(database_url) as third:
        for round_ in range(5):
            await portal.view(NOON + round_, 50 + round_, page=f"/{round_}")
            await asyncio.gather(
                portal.roll_up(NOON),
                portal.rollup.run(AggregateStore(second), NOON),
                portal.rollup.refresh_base(portal.site.key, AggregateStore(third), NOON),
            )
            assert await portal.durable_total() == 21 + round_
            assert (await portal.shown(NOON)).total.views == 21 + round_
    assert len(await portal.connection.fetch("select * from aggregates")) == 1
    assert await portal.connection.fetchval("select sum(views) from page_aggregates") == 25


class Killed(BaseException):
    """The process ended here."""


class Mortal:
    """Passes calls on, and ends the process before or after the n-th of them."""

    def __init__(self, target: object, steps: "Steps") -> None:
        self._target = target
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._steps.pass_by(f"before {name}")
            result = await found(*args, **kwargs)
            self._steps.pass_by(f"after {name}")
            return result

        return call


class Steps:
    """Counts the steps, and ends at one."""

    def __init__(self, last: int) -> None:
        self.left = last
        self.passed: list[str] = []

    def pass_by(self, name: str) -> None:
        self.passed.append(name)
        self.left -= 1
        if self.left == 0:
            raise Killed(name)


async def test_rollup_killed_at_every_step_leaves_the_rows_of_a_whole_one(
    portal: Portal, connection: Connection
) -> None:
    """Wherever a rollup ends, hits go on, and the next one brings rows and total to what they must be."""
    views = 0
    ended_at: list[str] = []
    for last in count(1):
        day_ms = last * DAY_MS
        await portal.view(NOON + day_ms, 1, 2, page=f"/{last}")
        steps = Steps(last)
        dying = Rollup(_mortal(portal.hot.store, steps), portal.sites.known)
        try:
            # The day before is closed in this rollup, the new one is open.
            await dying.run(_mortal(portal.aggregates, steps), NOON + day_ms)
        except Killed as end:
            ended_at.append(str(end))
        await portal.view(NOON + day_ms, 3, page=f"/{last}")
        views += 3
        assert (await portal.shown(NOON + day_ms)).total.views == views
        await portal.roll_up(NOON + day_ms)
        assert (await portal.shown(NOON + day_ms)).total.views == views
        assert await portal.durable_total() == views
        if steps.left > 0:
            break
    assert {
        "before write",
        "after write",
        "before settle",
        "after settle",
        "before fold",
        "after fold",
    } <= set(ended_at)
    rows = await connection.fetch("select views, visits, visitors from aggregates")
    assert {tuple(row) for row in rows} == {(3, 3, 3)}
    assert {row["views"] for row in await connection.fetch("select views from page_aggregates")} == {3}


def _mortal(target: BucketStore | AggregateStore, steps: Steps) -> Any:
    return Mortal(target, steps)


async def test_paused_leader_cannot_put_an_old_base_in_place(portal: Portal) -> None:
    """A rollup that was stopped before its last step, and goes on later, changes nothing any more."""
    await portal.view(NOON, 1)
    go_on, reached = asyncio.Event(), asyncio.Event()

    class Paused(Mortal):
        def __getattr__(self, name: str) -> Any:
            found = getattr(self._target, name)
            if name != "fold":
                return found

            async def fold(*args: Any) -> Any:
                reached.set()
                await go_on.wait()
                return await found(*args)

            return fold

    old = Rollup(Paused(portal.hot.store, Steps(0)), portal.sites.known)  # type: ignore[arg-type]
    leader = asyncio.create_task(old.run(portal.aggregates, NOON + DAY_MS))
    await reached.wait()
    await portal.roll_up(NOON + DAY_MS)
    await Ledger(portal.connection).add(portal.site.id, {"views": 100}, "opening balance", "an office")
    await portal.roll_up(NOON + DAY_MS, portal.site.key)
    go_on.set()
    assert (await leader).postponed == 1
    assert (await portal.shown(NOON + DAY_MS)).total.views == 101


async def test_stale_row_does_not_replace_a_later_one(portal: Portal) -> None:
    """A write that was on its way for minutes loses against one that knew more."""
    await portal.view(NOON, 1)
    reads: list[Any] = []

    class Slow(AggregateStore):
        async def write(self, rows: Any, *_others: Any, **_named: Any) -> bool:
            reads.append(rows)
            return True

    await portal.rollup.run(Slow(portal.connection), NOON)
    await portal.view(NOON, 2)
    await portal.roll_up(NOON)
    await portal.refresh(NOON)
    await portal.aggregates.write(reads[0])
    assert await portal.durable_total() == 2


async def test_adjustment_moves_the_total_and_stands_in_the_ledger(portal: Portal) -> None:
    """After an opening balance the total starts there; ledger and aggregates together are the total shown."""
    await portal.view(NOON, 1, 2, 3)
    await portal.roll_up(NOON)
    await Ledger(portal.connection).add(portal.site.id, {"visits": 412_132}, "opening balance", "an office")
    await portal.roll_up(NOON, portal.site.key)
    assert (await portal.shown(NOON)).total.visits == 412_135
    assert (await Ledger(portal.connection).totals("portal"))["visits"] == 412_135


@pytest.mark.parametrize("statement", ["update adjustments set amount = 0", "delete from adjustments"])
async def test_ledger_cannot_be_changed(portal: Portal, statement: str) -> None:
    """The database itself refuses to change or drop a row of the ledger."""
    await Ledger(portal.connection).add(portal.site.id, {"views": 5}, "a correction", "an office")
    with pytest.raises(Exception, match="the ledger is only ever added to"):
        await portal.connection.execute(statement)


async def test_buckets_of_a_removed_site_are_discarded(portal: Portal) -> None:
    """A site that is gone leaves nothing behind, and does not stop the rollup of others."""
    await portal.view(NOON, 1)
    await SiteStore(portal.connection).remove(portal.site.key)
    portal.sites.replace([])
    await portal.roll_up(NOON)
    assert await portal.hot.store.bucket_names(LANE) == (set(), set())
    assert not await portal.hot.redis.keys("*portal*")


async def test_buckets_of_a_site_that_only_we_do_not_know_wait(portal: Portal) -> None:
    """A worker whose list of sites is old drops nothing: the buckets wait until it knows the site."""
    await portal.view(NOON, 1)
    portal.sites.replace([])
    await portal.roll_up(NOON)
    portal.sites.replace([portal.site])
    await portal.roll_up(NOON)
    assert await portal.durable_total() == 1


async def test_nothing_is_judged_before_the_sites_were_read(portal: Portal) -> None:
    """A process that never read the sites rolls nothing up, discards nothing, and takes no hit for unknown."""
    await portal.view(NOON, 1)
    unread = SiteRegistry()
    with pytest.raises(BusyError):
        await Rollup(portal.hot.store, unread.known).run(portal.aggregates, NOON)
    with pytest.raises(BusyError):
        unread.find("portal")
    await portal.roll_up(NOON)
    assert await portal.durable_total() == 1


async def test_bucket_that_changes_no_more_is_closed_a_minute_after_its_day(portal: Portal) -> None:
    """The first rollup from then on closes it, though nobody came since it was written down, and no earlier one does."""
    await portal.view(NOON, 1)
    day = portal.site.span_of(NOON).day
    closes_ms = day_start_ms(ZoneInfo(portal.site.settings.time_zone), day + timedelta(days=1)) + GRACE_MS
    await portal.roll_up(NOON)
    await portal.roll_up(closes_ms - 1)
    assert [(await portal.roll_up(at_ms)).folded for at_ms in (closes_ms - 1, closes_ms, closes_ms)] == [
        0,
        1,
        0,
    ]


async def test_closing_that_failed_is_tried_again_in_the_same_minute(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is open is looked at again, not only what has changed, until the closing is done."""
    await portal.view(NOON, 1)
    await portal.roll_up(NOON)
    with monkeypatch.context() as broken:
        broken.setattr(portal.hot.store, "fold", partial(_raise, BucketsUnavailableError("gone")))
        for _ in range(2):
            with pytest.raises(BucketsUnavailableError):
                await portal.roll_up(NOON + DAY_MS)
    with monkeypatch.context() as overtaken:
        overtaken.setattr(portal.hot.store, "fold", _postpone)
        assert (await portal.roll_up(NOON + DAY_MS)).postponed == 1
    assert (await portal.roll_up(NOON + DAY_MS)).folded == 1


async def _raise(error: Exception, *_args: object) -> list[bool]:
    raise error


async def _postpone(_lane: LaneKeys, folds: Sequence[object]) -> list[bool]:
    return [False] * len(folds)


async def test_rollup_of_many_pages_goes_in_parts(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """More pages than a statement writes, or than a call reads, are written all the same, once each."""
    monkeypatch.setattr("counter.aggregates.store.PAGES_AT_ONCE", 3)
    monkeypatch.setattr("counter.buckets.store.ENOUGH_PAGES", 5)
    for number in range(8):
        await portal.view(NOON, 1, page=f"/{number}")
    await portal.view(NOON - DAY_MS, 2, page="/before")
    report = await portal.roll_up(NOON - DAY_MS)
    assert (report.rows, report.page_rows) == (2, 9)
    assert await portal.connection.fetchval("select sum(views) from page_aggregates") == 9
    assert await portal.roll_up(NOON - DAY_MS) == Report(0, 0, 0, 0)


async def test_paths_are_written_as_they_are(portal: Portal) -> None:
    """No letter or sign that a path may have is changed on its way."""
    pages = {"/tin tức/việt", '/"a"', "/a\\b", "/{a,b}", "/[1]?q=%5C", "/\u2028😀", "/null", "(other)"}
    for page in pages:
        await portal.view(NOON, 1, page=page)
    for _known in range(2):
        await portal.roll_up(NOON)
        assert {row["path"] for row in await portal.connection.fetch("select path from pages")} == pages
        await portal.view(NOON, 2, page='/"a"')


async def test_what_comes_while_rows_are_written_is_not_settled(portal: Portal) -> None:
    """A page that gets a view between reading and settling is written again, and one that got none is not."""

    class Late(AggregateStore):
        async def write(self, *args: Any, **named: Any) -> bool:
            written = await super().write(*args, **named)
            await portal.view(NOON, 3, page="/b")
            return written

    await portal.view(NOON, 1)
    await portal.view(NOON, 1, page="/b")
    await portal.rollup.run(Late(portal.connection), NOON)
    assert (await portal.roll_up(NOON)).page_rows == 1
    pages = await portal.connection.fetch(
        "select path, views from page_aggregates join pages on id = page_id"
    )
    assert {page["path"]: page["views"] for page in pages} == {"/a": 1, "/b": 2}


async def test_pages_named_by_two_at_once_are_written_by_both(portal: Portal, database_url: str) -> None:
    """A page whose name is on its way in another transaction is waited for, and keeps its views."""
    await portal.view(NOON, 1, page="/new")
    async with connected(database_url) as other:
        naming = other.transaction()
        await naming.start()
        await other.execute("insert into pages (site_id, path) values ($1, '/new')", portal.site.id)
        writing = asyncio.create_task(portal.roll_up(NOON))
        while not await other.fetchval(WAITING):
            assert not writing.done()
        await naming.commit()
        await writing
    assert await portal.connection.fetchval("select sum(views) from page_aggregates") == 1


async def test_new_page_written_by_two_at_once_keeps_the_larger_views(
    portal: Portal, database_url: str
) -> None:
    """A row of a page that nobody had when it was named, and somebody has when it is written, is only raised."""
    await portal.view(NOON, 1)
    await portal.roll_up(NOON)
    for visitor in range(3):
        await portal.view(NOON, visitor, page="/fewer")
        await portal.view(NOON, visitor, page="/more")
    async with connected(database_url) as other:
        writing = other.transaction()
        await writing.start()
        await other.execute("select from aggregates for update")
        rolling = asyncio.create_task(portal.roll_up(NOON))
        while not await other.fetchval(WAITING):
            assert not rolling.done()
        await other.execute(
            "insert into page_aggregates select pages.id, day, lane, generation, part, "
            "case path when '/more' then 9 else 1 end from aggregates, pages where path <> '/a'"
        )
        await writing.commit()
        await rolling
    pages = await portal.connection.fetch(
        "select path, views from page_aggregates join pages on id = page_id"
    )
    assert {page["path"]: page["views"] for page in pages} == {"/a": 1, "/fewer": 3, "/more": 9}


async def test_row_that_should_be_alone_is_not_written_beside_another(portal: Portal) -> None:
    """Visitors are only counted as they are where no other row of the day may have them."""
    await portal.view(NOON, 1)
    await portal.view(NOON - DAY_MS, 1)
    reads: list[Any] = []

    class Seen(AggregateStore):
        async def write(self, rows: Any, *others: Any, **named: Any) -> bool:
            reads.append(rows)
            return await super().write(rows, *others, **named)

    await portal.rollup.run(Seen(portal.connection), NOON - DAY_MS)
    one, other = reads[0]
    later = one._replace(key=one.key._replace(part=9))
    assert not await portal.aggregates.write([later], alone=True)
    assert not await portal.aggregates.write([other, other._replace(key=later.key)], alone=True)
    assert len(await portal.rows()) == 2 + 2
    assert await portal.aggregates.write([one], alone=True)


async def test_rollup_rests_between_its_steps(portal: Portal) -> None:
    """Who runs it is told how many buckets each step was about."""
    told: list[int] = []

    async def rest(buckets: int) -> None:
        told.append(buckets)

    await portal.view(NOON, 1)
    await portal.rollup.run(portal.aggregates, NOON + DAY_MS, rest=rest)
    assert told == [1, 1]  # written, then closed


async def test_bucket_that_cannot_be_read_is_left_out_alone(portal: Portal) -> None:
    """Somebody has written over a bucket: all others are rolled up, and it follows once it is mended."""
    for day in range(4):
        await portal.view(NOON + day * DAY_MS, 1, 2, page=f"/{day}")
    visitors = sorted(await portal.hot.redis.keys("*bucket*:visitors"))[1]
    kept = await portal.hot.redis.getset(visitors, b"no sketch")
    report = await portal.roll_up(NOON)
    assert (report.rows, report.page_rows, report.corrupt) == (3, 3, 1)
    assert await portal.durable_total() == 6
    opened, dirty = await portal.hot.store.bucket_names(LANE)
    assert (len(opened), [name.day for name in dirty]) == (4, [date(2026, 6, 11)])
    await portal.hot.redis.set(visitors, kept)
    assert await portal.roll_up(NOON) == Report(1, 1, 0, 0)
    assert await portal.durable_total() == 8


async def test_site_that_cannot_be_folded_holds_up_no_other(
    portal: Portal, add_site: Callable[..., Awaitable[Site]]
) -> None:
    """A closed day that cannot be read stays in Redis, and the days of other sites are closed meanwhile."""
    portal.sites.replace([portal.site, await add_site("other", time_zone="UTC")])
    other = Portal(portal.hot, portal.connection, portal.sites.find("other"))
    await portal.view(NOON, 1)
    await other.view(NOON, 1)
    await portal.roll_up(NOON)
    await portal.hot.redis.set((await portal.hot.redis.keys("*bucket:portal*:visitors"))[0], b"no sketch")
    report = await portal.roll_up(NOON + DAY_MS)
    assert (report.folded, report.corrupt) == (1, 1)
    opened, _dirty = await portal.hot.store.bucket_names(LANE)
    assert [name.site for name in opened] == ["portal"]


async def test_rollup_ends_where_hardly_anything_can_be_read(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where bucket after bucket cannot be read, the rollup fails instead of asking for each."""
    monkeypatch.setattr("counter.rollup.rollup.MOST_CORRUPT", 2)
    for day in range(3):
        await portal.view(NOON + day * DAY_MS, 1)
    for visitors in await portal.hot.redis.keys("*bucket*:visitors"):
        await portal.hot.redis.set(visitors, b"no sketch")
    with pytest.raises(BucketsCorruptError):
        await portal.roll_up(NOON)


async def test_visitors_of_a_day_are_credited_in_the_order_of_its_buckets(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day in two buckets that are written apart never has a visitor twice, not even between two steps."""
    monkeypatch.setattr("counter.buckets.store.ENOUGH_PAGES", 1)
    portal.sites.replace([portal.site])
    for number in range(12):
        at_ms = NOON + number * DAY_MS
        await portal.view(at_ms, 1, 2, 3)
        await portal.hot.redis.hset(LANE.generation, "life", f"the one before {number}")
        await portal.hot.store.generation(LANE)
        await portal.view(at_ms, 1, 2, 3)
        seen: list[int] = []

        async def rest(_buckets: int, at_ms: int = at_ms, seen: list[int] = seen) -> None:
            visitors = "select sum(visitors) from aggregates where day = $1"
            seen.append(await portal.connection.fetchval(visitors, portal.site.span_of(at_ms).day))

        await portal.rollup.run(portal.aggregates, at_ms, rest=rest)
        assert seen == [3, 3]


async def test_writers_of_one_bucket_wait_for_each_other(
    portal: Portal, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that write the pages of a bucket in parts, each in an order of its own, do not lock each other out."""
    monkeypatch.setattr("counter.aggregates.store.PAGES_AT_ONCE", 1)
    for number in range(12):
        await portal.view(NOON, 1, page=f"/{number}")
    reads: list[Any] = []

    class Seen(AggregateStore):
        async def write(self, rows: Any, *others: Any, **named: Any) -> bool:
            reads.append(rows)
            return await super().write(rows, *others, **named)

    await portal.rollup.run(Seen(portal.connection), NOON)
    (row,) = reads[0]
    async with connected(database_url) as other:
        stores = portal.aggregates, AggregateStore(other)
        for more in range(1, 21):
            pages = {page: views + more for page, views in row.pages.items()}
            orders = pages, dict(reversed(pages.items()))
            changed = (row._replace(version=row.version + more, pages=order) for order in orders)
            await asyncio.gather(
                *(store.write([row]) for store, row in zip(stores, changed, strict=True)),
            )
    assert await portal.connection.fetchval("select sum(views) from page_aggregates") == 12 * 21


async def test_visitors_after_a_base_without_open_buckets(portal: Portal) -> None:
    """A base made while a day has no open bucket knows who was there: newcomers count, others do not."""
    await portal.view(NOON, 1, 2, 3)
    await portal.rollup.close_all(portal.aggregates)
    assert (await portal.shown(NOON)).total.visitors == 3
    await portal.view(NOON + MINUTE_MS, 3, 4)
    assert (await portal.shown(NOON + MINUTE_MS)).total.visitors == 4
    await portal.roll_up(NOON + MINUTE_MS)
    assert (await portal.shown(NOON + MINUTE_MS)).total.visitors == 4
    assert await portal.connection.fetchval("select sum(visitors) from aggregates") == 4
