"""The list of sites in memory: whatever changes in Postgres is there within a moment, and only that is read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from counter.database import Connection, Pool, connected, open_pool
from counter.sites.model import Site
from counter.sites.registry import SiteRegistry, followed, refresh
from counter.sites.store import Moment, SiteStore

Add = Callable[..., Awaitable[Site]]
NEVER = 3600.0


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url) as found:
        yield found


async def read(connection: Connection, moment: Moment) -> list[str]:
    """Return which sites changed since a moment."""
    found = SiteStore(connection).changed_since(moment.horizon)
    return [site.key async for sites in found for site in sites]


async def test_only_what_changed_is_read_again(
    add_site: Add, connection: Connection, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sites are added, changed and removed, each beside others: the registry is what Postgres has."""
    monkeypatch.setattr("counter.sites.store.SITES_AT_ONCE", 2)
    registry = SiteRegistry()
    for number in range(5):
        await add_site(f"site-{number}")
    moment = await refresh(registry, pool)
    before = {site.key: site for site in registry}
    assert sorted(before) == [f"site-{number}" for number in range(5)]

    await connection.execute("update sites set name = 'changed' where key = 'site-1'")
    await add_site("site-5")
    await SiteStore(connection).remove("site-2")
    assert await read(connection, moment) == ["site-1", "site-5"]
    moment = await refresh(registry, pool, moment)
    after = {site.key: site for site in registry}
    assert sorted(after) == ["site-0", "site-1", "site-3", "site-4", "site-5"]
    assert after["site-1"].settings.name == "changed"
    assert after["site-3"] is before["site-3"]
    assert await read(connection, moment) == []


async def test_change_that_is_committed_late_is_seen(
    add_site: Add, connection: Connection, pool: Pool, database_url: str
) -> None:
    """A transaction that began before a look, and ends after it, is in the next one."""
    registry = SiteRegistry()
    await add_site("slow")
    await add_site("fast")
    moment = await refresh(registry, pool)
    async with connected(database_url) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("update sites set name = 'slow' where key = 'slow'")
        await connection.execute("update sites set name = 'fast' where key = 'fast'")
        moment = await refresh(registry, pool, moment)
        assert {site.key: site.settings.name for site in registry} == {"slow": "", "fast": "fast"}
        await transaction.commit()
    await refresh(registry, pool, moment)
    assert {site.key: site.settings.name for site in registry} == {"slow": "slow", "fast": "fast"}


async def test_key_that_is_given_to_another_site_is_the_other_site(
    add_site: Add, connection: Connection, pool: Pool
) -> None:
    """A key that was removed and added between two looks is the new site, and a renamed site leaves no old one."""
    registry = SiteRegistry()
    old, renamed = await add_site("office"), await add_site("before")
    moment = await refresh(registry, pool)
    await SiteStore(connection).remove("office")
    await connection.execute("delete from removed_sites")
    new = await add_site("office")
    await connection.execute("update sites set key = 'after' where id = $1", renamed.id)
    await refresh(registry, pool, moment)
    assert registry.find("office").id == new.id != old.id
    assert registry.known("before") is None
    assert registry.find("after").id == renamed.id


async def test_another_server_has_other_transactions(
    add_site: Add, connection: Connection, pool: Pool
) -> None:
    """A server that took over may be behind in its transactions: what it has is read whole."""
    registry = SiteRegistry()
    await add_site("office")
    moment = await refresh(registry, pool)
    await connection.execute("update sites set name = 'changed'")
    ahead = str(int(moment.horizon) + 1_000_000)
    after = await refresh(registry, pool, Moment("another", ahead))
    assert registry.find("office").settings.name == "changed"
    assert after.server == moment.server


async def test_notified_changes_are_followed(
    add_site: Add, connection: Connection, pool: Pool, database_url: str
) -> None:
    """Between two looks it is enough that Postgres tells of a change, whoever made it."""
    registry = SiteRegistry()
    await add_site("here")
    async with followed(registry, pool, database_url, NEVER), asyncio.timeout(30):
        for name in ("one", "two"):
            await _listening(connection)
            await connection.execute("update sites set name = $1", name)
            while registry.find("here").settings.name != name:
                await asyncio.sleep(0.01)
        await SiteStore(connection).remove("here")
        while registry.known("here"):
            await asyncio.sleep(0.01)


async def _listening(connection: Connection) -> None:
    """Wait until the follower has said that it listens."""
    listens = "select exists (select from pg_stat_activity where query ilike 'listen%' and datname = current_database())"
    while not await connection.fetchval(listens):
        await asyncio.sleep(0.01)
