"""What a reviewer tries beside bad bodies and bad HTTP, with the answer to be expected."""

import asyncio
import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from counter.aggregates.adjustments import Ledger
from counter.config import Settings
from counter.database import connected
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.security.conftest import send_raw

MARKUP = "/<img src=x onerror=alert(1)>"


async def test_markup_is_shown_as_text(service: Running, here: Path) -> None:
    """A path with markup is JSON that no browser takes for a page, and the script writes text alone."""
    await service.hit(MARKUP)
    answer = await service.session.get(service.public + "/v1/sites/portal/pages", params={"path": MARKUP})
    assert (answer.content_type, answer.headers["X-Content-Type-Options"]) == ("application/json", "nosniff")
    assert (await answer.json())["pages"] == [{"path": MARKUP, "views": 1}]
    sources = (here / "counter" / "widget" / "source").glob("*.js")
    script = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    assert "textContent" in script
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script
    )


@pytest.mark.parametrize(
    "site", ["'; DROP TABLE sites; --", "portal\0", "\ud800", "../portal", "{lane}", "*"]
)
async def test_strange_site_is_refused_everywhere(service: Running, site: str) -> None:
    """No address takes a key that no site can have, and all sites are still there."""
    body = json.dumps({"site": site, "path": "/"}).encode()
    assert (await service.post("/v1/hits", body)).status == 400
    assert (await service.post("/v1/heartbeats", body)).status == 400
    query = {"site": site.encode("utf-8", "replace").decode("utf-8", "replace")}
    assert (await service.session.get(service.public + "/v1/hits.gif", params=query)).status == 400
    for part in ("widget", "pages?path=/", "token"):
        quoted = "".join(f"%{byte:02X}" for byte in query["site"].encode())
        answer = await send_raw(
            service.public,
            f"GET /v1/sites/{quoted}/{part} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
        )
        assert re.match(rb"HTTP/1\.1 40[04] ", answer), answer[:100]
    assert (await service.hit()).status == 200


