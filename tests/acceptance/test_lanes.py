"""The number of lanes is changed on data that exist, as docs/scaling.md says it may be."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from counter.app import build
from counter.config import Settings
from counter.database import connected
from counter.errors import ConfigError
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


async def test_lanes_may_be_changed_between_two_starts(settings: Settings) -> None:
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


def with_lanes(settings: Settings, lanes: int) -> Settings:
    return settings.model_copy(update={"lanes": lanes})


async def hits(service: Running) -> list[int]:
    """Hit each site once, and return the statuses of the answers."""
    return [(await service.hit("/", site=site, query="?quiet=1")).status for site in SITES]


async def lose_shares(settings: Settings) -> None:
    """Cut the connections by which processes are seen, as a restart of Postgres does."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where application_name = 'counter lanes' and datname = current_database()"
        )


async def parts_of(service: Running) -> dict[str, Any]:
    async with service.session.get(service.admin + "/readyz") as response:
        return {"status": response.status, **(await response.json())["parts"]}


async def test_another_number_is_refused_while_processes_run(settings: Settings) -> None:
    """A second process with another number does not start, says what to do, and disturbs nobody."""
    clock = SetClock()
    async with running(settings, clock) as service:
        for site in SITES:
            await service.add_site(site)
        assert set(await hits(service)) == {204}
        with pytest.raises(ConfigError, match="stop all of them before you start one with another number"):
            async with build(with_lanes(settings, 6), clock):
                pass
        async with running(settings, clock) as second:  # the same number is welcome
            assert set(await hits(second)) == {204}
        assert set(await hits(service)) == {204}
        assert {await shown_of(service, site) for site in SITES} == {(3,) * 4}
    async with running(with_lanes(settings, 6), clock) as service:
        assert {await shown_of(service, site) for site in SITES} == {(3,) * 4}


async def test_who_lost_its_share_counts_and_shows_nothing_wrong(settings: Settings) -> None:
    """A process that nobody could see goes on with the old number: it spools, and its hits come home later."""
    clock = SetClock()
    async with AsyncExitStack() as later:
        async with running(settings, clock) as before:
            for site in SITES:
                await before.add_site(site)
            assert set(await hits(before)) == {204}
            assert {await shown_of(before, site) for site in SITES} == {(1,) * 4}
            await lose_shares(settings)
            after = await later.enter_async_context(running(with_lanes(settings, 6), clock))
            assert {await shown_of(after, site) for site in SITES} == {(1,) * 4}
            assert set(await hits(before)) == {202}
            assert set(await hits(after)) == {204}
            assert {await shown_of(after, site) for site in SITES} == {(2,) * 4}
            for site in SITES:  # some are in the same lane under both numbers
                shown = await before.widget(site, "views")
                assert (shown["total"], shown["meta"]["stale"]) in {(1, True), (2, False)}
            readiness = await parts_of(before)
            assert readiness["status"] == 503
            assert "another number of lanes" in readiness["redis"]
        while {await shown_of(after, site) for site in SITES} != {(3,) * 4}:
            for site in SITES:
                assert (await shown_of(after, site))[0] in {2, 3}
        assert {await views_of_page(after, site) for site in SITES} == {3}
        assert set(await hits(after)) == {204}
        assert {await shown_of(after, site) for site in SITES} == {(4,) * 4}


async def test_a_change_needs_redis(settings: Settings) -> None:
    """Without Redis nobody can tell what the lanes hold, so the start is refused; with it, it goes on."""
    clock = SetClock()
    async with running(settings, clock) as service:
        for site in SITES:
            await service.add_site(site)
        await hits(service)
    away = with_lanes(settings, 6).model_copy(update={"redis_url": "redis://127.0.0.1:1"})
    with pytest.raises(ConfigError, match="COUNTER_LANES was changed to 6, for which Redis has to be read"):
        async with build(Settings.model_validate(away.model_dump()), clock):
            pass
    async with running(settings, clock) as service:
        assert {await shown_of(service, site) for site in SITES} == {(1,) * 4}
