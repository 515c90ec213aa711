"""The statistics page: what it shows, to whom, and what it says when something cannot be read."""

import re
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest
from pydantic import SecretStr

from counter.config import Settings
from counter.embedded.postgres import Postgres
from counter.sites.model import Site
from counter.widget.languages import load_languages
from tests.acceptance.conftest import Running, SetClock, running
from tests.acceptance.past import row, write
from tests.proxy import proxied

TODAY = date(2026, 6, 10)
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Reading(HTMLParser):
    """Reads a page: its elements in order, its texts, its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.handlers += [name for name, _value in attrs if name.startswith("on") or name == "style"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
async def site(service: Running) -> Site:
    """A site with public statistics and a past of 100 days."""
    site = await service.add_site("open", public_stats=True, name="Xã <Bến> & Mây")
    days = [TODAY - timedelta(days=number) for number in range(1, 101)]
    rows = [
        row(site, day, views=20, visits=10, visitors=8, bots=5, hours={9: (20, 10)}, pages={"/a": 20})
        for day in days
    ]
    rows[40] = row(site, days[40], views=2000, visits=1000, visitors=800, pages={"/big": 2000})
    await write(service.settings, rows)
    return site


async def page(service: Running, query: str = "", **headers: str) -> str:
    response = await service.get(f"/sites/open?{query}", **headers)
    assert (response.status, response.content_type) == (200, "text/html"), await response.text()
    return await response.text()


async def test_page_is_there_for_public_sites_alone(service: Running, site: Site) -> None:
    """A site that keeps its statistics to itself has no page, just as an unknown one."""
    for key in ("portal", "nobody"):
        response = await service.get(f"/sites/{key}")
        assert (response.status, response.headers["Cache-Control"]) == (404, "no-store")
    assert (await service.get(f"/sites/{site.key}")).status == 200


async def test_page_shows_numbers_past_and_meaning(service: Running, site: Site) -> None:
    """The five numbers, a chart of each metric with its comparison, the busiest day, pages, people and bots."""
    await service.hit("/b", site="open")
    text = await page(service, "lang=en")
    assert "Xã &lt;Bến&gt; &amp; Mây" in text
    for number, value in {"online": "1", "today": "1", "yesterday": "10", "total": "1,991"}.items():
        assert f'data-counter="{number}"' in text
        assert re.search(rf'data-counter="{number}"[^>]*>{value}<', text)
    assert text.count('class="chart chart-') == 3
    assert "Thursday, April 30, 2026" in text  # the busiest day
    assert "Visits: 1,000" in text
    assert "Monday, March 2, 2026" in text  # counted since
    assert '<bdi dir="ltr">/a</bdi>' in text
    assert '<bdi dir="ltr">−79%</bdi>' in text  # 270 after 1,260 visits, today left out
    assert "People 80%, Bots 20%" in text
    assert "first day of the week: Monday" in text
    assert "after at least 30 minutes without one" in text


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month"])
async def test_each_unit(service: Running, site: Site, unit: str) -> None:
    """Hours, days, weeks and months each have their bars, their table and their file."""
    await service.hit(site="open")
    text = await page(service, f"unit={unit}&lang=en")
    bars = {"hour": 24, "day": 28, "week": 12, "month": 12}[unit]
    charts = 2 if unit == "hour" else 3
    assert text.count("<g><title>") == bars * charts
    assert f"history?unit={unit}&amp;from=" in text
    (address,) = re.findall(r'href="\.\./(v1/[^"]*format=csv)"', text)
    response = await service.get("/" + address.replace("&amp;", "&"))
    assert (response.status, response.content_type) == (200, "text/csv")
    assert ("counted by the day, not by the hour" in text) == (unit == "hour")


@pytest.mark.parametrize("language", load_languages().values(), ids=lambda language: language.code)
async def test_each_language(service: Running, site: Site, language: object) -> None:
    """The page speaks each language, in its direction, and asks for it in all its links."""
    code, direction = language.code, language.direction  # type: ignore[attr-defined]
    asked = await page(service, f"lang={code}")
    accepted = await page(service, Accept_Language=f"xx, {code};q=0.9, en;q=0.1")
    assert asked == accepted
    assert f'<html lang="{code}" dir="{direction}">' in asked
    assert f"unit=week&amp;metric=visits&amp;lang={code}" in asked
    assert "{" not in asked


async def test_page_is_strict(service: Running, site: Site) -> None:
    """Nothing is inline, nothing comes from elsewhere, nobody frames it, and caches know what it depends on."""
    response = await service.get("/sites/open?lang=vi")
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["Vary"] == "Accept-Language, Accept-Encoding"
    assert response.headers["Content-Encoding"] in {"gzip", "deflate"}
    assert response.headers["Cache-Control"] == "public, max-age=10, stale-while-revalidate=60"
    assert "Access-Control-Allow-Origin" not in response.headers
    reading = Reading(await response.text())
    assert reading.handlers == []
    assert "style" not in reading.tags
    assert all(link.startswith(("../", "?")) for link in reading.links)
    for link in reading.links:
        if link.startswith("../assets/"):
            assert (await service.get(link.removeprefix(".."))).status == 200
    again = await service.get("/sites/open?lang=vi", If_None_Match=response.headers["ETag"])
    assert (again.status, await again.read()) == (304, b"")


async def test_markup_in_a_path_is_text(service: Running, site: Site) -> None:
    """A page whose address looks like markup stands in the table as it is, and adds no element."""
    attack = "/<img src=x onerror=alert(1)><script>alert(1)</script>"
    await service.hit(attack, site="open")
    reading = Reading(await page(service))
    assert attack in reading.texts
    assert "img" not in reading.tags
    assert reading.tags.count("script") == 1


@pytest.mark.parametrize("query", ["unit=year", "metric=hits"])
async def test_what_cannot_be_asked(service: Running, site: Site, query: str) -> None:
    """A unit or metric that there is none of is told."""
    assert (await service.get(f"/sites/open?{query}")).status == 400


async def test_a_new_site_has_a_page(service: Running) -> None:
    """Where nothing was counted yet, the page says 0 of today, compares nothing, and names no busiest day."""
    await service.add_site("open", public_stats=True)
    for unit in ("hour", "day", "week", "month"):
        text = await page(service, f"lang=en&unit={unit}")
        assert "No page was viewed in this time." in text
        assert "Busiest day" not in text
        assert 'class="change' not in text
        assert "Counted since</dt><dd>Wednesday, June 10, 2026" in text


async def test_page_without_postgres(service: Running, site: Site, postgres: Postgres) -> None:
    """Without Postgres the numbers of this moment stay, and the past says that it cannot be read."""
    await service.hit(site="open")
    await service.widget("open")
    postgres.kill()
    response = await service.get("/sites/open?lang=en")
    text = await response.text()
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")
    assert re.search(r'data-counter="today"[^>]*>1<', text)
    assert "The numbers cannot be read at the moment." in text
    assert 'class="chart chart-' not in text


async def test_page_without_redis(settings: Settings, redis_url: str) -> None:
    """Without Redis the last numbers stay with their mark; where there are none, there are dashes and a 503."""
    async with (
        proxied(redis_url) as link,
        running(settings.model_copy(update={"redis_url": SecretStr(link.url)}), SetClock()) as service,
    ):
        for key in ("open", "unseen"):
            await service.add_site(key, public_stats=True)
        await service.hit(site="open")
        await page(service, "lang=en")
        link.refuses = True
        link.cut()
        text = await page(service, "lang=en")
        assert re.search(r'role="status"[^>]*>Newer numbers cannot be read at the moment\.<', text)
        assert re.search(r'data-counter="total"[^>]*>1<', text)
        response = await service.get("/sites/unseen?lang=en")
        text = await response.text()
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert response.headers["Cache-Control"] == "no-store"
        assert len(re.findall(r"data-counter=[^>]*>–<", text)) == 6
        assert re.search(r'role="status"[^>]*>The numbers cannot be read at the moment\.<', text)