FORWARDED = [
    "1.2.3.4", "1.2.3.4:567", "[2001:db8::1]:80", "2001:db8::1", "::ffff:1.2.3.4", "fe80::1%eth0", "unknown",
    "_hidden", "", ",", ", ,", "a" * 8000, "1.2.3.4, " * 800, "\xff\xfe", "0x7f.1", "1.2.3.4.5", "999.1.1.1",
    'for=1.2.3.4;proto=http;by="', 'for="[2001:db8::1]:80"', "for=;for=", "::1%" + "z" * 4000, "١.٢.٣.٤",
]  # fmt: skip


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
async def test_junk_in_a_believed_header_is_never_an_error(settings: Settings, header: str) -> None:
    """Whatever a trusted proxy passes on, the hit is answered; who cannot be told apart is not counted."""
    trusting = {"trusted_proxies": "127.0.0.1", "forwarding_header": header}
    async with running(Settings.model_validate(settings.model_dump() | trusting), SetClock()) as service:
        await service.add_site()
        for value in FORWARDED:
            sent = value.encode("utf-8", "surrogateescape")
            body = b'{"site":"portal","path":"/"}'
            head = b"POST /v1/hits HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            head += b"User-Agent: " + PERSON.encode() + b"\r\n" + header.encode() + b": " + sent + b"\r\n"
            answer = await send_raw(service.public, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert answer.startswith(b"HTTP/1.1 200 "), (value, answer[:200])
        assert (await service.widget())["today"] <= len(FORWARDED)


async def test_longest_agent_is_judged(service: Running) -> None:
    """An agent as long as a header may be is a visitor's, judged by its beginning; a longer one is refused."""
    long = (PERSON + " (" + "a " * 4096)[: 8190 - len("User-Agent")]
    assert (await service.hit(User_Agent=long)).status == 200
    assert (await service.hit(User_Agent=long + " another end")).status in {200, 400}
    assert (await service.hit(User_Agent="a" * 20_000)).status == 400
    assert (await service.widget())["today"] == 1


async def test_ten_thousand_hits_at_once_from_one_address_are_bounded(settings: Settings) -> None:
    """With the limits as they come, a flood adds no more than the burst of one address."""
    usual = {
        name: Settings.model_fields[name].default
        for name in ("address_hits_per_second", "new_visitors_per_minute")
    }
    async with running(settings.model_copy(update=usual), SetClock()) as service:
        await service.add_site()

        async def flood() -> None:
            for _number in range(500):
                assert (await service.hit(query="?quiet=1")).status == 204

        await asyncio.gather(*(flood() for _client in range(20)))
        counted = (await service.widget(metric="views"))["total"]
        refused = await service.metric('counter_hits_total{result="address_rate"}')
    assert counted + refused == 10_000
    assert 0 < counted < 5000


TIMES = [
    ("Asia/Ho_Chi_Minh", "2028-02-28T23:59:59.999", "2028-02-29"),
    ("Asia/Ho_Chi_Minh", "2028-02-29T23:59:59.999", "2028-03-01"),
    ("Asia/Ho_Chi_Minh", "2026-12-31T23:59:59.999", "2027-01-01"),
    ("Europe/Berlin", "2026-03-28T23:59:59.999", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25T23:59:59.999", "2026-10-26"),
    ("America/Santiago", "2026-09-05T23:59:59.999", "2026-09-06"),
]


@pytest.mark.parametrize(("zone", "last", "next_day"), TIMES)
async def test_last_millisecond_of_a_day(service: Running, zone: str, last: str, next_day: str) -> None:
    """The hit before midnight is yesterday's a millisecond later, on leap days and changes of the clock too."""
    await service.add_site("zoned", time_zone=zone)
    at = datetime.fromisoformat(last).replace(tzinfo=ZoneInfo(zone))
    service.clock.now_ms = round(at.timestamp() * 1000)
    await service.hit(site="zoned", User_Agent=f"{PERSON} 1")
    service.clock.now_ms += 1
    await service.hit(site="zoned", User_Agent=f"{PERSON} 2")
    shown = await service.widget("zoned", "views")
    assert (shown["yesterday"], shown["today"], shown["total"]) == (1, 1, 2)
    assert shown["meta"]["as_of"].startswith(next_day)


async def test_clock_that_goes_back_makes_nothing_negative(service: Running) -> None:
    """A clock that jumps back an hour or two days loses no hit and shows no number below zero."""
    noon = service.clock.now_ms
    for change_s in (0, -3600, 60, -2 * 86_400, 3600, -1, 2 * 86_400):
        service.clock.now_ms = noon + change_s * 1000
        assert (await service.hit(f"/{change_s}")).status == 200
        shown = await service.widget(metric="views")
        assert min(shown[name] for name in ("online", "today", "yesterday", "week", "month")) >= 0
    service.clock.now_ms = noon
    assert (await service.widget(metric="views"))["total"] == 7


async def test_damaged_sketch_of_visitors_breaks_no_other_site(service: Running) -> None:
    """Bytes that are no HyperLogLog are an error that is counted; other sites count, show and go on."""
    await service.add_site("other")
    await service.hit()
    good = await service.widget(metric="views")
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as client:
        sketches = [
            key async for key in client.scan_iter("*", _type="string") if await is_sketch(client, key)
        ]
        assert sketches
        for key in sketches:
            await client.set(key, b"HYLL" + b"\xff" * 100)
    shown = await service.get("/v1/sites/portal/widget?metric=views")
    assert (await shown.json())["total"] == good["total"]
    assert (await shown.json())["meta"]["stale"] is True
    failed = 'counter_snapshots_total{source="stale"}'
    assert await service.metric(failed) > 0
    await service.hit(site="other", query="?quiet=1")
    while (await service.widget("other", "views"))["total"] != 1:
        pass
    assert (await service.session.get(service.admin + "/healthz")).status == 200


async def is_sketch(client: Redis, key: bytes) -> bool:
    return bool(await client.getrange(key, 0, 3) == b"HYLL")


async def test_numbers_beyond_what_javascript_holds_are_exact(settings: Settings) -> None:
    """An opening balance above 2⁵³ and a hit more are shown digit by digit."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        site = await SiteStore(connection).add("portal", SiteSettings())
        await Ledger(connection).add(site.id, {"views": 2**53 + 1}, "opening balance", "an office")
    async with running(settings, SetClock()) as service:
        while (await service.get("/v1/sites/portal/pages?path=/")).status == 404:
            pass
        await service.hit()
        assert (
            f'"total":{2**53 + 2},'
            in await (await service.get("/v1/sites/portal/widget?metric=views")).text()
        )
