"""Without JavaScript: the badge, the fragment for a server's include, the page for an iframe."""

from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

import pytest
from pydantic import SecretStr

from counter.config import Settings
from tests.acceptance.conftest import Running, SetClock, running
from tests.proxy import Link, proxied

SVG = "{http://www.w3.org/2000/svg}"


def said(body: str) -> list[str]:
    """The texts of a badge."""
    return [str(text.text) for text in ET.fromstring(body).iter(f"{SVG}text")]


async def badge(service: Running, query: str = "", site: str = "portal") -> str:
    response = await service.get(f"/v1/sites/{site}/badge.svg?{query}")
    assert (response.status, response.content_type) == (200, "image/svg+xml"), await response.text()
    return await response.text()


@pytest.fixture
async def linked(settings: Settings, redis_url: str) -> AsyncIterator[tuple[Running, Link]]:
    """A service whose link to Redis can be cut, with the site `portal`."""
    async with (
        proxied(redis_url) as link,
        running(settings.model_copy(update={"redis_url": SecretStr(link.url)}), SetClock()) as service,
    ):
        await service.add_site()
        yield service, link


async def test_badge_shows_each_number(service: Running) -> None:
    """Each period and metric, and the views of a page, in the language that is asked for."""
    await service.hit("/a")
    await service.hit("/a")
    for query, expected in {
        "": ["Tổng lượt truy cập", "1"],
        "metric=views": ["Tổng lượt xem", "2"],
        "period=today&metric=views&lang=en": ["Today", "2"],
        "period=online&lang=de": ["Gerade online", "1"],
        "period=yesterday&lang=en-US": ["Yesterday", "0"],
        "path=/a&lang=en": ["Views", "2"],
        "path=/never&label=Read": ["Read", "0"],
        "lang=ar": ["1", "إجمالي الزيارات"],
        "label=": ["1"],
    }.items():
        assert said(await badge(service, query)) == expected


async def test_badge_shows_markup_as_text(service: Running) -> None:
    """A label cannot leave its text, whatever it says."""
    body = await badge(service, "label=%3C/text%3E%3Cscript%3Ealert(1)%3C/script%3E%00&lang=en")
    assert said(body)[0] == "</text><script>alert(1)</script>\ufffd"
    assert "<script" not in body


async def test_badge_is_inert_and_cached_for_seconds(service: Running) -> None:
    """Any page may show it, nothing in it runs, caches keep it for seconds, an unchanged one answers 304."""
    response = await service.get("/v1/sites/portal/badge.svg")
    headers = response.headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"] == "public, max-age=5, stale-while-revalidate=60"
    again = await service.get("/v1/sites/portal/badge.svg", If_None_Match=headers["ETag"])
    assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize(
    "query", ["metric=hits", "period=year", "color=mauve", "label_color=%22", f"label={'x' * 65}", "path=a"]
)
async def test_badge_that_cannot_be_had(service: Running, query: str) -> None:
    """What is not on the lists is told."""
    response = await service.get(f"/v1/sites/portal/badge.svg?{query}")
    assert (response.status, response.content_type) == (400, "application/problem+json")


async def test_no_numbers_are_a_dash(linked: tuple[Running, Link]) -> None:
    """Where no number was ever read, there is a dash that nobody keeps, and never 0."""
    service, link = linked
    link.refuses = True
    link.cut()
    await service.add_site("new")
    response = await service.get("/v1/sites/new/badge.svg?lang=en")
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    assert said(await response.text()) == ["Total visits", "–"]
    assert said(await badge(service, "path=/a&lang=en", "new")) == ["Views", "–"]
    response = await service.get("/v1/sites/new/widget.html?lang=en")
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    assert (await response.text()).count(">–</dd>") == 5
    page = await service.get("/embed/new?lang=en")
    assert (page.status, page.content_type, page.headers["Retry-After"]) == (503, "text/html", "5")
    assert "The numbers cannot be read at the moment." in await page.text()


