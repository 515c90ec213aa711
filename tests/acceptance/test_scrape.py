"""The metrics that are read for each scrape: bounded however many sites there are, and honest when a store is away."""

import asyncio
import re

from pydantic import SecretStr
from redis.asyncio import Redis

from counter import __version__
from counter.config import Settings
from counter.database import connected
from counter.embedded.valkey import Valkey
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.acceptance.instance import PATIENCE_SECONDS

SERIES = re.compile(r'counter_site_online_visitors\{site="([^"]+)"\} (\S+)')


async def online(service: Running) -> dict[str, float]:
    async with service.session.get(service.admin + "/metrics") as response:
        return {site: float(value) for site, value in SERIES.findall(await response.text())}


async def test_sites_have_a_bounded_number_of_series(settings: Settings) -> None:
    """The busiest get one, those that are named get one, and how many others are left out is shown."""
    chosen = {"online_series": 2, "series_sites": ("quiet", "unknown")}
    async with running(settings.model_copy(update=chosen), SetClock()) as service:
        for number, site in enumerate(("quiet", "small", "large", "largest")):
            await service.add_site(site)
            for visitor in range(number):
                await service.hit(site=site, User_Agent=PERSON.replace("130", str(100 + visitor)))
        assert await online(service) == {"quiet": 0, "large": 2, "largest": 3}
        assert await service.metric("counter_online_visitors") == 6
        assert await service.metric("counter_sites") == 4
        assert await service.metric("counter_site_series_limit") == 2
        assert await service.metric("counter_sites_without_series") == 1


async def test_thousands_of_sites_cost_no_series(settings: Settings) -> None:
    """With 3,000 sites the metrics are as many as with a few."""
    async with running(settings.model_copy(update={"online_series": 5}), SetClock()) as service:
        before = await _series(service)
        async with connected(settings.database_url.get_secret_value()) as connection:
            await connection.execute(
                "insert into sites (key) select 'site-' || number from generate_series(1, 3000) as number"
            )
        while await service.metric("counter_sites") < 3000:
            pass
        assert len(await online(service)) == 5
        assert await _series(service) - before < 100  # histograms of what was asked meanwhile, and the five


async def _series(service: Running) -> int:
    async with service.session.get(service.admin + "/metrics") as response:
        return sum(not line.startswith("#") for line in (await response.text()).splitlines())


async def test_build_and_stores(service: Running) -> None:
    """Version, pool and the state of both stores are shown, and what has not happened yet is 0."""
    async with service.session.get(service.admin + "/metrics") as response:
        text = await response.text()
    assert 'counter_build_info{python="3.' in text
    assert f'version="{__version__}"' in text
    assert 'counter_postgres_pool_connections{state="used"}' in text
    assert 'counter_redis_errors_total{operation="record"} 0.0' in text
    assert await service.metric("counter_redis_up") == await service.metric("counter_postgres_up") == 1
    assert await service.metric('counter_redis_noeviction{server="0"}') == 1
    assert await service.metric('counter_redis_aof_ok{server="0"}') == 1
    assert await service.metric('counter_redis_memory_used_bytes{server="0"}') > 0
    assert "counter_clock_ahead_seconds" in text


async def test_redis_in_a_bad_state(service: Running) -> None:
    """Another policy, no append-only file and a limit of memory are shown as they are."""
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        try:
            await redis.config_set("maxmemory-policy", "allkeys-lru")
            await redis.config_set("appendonly", "no")
            await redis.config_set("maxmemory", 1 << 33)
            assert await service.metric('counter_redis_noeviction{server="0"}') == 0
            assert await service.metric('counter_redis_aof_enabled{server="0"}') == 0
            assert await service.metric('counter_redis_aof_ok{server="0"}') == 0
            assert await service.metric('counter_redis_memory_max_bytes{server="0"}') == 1 << 33
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
            await redis.config_set("appendonly", "yes")
            await redis.config_set("maxmemory", 0)


async def test_redis_that_is_away_leaves_no_old_figures(service: Running, valkey: Valkey) -> None:
    """Without Redis there is no number of visitors and no memory, but the other metrics are there."""
    await service.hit()
    assert await online(service) == {"portal": 1}
    valkey.kill()
    await valkey.ended()
    async with service.session.get(service.admin + "/metrics") as response:
        text = await response.text()
    assert "counter_redis_up 0.0" in text
    assert "counter_site_online_visitors{" not in text
    assert "counter_redis_memory_used_bytes{" not in text
    assert "counter_postgres_up 1.0" in text
    await valkey.start()
    assert await service.metric("counter_redis_up") == 1


async def test_postgres_that_is_away(settings: Settings) -> None:
    """Without Postgres this is shown, and the scrape still answers."""
    changed = settings.model_copy(update={"database_url": SecretStr("postgresql://127.0.0.1:1/x")})
    async with running(changed, SetClock()) as service:
        assert await service.metric("counter_redis_up") == 1
        async with service.session.get(service.admin + "/metrics") as response:
            assert "counter_postgres_up 0.0" in await response.text()


async def test_buckets_that_wait(settings: Settings) -> None:
    """A bucket that changed is waiting until it is rolled up."""
    async with running(settings.model_copy(update={"rollup_seconds": 3600.0}), SetClock()) as service:
        await service.add_site()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await service.metric("counter_rollup_last_success_timestamp_seconds"):
                pass
        await service.hit()
        assert await service.metric("counter_dirty_buckets") == 1
