"""The number of lanes is changed on data that exist, as docs/scaling.md says it may be."""

from redis.asyncio import Redis

from tests.acceptance.conftest import SetClock, running

SITES = [f"portal-{number}" for number in range(8)]


async def views(service, site):
    return await (await service.get(f"/v1/sites/{site}/widget?metric=views")).json()


async def test_lanes_may_be_multiplied_between_two_starts(settings, redis_url):
    """With a multiple of the lanes, or with any number on an emptied Redis, totals go on after a stop."""
    clock = SetClock()
    async with running(settings, clock) as service:
        for site in SITES:
            await service.add_site(site)
    for counted, lanes in enumerate((1, 6, 24, 2)):
        if lanes == 2:
            async with Redis.from_url(redis_url) as redis:
                await redis.flushall()
        async with running(settings.model_copy(update={"lanes": lanes}), clock) as service:
            for site in SITES:
                if counted:
                    assert (await views(service, site))["total"] == counted
                assert (await service.hit("/", site=site, query="?quiet=1")).status == 204
                shown = await views(service, site)
                assert shown["total"] == shown["today"] == counted + 1
