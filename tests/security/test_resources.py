"""What is made up without end, and what runs out: memory stays, others are served, and readiness says why."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from counter.config import Settings
from counter.embedded.postgres import Postgres
from counter.errors import InvalidInputError
from counter.hits.bots import is_bot
from counter.sites import paths
from counter.sites.paths import MAX_RAW_CHARACTERS, normalise
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.proxy import Link, proxied
from tests.siege.wire import Wire

AHEAD = 32
ROUNDS = 3
REMEMBERED, MADE_UP = 200, 800
"""What may be remembered, and what is made up in a round. The first one fills all; then nothing may grow."""
MOST_GROWTH_BYTES = 250_000


def request_of(site: str, path: str, client: str, agent: str = PERSON) -> bytes:
    body = json.dumps({"site": site, "path": path}).encode()
    head = (
        f"POST /v1/hits?quiet=1 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nUser-Agent: {agent}\r\n"
        f"X-Forwarded-For: {client}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def unknown_site(number: int) -> bytes:
    return request_of(f"nobody-{number}", "/", "203.0.113.1")


def new_path(number: int) -> bytes:
    return request_of("portal", f"/{number}-" + "a" * 200, "203.0.113.1")


def new_address(number: int) -> bytes:
    address = f"{number >> 16 & 255 | 16}.{number >> 8 & 255}.{number & 255}.9"
    return request_of("portal", "/", address, f"{PERSON} {number}")


@pytest.fixture
async def roomy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A service with all limits on, and so little memory for them that the first round fills it."""
    for name in ("ADDRESSES", "VISITORS", "DISPLAYS"):
        monkeypatch.setattr(f"counter.hits.limits.{name}", REMEMBERED)
    few = lru_cache(REMEMBERED)
    monkeypatch.setattr("counter.sites.paths._remember", few(paths._normalise))
    monkeypatch.setattr("counter.hits.admission.is_bot", few(is_bot.__wrapped__))
    limits = {"address_hits_per_second": 1e6, "new_visitors_per_minute": 1e6, "trusted_proxies": "127.0.0.1"}
    chosen = Settings.model_validate(settings.model_dump() | limits)
    async with running(chosen, SetClock()) as service:
        await service.add_site(page_cap=100, repeat_seconds=1)
        yield service


@pytest.mark.parametrize("make", [unknown_site, new_path, new_address])
async def test_what_is_made_up_leaves_memory_flat(roomy: Running, make: Callable[[int], bytes]) -> None:
    """Round after round of new sites, paths or visitors from new addresses costs no memory."""
    statuses: set[int] = set()
    address = urlsplit(roomy.public)
    numbers = iter(range(10**9))
    traced: list[int] = []
    tracemalloc.start(1)
    try:
        async with Wire(str(address.hostname), int(address.port or 0)) as wire:
            for _round in range(ROUNDS):
                asked = islice(numbers, MADE_UP)
                while ahead := [make(number) for number in islice(asked, AHEAD)]:
                    statuses |= {answer.status for answer in await wire.send(ahead)}
                gc.collect()
                traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert statuses == ({404} if make is unknown_site else {204})
    assert traced[-1] - traced[0] < MOST_GROWTH_BYTES, traced
    assert (await roomy.widget())["meta"]["stale"] is False
    async with Redis.from_url(roomy.settings.redis_url.get_secret_value()) as client:
        sizes = [await client.hlen(key) async for key in client.scan_iter("*", _type="hash")]
        assert await client.dbsize() < 30
    if make is new_path:
        assert max(sizes) <= 110


def test_long_paths_fill_no_memory() -> None:
    """Twenty thousand paths as long as they may be leave no more than a few megabytes behind."""
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(20_000):
            normalise(f"/{number}/".ljust(1000, "a"))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000
    for number in range(20_000):
        with pytest.raises(InvalidInputError):
            normalise(f"/{number}".ljust(MAX_RAW_CHARACTERS + 1, "a"))


async def readiness(service: Running) -> tuple[int, dict[str, str]]:
    async with service.session.get(service.admin + "/readyz") as response:
        return response.status, (await response.json())["parts"]


async def test_full_redis(settings: Settings) -> None:
    """With its memory full, hits are kept on disk, all counts stay, the widget answers, and readiness says why."""
    async with running(settings, SetClock()) as service:
        await service.add_site()
        await service.hit()
        async with Redis.from_url(settings.redis_url.get_secret_value()) as client:
            await client.config_set("maxmemory", 1)
            try:
                assert (await service.hit()).status == 202
                status, parts = await readiness(service)
                assert (status, parts["spool"]) == (200, "ok")
                assert "full" in parts["redis"]
                assert (await service.widget(metric="views"))["total"] == 1
                assert (await client.info("stats"))["evicted_keys"] == 0
            finally:
                await client.config_set("maxmemory", 0)
        while (await service.widget(metric="views"))["total"] != 2:
            pass
        assert (await readiness(service))[1]["redis"] == "ok"