async def test_last_numbers_stay_and_say_that_they_are_stale(linked: tuple[Running, Link]) -> None:
    """Without Redis the last good numbers go on, marked wherever they are shown."""
    service, link = linked
    await service.hit()
    assert said(await badge(service, "lang=en")) == ["Total visits", "1"]
    link.refuses = True
    link.cut()
    body = await badge(service, "lang=en")
    assert said(body) == ["Total visits", "1 *"]
    assert "Newer numbers cannot be read at the moment." in body
    for address in ("/v1/sites/portal/widget.html", "/embed/portal"):
        response = await service.get(f"{address}?lang=en")
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
        text = await response.text()
        assert "data-note>Newer numbers cannot be read at the moment.<" in text
        assert '<dd data-counter="total">1</dd>' in text


async def test_fragment_is_a_list_that_the_script_may_go_on_with(service: Running) -> None:
    """The fragment has the five numbers in the language asked for, in the elements that the script fills."""
    await service.hit()
    response = await service.get("/v1/sites/portal/widget.html?metric=views&lang=ar")
    assert (response.status, response.content_type) == (200, "text/html")
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    text = await response.text()
    assert text.startswith(
        '<section class="visitor-counter" aria-label="إحصاءات الزيارات" lang="ar" dir="rtl">'
    )
    assert "إجمالي المشاهدات" in text
    for number in ("online", "today", "week", "month", "total"):
        assert f'<dd data-counter="{number}">1</dd>' in text
    assert "<script" not in text
    assert "<html" not in text


@pytest.mark.parametrize(
    ("hosts", "ancestors"),
    [
        ((), "*"),
        (("portal.example",), "'self' https://portal.example:* http://portal.example:*"),
        (
            ("*.xa.example", "localhost:8080"),
            "'self' https://*.xa.example:* http://*.xa.example:* https://localhost:8080 http://localhost:8080",
        ),
    ],
)
async def test_embed_may_be_framed_by_the_sites_hosts(
    service: Running, hosts: tuple[str, ...], ancestors: str
) -> None:
    """Pages of the site's own hosts may frame it; any page where the site lists none."""
    await service.add_site("framed", hosts=hosts)
    response = await service.get("/embed/framed")
    policy = response.headers["Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {ancestors}"
    )
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_embed_themes(service: Running) -> None:
    """Each theme and scheme is a class, the digits stand alone and are read as one number, others are told."""
    await service.hit()
    for theme in ("plain", "card", "line", "digits"):
        text = await (await service.get(f"/embed/portal?theme={theme}&scheme=dark&lang=fr")).text()
        assert f'<body class="theme-{theme}"' in text
        assert '<html lang="fr" dir="ltr" class="scheme-dark">' in text
    assert '<dd data-counter="total"><span role="img" aria-label="1"><b>1</b></span></dd>' in text
    for query in ("theme=neon", "scheme=sepia", "metric=hits"):
        assert (await service.get(f"/embed/portal?{query}")).status == 400


async def test_embed_leads_only_to_files_that_are_there(service: Running) -> None:
    """Styles and script are our own, under names that change with them, and nothing is inline."""
    text = await (await service.get("/embed/portal")).text()
    assert "style=" not in text
    assert "<style" not in text
    names = [part.partition('"')[0] for part in text.split("../assets/")[1:]]
    assert len(names) == 2
    for name in names:
        response = await service.get(f"/assets/{name}")
        assert response.status == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.content_type in {"text/css", "text/javascript"}
    for other in ("embed.css", "..%2fopenapi.json", "embed.000000000000.css"):
        assert (await service.get(f"/assets/{other}")).status == 404


@pytest.mark.parametrize(
    "address", ["/v1/sites/{}/badge.svg", "/v1/sites/{}/widget.html", "/embed/{}", "/embed/{}%00"]
)
async def test_unknown_sites(service: Running, address: str) -> None:
    """An unknown site has no picture and no page."""
    response = await service.get(address.format("nobody"))
    assert (response.status, response.headers["Cache-Control"]) == (404, "no-store")


async def test_name_of_the_site_is_text(service: Running) -> None:
    """Markup in a site's name is shown as it is."""
    await service.add_site("named", name="</title><script>alert(1)</script>")
    text = await (await service.get("/embed/named")).text()
    assert "&lt;/title&gt;&lt;script&gt;" in text
    assert "<script>" not in text
