"""What a reviewer sends: a clear answer, nothing stored, nothing logged as an error, and the service goes on."""

import gzip
import logging

import pytest
from redis.asyncio import Redis

from counter.database import connected
from counter.sites.store import SiteStore
from tests.acceptance.conftest import PERSON, Running

BODIES = {
    "broken JSON": (b'{"site": "portal", "path": ', 400),
    "no JSON": (b"hello", 400),
    "empty": (b"", 400),
    "an array": (b"[]", 400),
    "null": (b"null", 400),
    "site of a wrong type": (b'{"site": 1, "path": "/"}', 400),
    "path of a wrong type": (b'{"site": "portal", "path": ["/"]}', 400),
    "no path": (b'{"site": "portal"}', 400),
    "SQL for a site": (b'{"site": "\'; DROP TABLE sites; --", "path": "/"}', 400),
    "a key with a line break": (b'{"site": "portal\\n", "path": "/"}', 400),
    "a key with a space": (b'{"site": "portal 2026-06-10 x", "path": "/"}', 400),
    "an unknown site": (b'{"site": "nobody", "path": "/"}', 404),
    "NUL in the path": (b'{"site": "portal", "path": "/\\u0000"}', 400),
    "NUL in the site": (b'{"site": "portal\\u0000", "path": "/"}', 400),
    "a lone surrogate": (b'{"site": "portal", "path": "/\\ud800"}', 400),
    "bytes that are no UTF-8": (b'{"site": "portal", "path": "/\xff"}', 400),
    "a line break in the path": (b'{"site": "portal", "path": "/\\r\\nSet-Cookie: a=b"}', 400),
    "no path at all": (b'{"site": "portal", "path": "javascript:alert(1)"}', 400),
    "a path of 3,000 characters": (b'{"site": "portal", "path": "/' + b"a" * 3000 + b'"}', 400),
    "a path of 1,100 bytes": (b'{"site": "portal", "path": "/' + "ệ".encode() * 370 + b'"}', 400),
    "5 KiB": (b'{"site": "portal", "path": "/", "x": "' + b"a" * 5000 + b'"}', 413),
    "deep nesting": (b'{"site": "portal", "path": "/", "x": ' + b"[" * 2000 + b"]" * 2000 + b"}", 400),
    "deep nesting below the limit": (b'{"site": "portal", "path": ' + b"[" * 1900 + b"]" * 1900 + b"}", 400),
}


