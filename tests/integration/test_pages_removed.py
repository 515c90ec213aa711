"""No page and no row of one outlives its site, whoever comes first: Postgres has no foreign keys for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from counter.database import Connection, connected
from counter.errors import AggregatesUnavailableError
from tests.integration.test_rollup import NOON, Portal
from tests.integration.test_rollup import portal as portal  # noqa: PLC0414 - the fixture

WAITING = (
    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
)
LEFT = "select (select count(*) from pages), (select count(*) from page_aggregates), (select count(*) from aggregates)"
REMOVE = "delete from sites where key = 'portal'"


async def begun(doing: Coroutine[Any, Any, Any], watcher: Connection) -> asyncio.Task[Any]:
    """Begin what has to wait for a lock, and return once it does."""
    task = asyncio.create_task(doing)
    while not await watcher.fetchval(WAITING):
        assert not task.done()
    return task


async def left(connection: Connection) -> tuple[int, ...]:
    return tuple(await connection.fetchrow(LEFT))


@pytest.mark.parametrize("known", [False, True])
async def test_pages_that_are_written_before_go_with_their_site(
    portal: Portal, database_url: str, *, known: bool
) -> None:
    """A removal waits for a rollup that is writing, and takes its rows with it."""
    await portal.view(NOON, 1, page="/a")
    if known:
        await portal.roll_up(NOON)
        await portal.view(NOON, 2, page="/b")
    async with connected(database_url) as other:
        async with portal.connection.transaction():
            await portal.roll_up(NOON)
            removing = await begun(other.execute(REMOVE), portal.connection)
        assert await removing == "DELETE 1"
    assert await left(portal.connection) == (0, 0, 0)


@pytest.mark.parametrize("known", [False, True])
async def test_no_page_is_written_after_its_site(portal: Portal, database_url: str, *, known: bool) -> None:
    """A rollup waits for a removal that is on its way, fails, and leaves nothing."""
    await portal.view(NOON, 1, page="/a")
    if known:
        await portal.roll_up(NOON)
        await portal.view(NOON, 2, page="/a")
    async with connected(database_url) as other:
        async with other.transaction():
            await other.execute(REMOVE)
            rolling = await begun(portal.roll_up(NOON), other)
        with pytest.raises(AggregatesUnavailableError):
            await rolling
    assert await left(portal.connection) == (0, 0, 0)


@pytest.mark.parametrize("known", [False, True])
async def test_no_page_is_written_whose_site_goes_once_it_is_named(
    portal: Portal, database_url: str, *, known: bool
) -> None:
    """A site is removed between the statement that names its pages and the one that writes their rows."""
    if known:
        await portal.view(NOON, 1, page="/a")
    await portal.roll_up(NOON)
    await portal.view(NOON, 2, page="/a")
    await portal.view(NOON, 2, page="/b")
    async with connected(database_url) as other:
        async with other.transaction():
            await other.execute("select from generations for update")
            rolling = await begun(portal.roll_up(NOON), other)
            assert await other.fetchval("select count(*) from pages") == 2
            await other.execute(REMOVE)
        with pytest.raises(AggregatesUnavailableError):
            await rolling
    assert await left(portal.connection) == (0, 0, 0)
