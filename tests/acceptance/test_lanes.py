"""The number of lanes is changed on data that exist, as docs/scaling.md says it may be."""

from tests.acceptance.conftest import Running, SetClock, running

SITES = [f"portal-{number}" for number in range(8)]
CHANGES = (1, 6, 2, 6, 1, 24, 6, 1)


async def shown_of(service: Running, site: str) -> tuple[int, int, int, int]:
    """Total, today, week and month, in views."""
    shown = await service.widget(site, "views")
    return shown["total"], shown["today"], shown["week"], shown["month"]


async def views_of_page(service: Running, site: str) -> int:
    answer = await (await service.get(f"/v1/sites/{site}/pages?path=/")).json()
    return int(answer["pages"][0]["views"])


async def test_lanes_may_be_changed_between_two_starts(settings, redis_url):
    """Whatever number of lanes follows another, also one that was there before, no figure falls or doubles."""
    clock = SetClock()
    async with running(settings, clock) as service:
        for site in SITES:
            await service.add_site(site)
    for counted, lanes in enumerate(CHANGES):
        async with running(settings.model_copy(update={"lanes": lanes}), clock) as service:
            for site in SITES:
                assert await shown_of(service, site) == (counted,) * 4, f"{site} with {lanes} lanes"
                assert (await service.hit("/", site=site, query="?quiet=1")).status == 204
                assert await shown_of(service, site) == (counted + 1,) * 4
                assert await views_of_page(service, site) == counted + 1
