"""What does not count, and who learns why: the webmaster with the debug key, and nobody else."""

from ipaddress import ip_network

import pytest

from counter.config import Settings
from counter.hits.signing import debug_key, sign
from counter.hits.visitors import network_of, parse_address
from tests.acceptance.conftest import PERSON, Running, SetClock, running

PROXY = ip_network("127.0.0.1/32")


async def reason(service: Running, key: str, **headers: str) -> str:
    """What the service says to the webmaster."""
    response = await service.hit(query=f"?debug={key}", **headers)
    assert response.status == 200
    assert response.headers["Access-Control-Expose-Headers"] == "Counter-Reason"
    return response.headers["Counter-Reason"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "view"),
        ({"Sec_GPC": "1"}, "opted_out"),
        ({"Sec_Purpose": "prefetch"}, "prefetch"),
        ({"Origin": "https://evil.example"}, "foreign_host"),
        ({"User_Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}, "bot"),
        ({"User_Agent": ""}, "bot"),
    ],
)
async def test_webmaster_sees_the_reason(service: Running, headers: dict[str, str], expected: str) -> None:
    """With the site's debug key the answer names what became of the hit; without, all answers are alike."""
    site = await service.add_site("strict", hosts=("portal.example",), respect_gpc=True)
    sent = {"site": "strict", "Origin": "https://portal.example", **headers}
    assert await reason(service, debug_key(site.secret, site.key), **sent) == expected
    for query in ("", "?debug=", "?debug=wrong", f"?debug={debug_key('wrong', site.key)}"):
        response = await service.hit(query=query, **sent)
        assert response.status == 200
        assert "Counter-Reason" not in response.headers
    assert (await service.widget("strict", "views"))["total"] == (5 if expected == "view" else 0)


async def test_refused_hit_is_answered_like_an_accepted_one(service: Running) -> None:
    """Whoever inflates learns nothing from the status or the headers."""
    await service.add_site("strict", hosts=("portal.example",))
    answers = [
        await service.hit(site="strict", Origin=f"https://{host}.example") for host in ("portal", "evil")
    ]
    shown = [{name for name in answer.headers if name != "Date"} for answer in answers]
    assert answers[0].status == answers[1].status == 200
    assert shown[0] == shown[1]


async def test_signed_site_counts_only_what_carries_a_token(service: Running) -> None:
    """A token is fetched, or signed by the portal; a hit without one, or with somebody else's, counts for nothing."""
    site = await service.add_site("signed", signed=True)
    token = (await (await service.get("/v1/sites/signed/token")).json())["token"]
    here = network_of(parse_address("127.0.0.1"))  # type: ignore[arg-type]
    now_s = service.clock() // 1000
    good = [token, sign(site.secret, "signed", now_s + 60), sign(site.secret, "signed", now_s + 60, here)]
    bad = [
        "",
        "1",
        token[:-1],
        sign("wrong", "signed", now_s + 60),
        sign(site.secret, "portal", now_s + 60),
        sign(site.secret, "signed", now_s - 1),
        sign(site.secret, "signed", now_s + 60, b"\1\2\3\4"),
    ]
    for each in good + bad:
        body = f'{{"site": "signed", "path": "/", "token": "{each}"}}'
        assert (await service.post("/v1/hits", body)).status == 200
    assert (await service.widget("signed", "views"))["total"] == len(good)
    service.clock.now_ms += 7_201_000
    await service.post("/v1/hits", f'{{"site": "signed", "path": "/", "token": "{token}"}}')
    assert (await service.widget("signed", "views"))["total"] == len(good)


async def test_heartbeat_of_a_signed_site_needs_a_token(service: Running) -> None:
    """Nobody is online for a site that asks for tokens without one."""
    await service.add_site("signed", signed=True)
    token = (await (await service.get("/v1/sites/signed/token")).json())["token"]
    await service.post("/v1/heartbeats", '{"site": "signed"}')
    assert (await service.widget("signed"))["online"] == 0
    await service.post("/v1/heartbeats", f'{{"site": "signed", "token": "{token}"}}')
    assert (await service.widget("signed"))["online"] == 1


async def test_flood_from_one_address_is_bounded(settings: Settings) -> None:
    """The first hits count, the flood does not, others are served, and the metrics say why."""
    strict = settings.model_copy(
        update={"address_hits_per_second": 1.0, "trusted_proxies": (PROXY,), "new_visitors_per_minute": 0}
    )
    async with running(strict, SetClock()) as service:
        await service.add_site()
        for _hit in range(100):
            assert (await service.hit(query="?quiet=1", X_Forwarded_For="203.0.113.9")).status == 204
        for host in range(10):
            await service.hit(X_Forwarded_For=f"198.51.100.{host}")
        refused = await service.metric('counter_hits_total{result="address_rate"}')
        assert 0 < refused <= 95
        assert (await service.widget(metric="views"))["total"] == 110 - refused


async def test_visitors_made_up_at_one_address_are_bounded(settings: Settings) -> None:
    """Another User-Agent with each hit makes another visitor, up to a limit."""
    strict = settings.model_copy(update={"new_visitors_per_minute": 2.0, "address_hits_per_second": 0})
    async with running(strict, SetClock()) as service:
        await service.add_site()
        for number in range(30):
            await service.hit(User_Agent=f"{PERSON} {number}")
        refused = await service.metric('counter_hits_total{result="new_visitors"}')
        assert 0 < refused <= 20
        assert (await service.widget(metric="visits"))["total"] == 30 - refused


async def test_same_page_again_counts_after_a_pause_only(service: Running) -> None:
    """Where a site asks for it, a page that is shown again at once counts once."""
    await service.add_site("calm", repeat_seconds=3600)
    for path in ("/a", "/a", "/b", "/a"):
        await service.hit(path, site="calm")
    assert (await service.widget("calm", "views"))["total"] == 2


async def test_proxy_that_nobody_declared_is_noticed(service: Running) -> None:
    """All visitors seem to be one when a proxy of ours is not trusted: a metric says so."""
    name = "counter_untrusted_proxy_requests_total"
    await service.hit()
    assert await service.metric(name) == 0
    await service.hit(X_Forwarded_For="203.0.113.9")
    await service.hit(Forwarded="for=203.0.113.9")
    assert await service.metric(name) == 2
    assert (await service.widget(metric="visits"))["total"] == 1


@pytest.mark.parametrize("header", ["Forwarded", "X-Real-IP"])
async def test_only_the_chosen_header_is_believed(settings: Settings, header: str) -> None:
    """A proxy sets one header; what else comes with a request may be the client's invention."""
    chosen = settings.model_copy(update={"trusted_proxies": (PROXY,), "forwarding_header": header})
    spelt = header.replace("-", "_")
    async with running(chosen, SetClock()) as service:
        await service.add_site()
        for number in range(5):
            value = "for=203.0.113.9" if header == "Forwarded" else "203.0.113.9"
            spoofed = {"X_Forwarded_For": f"198.51.100.{number}", "CF_Connecting_IP": f"198.51.100.{number}"}
            await service.hit(**{spelt: value}, **spoofed)
        assert (await service.widget(metric="visits"))["total"] == 1
        await service.hit(**{spelt: "for=203.0.113.10" if header == "Forwarded" else "203.0.113.10"})
        assert (await service.widget(metric="visits"))["total"] == 2
