"""What the role for dashboards reads: the same numbers as the widget, and nothing that is secret."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from counter.aggregates.adjustments import Ledger
from counter.clock import system_clock
from counter.config import Settings
from counter.database import connected
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.acceptance.instance import PATIENCE_SECONDS
from tests.rights import READER, database_url_of

VIEWS = {"sites", "days", "hours", "page_days", "corrections", "numbers"}


def zone_at_noon() -> str:
    """A time zone in which it is about noon, so that no day ends while a test runs."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


@pytest.fixture
async def reader(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url_of(READER, database_url))
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "select secret from public.sites",
        "select * from public.aggregates",
        "select author from public.adjustments",
        "select * from public.site_totals",
        "insert into reading.sites (site) values ('mine')",
        "create table public.mine (x integer)",
        "create table reading.mine (x integer)",
        "create temporary table mine (x integer)",
        "set role counter_service",
        "select pg_read_file('/etc/passwd')",
    ],
)
async def test_reader_reads_views_and_no_more(reader: asyncpg.Connection, statement: str) -> None:
    """Whoever takes over a dashboard sees no key that signs, no table and no name, and changes nothing."""
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
        await reader.execute(statement)
    await reader.execute("set default_transaction_read_only = off")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute(statement)


async def test_views_hold_nothing_secret(reader: asyncpg.Connection) -> None:
    """The views are those that we mean, each can be read, and none has a column that dashboards need not see."""
    rows = await reader.fetch(
        "select table_name, column_name from information_schema.columns "
        "where table_schema not in ('pg_catalog', 'information_schema')"
    )
    assert {row["table_name"] for row in rows} == VIEWS
    assert not {row["column_name"] for row in rows} & {"secret", "author", "hyperloglog", "tokens", "hosts"}
    for view in VIEWS:
        await reader.fetch(f"select * from reading.{view}")


async def test_numbers_are_those_of_the_widget(settings: Settings, reader: asyncpg.Connection) -> None:
    """After a rollup the views say what the widget says: of all metrics, with corrections, today and before."""
    clock = SetClock(system_clock() - 86_400_000)
    async with running(settings, clock) as service:
        await service.add_site(time_zone=zone_at_noon())
        for agent in (PERSON, PERSON, PERSON.replace("130", "131")):
            await service.hit(User_Agent=agent)
        clock.now_ms += 86_400_000
        for path in ("/a", "/b", "/b"):
            await service.hit(path)
        await service.hit(User_Agent="Googlebot/2.1")
        async with connected(settings.database_url.get_secret_value()) as connection:
            site = await connection.fetchval("select id from sites where key = 'portal'")
            await Ledger(connection).add(site, {"views": 1000, "visits": 100}, "moved here", "a test")
        await _agree(service, reader)
    today = await reader.fetchval("select today from reading.sites where site = 'portal'")
    day = await reader.fetchrow("select * from reading.days where site = 'portal' and day = $1", today)
    assert day is not None
    assert (day["views"], day["visits"], day["visitors"], day["bots"]) == (3, 1, 1, 1)
    hours = "select sum(views), sum(visits) from reading.hours where site = 'portal' and begins_at >= $1"
    assert tuple(await reader.fetchrow(hours, day["begins_at"])) == (3, 1)
    pages = "select path, views from reading.page_days where site = 'portal' and day = $1 order by 1"
    assert [tuple(row) for row in await reader.fetch(pages, today)] == [("/a", 1), ("/b", 2)]
    ledger = "select sum(amount) from reading.corrections where site = 'portal' and metric = 'views'"
    assert await reader.fetchval(ledger) == 1000


async def _agree(service: Running, reader: asyncpg.Connection) -> None:
    """Wait until both say the same of each metric: the rollup comes after the hits, the base after the ledger."""
    wanted = {"views": 1006, "visits": 103, "visitors": 3}
    query = (
        "select today, yesterday, week, month, total from reading.numbers "
        "where site = 'portal' and metric = $1"
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        for metric, total in wanted.items():
            row, shown = await reader.fetchrow(query, metric), await service.widget(metric=metric)
            while row is None or not row["total"] == shown["total"] == total:
                row, shown = await reader.fetchrow(query, metric), await service.widget(metric=metric)
            assert dict(row) == {name: shown[name] for name in row.keys()}  # noqa: SIM118 - a record has no `in`