@pytest.mark.parametrize("name", BODIES)
async def test_bad_hit_is_answered_and_leaves_nothing(
    service: Running, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A bad body answers a 4xx problem, creates no key, and logs no error."""
    body, status = BODIES[name]
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as client:
        before = set(await client.keys("*"))
        response = await service.post("/v1/hits", body)
        assert response.status == status
        assert response.content_type == "application/problem+json"
        problem = await response.json()
        assert problem["type"].startswith("urn:counter:problem:")
        assert problem["status"] == status
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert set(await client.keys("*")) == before
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (await service.hit()).status == 200
    assert (await service.widget(metric="views"))["total"] == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/html"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "text/plain;charset=UTF-8"}, 200),
        ({"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_type_of_a_body(service: Running, headers: dict[str, str], status: int) -> None:
    """A beacon is text/plain or JSON, as it comes without a preflight; a compressed one is refused unread."""
    body = b'{"site":"portal","path":"/"}'
    if "Content-Encoding" in headers:
        body = gzip.compress(b"0" * 10_000_000)[:4000]
    assert (await service.post("/v1/hits", body, **headers)).status == status


async def test_body_in_many_chunks_is_cut_off(service: Running) -> None:
    """A body that never ends, without a length, is refused at the limit."""

    async def endless() -> object:
        for _chunk in range(10_000):
            yield b"x"

    response = await service.session.post(
        service.public + "/v1/hits", data=endless(), headers={"Content-Type": "text/plain"}
    )
    assert response.status == 413


async def test_unknown_sites_create_nothing(service: Running) -> None:
    """A thousand unknown sites answer 404 everywhere, and Redis holds not one key more."""
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as client:
        before = await client.dbsize()
        for number in range(1000):
            assert (await service.hit(site=f"nobody-{number}")).status == 404
        assert (await service.get("/v1/sites/nobody/widget")).status == 404
        assert (await service.get("/v1/sites/nobody/pages?path=/")).status == 404
        assert (await service.get("/v1/hits.gif?site=nobody&path=/")).status == 404
        assert (await service.post("/v1/heartbeats", '{"site":"nobody"}')).status == 404
        assert await client.dbsize() == before


async def test_disabled_site_counts_nothing(service: Running) -> None:
    """A disabled site is like an unknown one, at once."""
    async with connected(service.settings.database_url.get_secret_value()) as connection:
        await SiteStore(connection).enable("portal", enabled=False)
    while (await service.get("/v1/sites/portal/pages?path=/")).status != 404:
        pass
    assert (await service.hit()).status == 404


async def test_wrong_methods_and_addresses_are_problems(service: Running) -> None:
    """405 names the methods, 404 is a problem too, and no server error hides behind any."""
    response = await service.session.delete(service.public + "/v1/hits")
    assert response.status == 405
    assert "POST" in response.headers["Allow"]
    assert response.content_type == "application/problem+json"
    for address in (
        "/nothing",
        "/v1/sites//widget",
        "/v1/sites/%00/widget",
        "/v1/sites/..%2f..%2fetc/widget",
    ):
        response = await service.get(address)
        assert (response.status, response.content_type) == (404, "application/problem+json")


async def test_pixel_refuses_what_a_hit_refuses(service: Running) -> None:
    """The picture's address is checked as a hit's body is."""
    for query in (
        "",
        "?site=",
        "?site=portal&path=%00",
        "?site=po%20rtal&path=/",
        "?site=portal&path=" + "a" * 3000,
    ):
        response = await service.get("/v1/hits.gif" + query)
        assert (response.status, response.content_type) == (400, "application/problem+json")
    assert (await service.widget(metric="views"))["total"] == 0


async def test_foreign_pages_and_prefetches_are_answered_alike_and_not_counted(service: Running) -> None:
    """A page elsewhere, or one that nobody looks at yet, learns nothing from the answer, and counts nothing."""
    await service.add_site("hosted", hosts=("portal.example", "*.portal.example"))
    foreign = [
        {"Origin": "https://evil.example"},
        {"Origin": "https://evilportal.example"},
        {"Origin": "https://portal.example.evil"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/?portal.example"},
        {},
        {"Origin": "https://portal.example", "Sec_Purpose": "prefetch;prerender"},
    ]
    for headers in foreign:
        assert (await service.hit(site="hosted", **headers)).status == 200
    assert (await service.widget("hosted", "views"))["total"] == 0
    for headers in ({"Origin": "https://portal.example"}, {"Referer": "https://www.portal.example/a"}):
        assert (await service.hit(site="hosted", **headers)).status == 200
    assert (await service.widget("hosted", "views"))["total"] == 2
    assert await service.metric('counter_hits_total{result="foreign_host"}') == 6


async def test_bots_are_counted_apart(service: Running) -> None:
    """Bots, and agents that say nothing, are in no human figure; people in unusual browsers are."""
    bots = ["", "Googlebot/2.1 (+http://www.google.com/bot.html)", "curl/8.5.0", "A" * 8000]
    people = [
        f"{PERSON} coc_coc_browser/130.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS]",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36 Zalo android/24",
    ]
    for agent in bots + people:
        assert (await service.hit(User_Agent=agent)).status == 200
    assert await service.widget(metric="views") | {"meta": 0} == {
        "online": 3, "today": 3, "yesterday": 0, "week": 3, "month": 3, "total": 3, "meta": 0,
    }  # fmt: skip
    assert await service.metric('counter_hits_total{result="bot"}') == 4


async def test_forwarding_headers_of_strangers_are_ignored(service: Running) -> None:
    """Without a trusted proxy, nobody multiplies by inventing addresses; junk in them breaks nothing."""
    for forwarded in ("1.2.3.4", "5.6.7.8, 9.9.9.9", "junk", "::ffff:1.2.3.4%eth0", "[::1]:80", ","):
        headers = {
            "X_Forwarded_For": forwarded,
            "CF_Connecting_IP": forwarded,
            "Forwarded": f"for={forwarded}",
        }
        assert (await service.hit(**headers)).status == 200
    assert (await service.widget())["total"] == 1


async def test_markup_in_a_path_is_data(service: Running) -> None:
    """A path that looks like markup comes back as the JSON string that it is."""
    response = await service.hit("/<img src=x onerror=alert(1)>")
    assert response.content_type == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (await response.json())["page"]["path"] == "/<img src=x onerror=alert(1)>"
