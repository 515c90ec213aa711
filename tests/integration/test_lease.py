"""Who rolls up: one process at a time, and never one that hangs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from counter.clock import system_clock
from counter.database import Connection, connected, read_query
from counter.metrics import Metrics
from counter.rollup.anomalies import Anomalies
from counter.rollup.loop import LEASE_KEY, RollupLoop
from counter.rollup.rollup import FindSite, Rollup
from counter.sites.registry import SiteRegistry
from tests.integration.conftest import AddSite, Hot
from tests.integration.test_rollup import NOON, Portal

ROUND_SECONDS = 0.02


class Process:
    """A process that would lead."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = metrics.registry

    def leads(self) -> bool:
        return self._registry.get_sample_value("counter_rollup_leader") == 1

    def rollups(self) -> float:
        return self.sample("counter_rollup_seconds_count")

    def sample(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(name, labels) or 0


@asynccontextmanager
async def process(
    hot: Hot, url: str, silent_seconds: float, find_site: FindSite = lambda _key: None
) -> AsyncIterator[Process]:
    """Run the loop of a process."""
    metrics = Metrics(CollectorRegistry())
    rollup = Rollup(hot.store, find_site)
    loop = RollupLoop(
        rollup,
        url,
        system_clock,
        metrics.rollup,
        ROUND_SECONDS,
        Anomalies(metrics.rollup, metrics.silence, 10),
        silent_seconds,
    )
    async with loop.running():
        yield Process(metrics)


async def until(happens: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not happens():
            await asyncio.sleep(ROUND_SECONDS)


async def test_one_leads_and_another_follows_when_it_stops(hot: Hot, database_url: str) -> None:
    """Two never lead at once while the first is heard of; when it stops, the second does."""
    async with process(hot, database_url, silent_seconds=60) as second:
        await until(second.leads)
        async with process(hot, database_url, silent_seconds=60) as third:
            async with connected(database_url) as watcher:
                done = second.rollups()
                while second.rollups() < done + 20:
                    leaders = await watcher.fetchval(
                        "select count(*) from pg_locks where locktype = 'advisory'"
                    )
                    assert leaders == 1
            assert second.leads()
            assert not third.leads()


async def test_leader_that_hangs_loses_the_lease_and_cannot_write(hot: Hot, database_url: str) -> None:
    """A paused process holds the lease for no longer than it may be silent, and its connection is gone."""
    async with connected(database_url) as hanging:
        assert await hanging.fetchval(read_query("rollup.try_lease"), LEASE_KEY)
        async with process(hot, database_url, silent_seconds=0.2) as other:
            await until(other.leads)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
                await hanging.execute("select 1")


async def test_leader_that_is_heard_of_is_not_ended(hot: Hot, database_url: str) -> None:
    """A leader that works, however long, keeps its connection."""
    async with process(hot, database_url, silent_seconds=1) as leader:
        await until(leader.leads)
        async with process(hot, database_url, silent_seconds=1) as other, connected(database_url) as watcher:
            pid = "select pid from pg_locks where locktype = 'advisory'"
            before = await watcher.fetchval(pid)
            done = leader.rollups()
            # Far longer than a leader may be silent.
            await until(lambda: leader.rollups() > done + 100)
            assert await watcher.fetchval(pid) == before
            assert not other.leads()


async def test_rollup_that_left_something_out_is_no_success(
    hot: Hot, database_url: str, connection: Connection, add_site: AddSite
) -> None:
    """What can be read is written, and the alert on a rollup that does not finish still comes."""
    site = await add_site("office", time_zone="UTC")
    office = Portal(hot, connection, await add_site("portal", time_zone="UTC"))
    await Portal(hot, connection, site).view(NOON, 1)
    await office.view(NOON, 1)
    (visitors,) = await hot.redis.keys("*bucket:portal*:visitors")
    sketch = await hot.redis.getset(visitors, b"no sketch")
    sites = SiteRegistry()
    sites.replace([site, office.site])
    async with process(hot, database_url, 60, sites.known) as leader:
        await until(lambda: leader.sample("counter_rollup_failures_total") > 1)
        assert leader.sample("counter_rollup_rows_total", table="aggregates")
        assert not leader.sample("counter_rollup_last_success_timestamp_seconds")
        await hot.redis.set(visitors, sketch or b"")
        await until(lambda: leader.sample("counter_rollup_last_success_timestamp_seconds") > 0)
    assert await office.durable_total() == 1
