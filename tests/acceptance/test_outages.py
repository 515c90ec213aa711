"""When Redis or Postgres is away: no wrong number, no lost count, and it goes on by itself."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from counter.config import Settings
from counter.database import connected
from counter.embedded.postgres import Postgres
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.conftest import Running, SetClock, running
from tests.proxy import Link, proxied

HEARTBEAT = '{"site":"portal"}'


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    async with proxied(redis_url) as found:
        yield found


@pytest.fixture
async def linked(settings: Settings, link: Link) -> AsyncIterator[Running]:
    """A service whose link to Redis can be cut."""
    async with running(settings.model_copy(update={"redis_url": SecretStr(link.url)}), SetClock()) as service:
        await service.add_site()
        yield service


async def test_numbers_stay_and_say_that_they_are_stale(linked: Running, link: Link) -> None:
    """Without Redis the widget shows the last good numbers with their time, never 0; hits are kept on disk."""
    await linked.hit()
    good = await linked.widget()
    link.refuses = True
    link.cut()
    linked.clock.now_ms += 60_000
    stale = await linked.widget()
    assert stale["meta"]["stale"] is True
    assert stale["meta"]["as_of"] == good["meta"]["as_of"]
    assert {**stale, "meta": 0} == {**good, "meta": 0}
    kept = await linked.hit()
    assert (kept.status, (await kept.json())["meta"]["stale"]) == (202, True)
    assert (await linked.hit(query="?quiet=1")).status == 202
    async with linked.session.get(linked.admin + "/readyz") as response:
        assert response.status == 200
        assert (await response.json())["parts"]["redis"].startswith("Redis does not answer")
    assert await linked.metric('counter_spool_bytes{lane="0"}') > 0
    link.refuses = False
    while (await linked.widget(metric="views"))["total"] != 3:
        pass
    assert (await linked.widget())["meta"]["stale"] is False
    while (await linked.hit()).status != 200:
        pass
    assert await linked.metric("counter_replayed_hits_total") >= 2


async def test_hit_is_refused_without_redis_and_spool(settings: Settings, link: Link) -> None:
    """Where no spool is kept, a hit that cannot be counted is told to come again, and readiness says so."""
    bare = settings.model_copy(update={"redis_url": SecretStr(link.url), "spool_mb": 0})
    async with running(bare, SetClock()) as service:
        await service.add_site()
        assert (await service.hit()).status == 200
        link.refuses = True
        link.cut()
        refused = await service.hit()
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert (await refused.json())["type"] == "urn:counter:problem:busy"
        async with service.session.get(service.admin + "/readyz") as response:
            assert response.status == 503


async def test_no_number_is_better_than_a_wrong_one(settings: Settings, link: Link) -> None:
    """A service that never saw Redis answers 503 rather than 0."""
    link.refuses = True
    async with running(settings.model_copy(update={"redis_url": SecretStr(link.url)}), SetClock()) as service:
        await service.add_site()
        response = await service.get("/v1/sites/portal/widget")
        assert (response.status, response.content_type) == (503, "application/problem+json")
        assert response.headers["Cache-Control"] == "no-store"


async def test_counting_goes_on_without_postgres(service: Running, postgres: Postgres) -> None:
    """Postgres may be away: hits count, the widget is fresh, and everything lands when it is back."""
    await service.hit()
    await service.widget()
    postgres.kill()
    for _hit in range(3):
        assert (await service.hit(query="?quiet=1")).status == 204
    found = await service.widget(metric="views")
    assert (found["total"], found["meta"]["stale"]) == (4, False)
    async with service.session.get(service.admin + "/readyz") as response:
        assert (response.status, (await response.json())["parts"]["postgres"][:9]) == (200, "Postgres:")
    await postgres.start()
    rolled_up = await service.metric("counter_rollup_last_success_timestamp_seconds")
    service.clock.now_ms += 60_000
    while await service.metric("counter_rollup_last_success_timestamp_seconds") <= rolled_up:
        pass
    assert (await service.widget(metric="views"))["total"] == 4


async def test_hit_that_is_kept_is_accepted_though_no_number_can_be_shown(
    settings: Settings, link: Link
) -> None:
    """Redis fails before the first number was ever read: the hit is kept and answered 202, without a body."""
    async with running(settings.model_copy(update={"redis_url": SecretStr(link.url)}), SetClock()) as service:
        async with connected(settings.database_url.get_secret_value()) as connection:
            await SiteStore(connection).add("portal", SiteSettings())
        while (
            await readiness(service) != 200 or (await service.post("/v1/heartbeats", HEARTBEAT)).status != 204
        ):
            pass
        link.refuses = True
        link.cut()
        kept = await service.hit()
        assert (kept.status, await kept.read()) == (202, b"")
        link.refuses = False
        while (await service.get("/v1/sites/portal/widget?metric=views")).status != 200:
            pass
        while (await service.widget(metric="views"))["total"] != 1:
            pass


async def readiness(service: Running) -> int:
    """The status of /readyz."""
    async with service.session.get(service.admin + "/readyz") as response:
        return response.status
