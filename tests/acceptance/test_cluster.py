"""The whole service on a Valkey Cluster and on Sentinels, whose servers die, pause, change roles and move slots."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from counter.buckets.keys import LaneKeys, lane_of
from counter.config import Settings
from counter.database import connected
from tests.acceptance.conftest import Running, SetClock, running
from tests.engines.cluster import Cluster
from tests.engines.sentinel import Sentinels

LANES = 12
SITES = [f"portal-{number}" for number in range(6)]
VISITORS = 4
"""How many hits are under way at once."""
PAUSE_SECONDS = 0.05


class Portals:
    """Some sites on a running service, which are visited without pause."""

    def __init__(self, service: Running) -> None:
        self.service = service
        self.acknowledged = 0
        self.refused = 0
        self._serial = 0

    async def hit(self) -> int:
        """Somebody new views a page of some site; returns the status."""
        self._serial += 1
        response = await self.service.hit(
            f"/{self._serial % 3}",
            site=SITES[self._serial % len(SITES)],
            query="?quiet=1",
            User_Agent=f"Mozilla/5.0 (X11; Linux x86_64) Firefox/{self._serial}.0",
        )
        self.acknowledged += response.status in {202, 204}
        self.refused += response.status >= 400
        return response.status

    @asynccontextmanager
    async def visited(self) -> AsyncIterator[None]:
        """Let visitors come while the block runs, and watch that no total falls."""
        stop = asyncio.Event()

        async def visit() -> None:
            while not stop.is_set():
                await self.hit()

        async def watch() -> None:
            highest = dict.fromkeys(SITES, 0)
            while not stop.is_set():
                for site in SITES:
                    answer = await self.service.get(f"/v1/sites/{site}/widget?metric=views")
                    if answer.status != 200:
                        continue  # a worker that has never seen a number shows none rather than 0
                    total = (await answer.json())["total"]
                    assert total >= highest[site], f"the total of {site} fell from {highest[site]} to {total}"
                    highest[site] = total
                await asyncio.sleep(PAUSE_SECONDS)

        async with asyncio.TaskGroup() as tasks:
            for _visitor in range(VISITORS):
                tasks.create_task(visit())
            tasks.create_task(watch())
            try:
                yield
            finally:
                stop.set()

    async def hits(self, number: int) -> None:
        """Wait until so many further hits were acknowledged."""
        wanted = self.acknowledged + number
        await self.until(lambda: self.acknowledged >= wanted)

    async def recorded(self) -> None:
        """Wait until Redis itself takes hits again and nothing waits in the spool."""

        async def flows() -> bool:
            waiting = [await self.service.metric(f'counter_spool_bytes{{lane="{n}"}}') for n in range(LANES)]
            return not any(waiting) and await self.hit() == 204

        await self.until(flows)

    async def stored(self) -> int:
        """Views that Postgres has once everything is rolled up."""
        return await self.stored_at_least(self.acknowledged)

    async def stored_at_least(self, wanted: int) -> int:
        """The same, where fewer may be right."""
        url = self.service.settings.database_url.get_secret_value()
        async with connected(url) as connection:

            async def views() -> int:
                return int(
                    await connection.fetchval("select coalesce(sum(views), 0)::bigint from aggregates")
                )

            async def enough() -> bool:
                return await views() >= wanted

            await self.until(enough)
            rollups = await self.service.metric("counter_rollup_seconds_count")

            async def rolled_up() -> bool:
                return await self.service.metric("counter_rollup_seconds_count") >= rollups + 2

            await self.until(rolled_up)
            return await views()

    @staticmethod
    async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while True:
                found = holds()
                if found if isinstance(found, bool) else await found:
                    return
                await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def portals_on(settings: Settings, url: str, *, replicas: int = 1) -> AsyncIterator[Portals]:
    """Run the service on several servers."""
    changes = {"redis_url": SecretStr(url), "lanes": LANES, "redis_replicas": replicas}
    async with running(settings.model_copy(update=changes), SetClock()) as service:
        for site in SITES:
            await service.add_site(site)
        portals = Portals(service)
        await portals.recorded()
        yield portals


@pytest.fixture
async def on_cluster(settings: Settings, cluster_url: str) -> AsyncIterator[Portals]:
    async with portals_on(settings, cluster_url) as portals:
        yield portals


@pytest.fixture
async def on_cluster_without_waiting(settings: Settings, cluster_url: str) -> AsyncIterator[Portals]:
    async with portals_on(settings, cluster_url, replicas=0) as portals:
        yield portals


@pytest.fixture
async def on_sentinels(settings: Settings, sentinel_url: str) -> AsyncIterator[Portals]:
    async with portals_on(settings, sentinel_url) as portals:
        yield portals


def slot_key(site: str) -> str:
    """A key of the lane of a site."""
    return LaneKeys(str(lane_of(site, LANES))).generation


async def test_lanes_are_spread_over_the_masters(on_cluster: Portals, cluster: Cluster) -> None:
    """Each master holds some lanes, and every number is right."""
    for _hit in range(60):
        assert await on_cluster.hit() == 204
    assert await on_cluster.stored() == on_cluster.acknowledged
    for master in await cluster.masters():
        assert await master.ask("DBSIZE") > 0
    totals = [(await on_cluster.service.widget(site, "views"))["total"] for site in SITES]
    assert sum(totals) == on_cluster.acknowledged


async def test_master_that_dies_costs_nothing(on_cluster: Portals, cluster: Cluster) -> None:
    """With a replica to wait for, what was acknowledged outlives its master.

    The replica that took over has none of its own, so hits wait on disk until there is one again.
    """
    async with on_cluster.visited():
        await on_cluster.hits(100)
        master = await cluster.master_of(slot_key(SITES[0]))
        cluster.kill(master)
        await on_cluster.hits(100)
        await cluster.start(master)
        await on_cluster.recorded()
    assert on_cluster.refused == 0
    assert await on_cluster.stored() == on_cluster.acknowledged


async def test_counting_goes_on_when_a_master_dies_for_good(
    on_cluster_without_waiting: Portals, cluster: Cluster
) -> None:
    """Without waiting for replicas a failover costs at most what was in flight between master and replica."""
    portals = on_cluster_without_waiting
    async with portals.visited():
        await portals.hits(100)
        cluster.kill(await cluster.master_of(slot_key(SITES[0])))
        await portals.hits(100)
        await portals.recorded()
    assert portals.refused == 0
    assert await portals.stored_at_least(portals.acknowledged - VISITORS) <= portals.acknowledged


async def test_master_that_pauses_is_replaced_and_comes_back(on_cluster: Portals, cluster: Cluster) -> None:
    """A master that hangs, and wakes as a replica, adds and takes away nothing."""
    async with on_cluster.visited():
        await on_cluster.hits(100)
        master = await cluster.master_of(slot_key(SITES[1]))
        cluster.pause(master)
        await on_cluster.hits(100)

        async def replaced() -> bool:
            return await cluster.master_of(slot_key(SITES[1])) is not master

        await on_cluster.until(replaced)
        cluster.resume(master)
        await on_cluster.hits(100)
        await cluster.wait_until_ok()
        await on_cluster.recorded()
    assert on_cluster.refused == 0
    assert await on_cluster.stored() == on_cluster.acknowledged


async def test_masters_change_roles_in_peace(on_cluster: Portals, cluster: Cluster) -> None:
    """A failover that an administrator asks for loses nothing, there and back."""
    async with on_cluster.visited():
        for _there_and_back in range(2):
            await on_cluster.hits(100)
            await cluster.failover(await cluster.master_of(slot_key(SITES[2])))
            await on_cluster.recorded()
    assert on_cluster.refused == 0
    assert await on_cluster.stored() == on_cluster.acknowledged


async def test_slot_moves_to_another_master(on_cluster: Portals, cluster: Cluster) -> None:
    """The cluster is rebalanced while hits come in: a lane moves with all its keys, and every hit counts once."""
    key = slot_key(SITES[3])
    async with on_cluster.visited():
        await on_cluster.hits(100)
        master = await cluster.master_of(key)
        slot = int(await master.ask("CLUSTER", "KEYSLOT", key))
        other = next(node for node in await cluster.masters() if node is not master)
        await cluster.move_slot(slot, other)
        await on_cluster.hits(100)
        await on_cluster.recorded()
        assert await cluster.master_of(key) is other
        await cluster.move_slot(slot, master)
        await on_cluster.recorded()
    assert on_cluster.refused == 0
    assert await on_cluster.stored() == on_cluster.acknowledged


async def test_hit_is_not_acknowledged_by_a_master_alone(on_cluster: Portals, cluster: Cluster) -> None:
    """While the replica hangs, hits wait on disk: 202, and the master's word is not enough."""
    replica = await cluster.replica_of(slot_key(SITES[0]))
    cluster.pause(replica)

    async def hit_there() -> int:
        return (await on_cluster.service.hit(site=SITES[0], query="?quiet=1")).status

    assert await hit_there() == 202
    on_cluster.acknowledged += 1
    cluster.resume(replica)
    await on_cluster.recorded()
    assert await on_cluster.stored() == on_cluster.acknowledged


async def test_sentinels_name_another_master(on_sentinels: Portals, sentinel: Sentinels) -> None:
    """The master dies, the Sentinels agree on another one, and the service finds it by itself."""
    async with on_sentinels.visited():
        await on_sentinels.hits(100)
        await sentinel.kill_master()
        await on_sentinels.hits(50)
        await on_sentinels.recorded()
    assert on_sentinels.refused == 0
    assert await on_sentinels.stored() == on_sentinels.acknowledged


async def test_master_that_wakes_among_sentinels_takes_nothing(
    on_sentinels: Portals, sentinel: Sentinels
) -> None:
    """The old master wakes and believes itself to be one still: what it is told counts only if a replica has it."""
    async with on_sentinels.visited():
        await on_sentinels.hits(100)
        master = await sentinel.master()
        sentinel.pause(master)
        await on_sentinels.hits(50)
        await on_sentinels.recorded()
        sentinel.resume(master)
        await on_sentinels.hits(100)
        await sentinel.wait_until_ok()
        await on_sentinels.recorded()
    assert on_sentinels.refused == 0
    assert await on_sentinels.stored() == on_sentinels.acknowledged