async def test_full_redis_without_a_spool_refuses_and_counts_what_it_refused(settings: Settings) -> None:
    """Where nothing can be kept the hit is answered 503 and counted as refused; nothing is evicted."""
    async with running(settings.model_copy(update={"spool_mb": 0}), SetClock()) as service:
        await service.add_site()
        await service.hit()
        async with Redis.from_url(settings.redis_url.get_secret_value()) as client:
            await client.config_set("maxmemory", 1)
            try:
                assert [(await service.hit()).status for _hit in range(3)] == [503] * 3
                status, parts = await readiness(service)
                assert status == 503
                assert "full" in parts["redis"]
                assert await service.metric('counter_hits_total{result="busy"}') == 3
                assert (await service.get("/v1/sites/portal/widget")).status == 200
            finally:
                await client.config_set("maxmemory", 0)
        assert (await service.hit()).status == 200
        assert (await service.widget(metric="views"))["total"] == 2


async def test_full_spool(settings: Settings, redis_url: str) -> None:
    """With Redis away and the spool full, hits are refused and counted, the widget answers, readiness says why."""
    async with proxied(redis_url) as link:
        chosen = settings.model_copy(update={"redis_url": SecretStr(link.url), "spool_mb": 1})
        async with running(chosen, SetClock()) as service:
            await service.add_site()
            await service.hit()
            await service.widget()
            link.refuses = True
            link.cut()
            statuses: list[int] = []
            while statuses[-1:] != [503]:
                asked = (service.hit("/" + "a" * 1000, query="?quiet=1") for _hit in range(300))
                statuses += {answer.status for answer in await asyncio.gather(*asked)}
                statuses.sort()
            assert set(statuses) == {202, 503}
            status, parts = await readiness(service)
            assert status == 503
            assert "full" in parts["spool"]
            assert await service.metric('counter_hits_total{result="busy"}') > 0
            assert (await service.widget())["meta"]["stale"] is True
            link.refuses = False
            while (await service.hit(query="?quiet=1")).status == 503:
                pass


@pytest.fixture
async def slow_postgres(postgres: Postgres, database_url: str) -> AsyncIterator[Link]:
    """A link to Postgres over TCP; its `url` is a database's."""
    address = urlsplit(database_url)
    query = parse_qs(address.query)
    socket = Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"
    async with proxied(f"unix://{socket}") as link:
        port = urlsplit(link.url).port
        link.url = f"postgresql://{address.username}@127.0.0.1:{port}{address.path}"
        yield link


async def test_slow_postgres(
    settings: Settings, slow_postgres: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Postgres answers nothing, hits count, the widget is fresh, and readiness says so and waits not long."""
    monkeypatch.setattr("counter.admin.health.POSTGRES_SECONDS", 0.2)
    chosen = settings.model_copy(update={"database_url": SecretStr(slow_postgres.url)})
    async with running(chosen, SetClock()) as service:
        await service.add_site()
        await service.hit()
        slow_postgres.flows.clear()
        async with asyncio.timeout(30):
            for number in range(200):
                assert (await service.hit(f"/{number}", query="?quiet=1")).status == 204
            found = await service.widget(metric="views")
            assert (found["total"], found["meta"]["stale"]) == (201, False)
            for _look in range(3):
                status, parts = await readiness(service)
                assert (status, parts["postgres"]) == (200, "no answer within 0.2 seconds")
        slow_postgres.flows.set()
        while (await readiness(service))[1]["postgres"] != "ok":
            pass


async def test_hit_that_wants_numbers_does_not_wait_long_for_postgres(
    settings: Settings, slow_postgres: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The views of a page nobody asked for yet are unknown while Postgres answers nothing; the hit is answered."""
    monkeypatch.setattr("counter.database.READ_SECONDS", 0.2)
    chosen = settings.model_copy(update={"database_url": SecretStr(slow_postgres.url)})
    async with running(chosen, SetClock()) as service:
        await service.add_site()
        await service.hit()
        slow_postgres.flows.clear()
        async with asyncio.timeout(30):
            answer = await service.hit("/another")
            assert answer.status == 200
            assert (await answer.json())["page"] == {"path": "/another", "views": None}
        slow_postgres.flows.set()
