"""The statistics page and the iframe's page in a real browser: live, on every screen, with and without scripts."""

from contextlib import asynccontextmanager
from datetime import date, timedelta

import pytest
from aiohttp import web
from playwright.async_api import expect
from pydantic import SecretStr

from counter.config import Settings
from counter.listen import listening
from counter.widget.languages import load_languages
from tests.acceptance.conftest import SetClock, running
from tests.acceptance.past import row, write

TODAY = date(2026, 6, 10)
LONG = "/tin-tuc/" + "mot-bai-viet-co-dia-chi-rat-dai-" * 5
WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
    for (const { sources } of list.getEntries()) shifts.push(sources.map(({ node }) => node?.outerHTML));
}).observe({ type: 'layout-shift', buffered: true });
"""
UNITS = ("hour", "day", "week", "month")


@pytest.fixture
async def service(redis_url, database_url, tmp_path):
    """The real service with the site `open`, whose past is a year long."""
    settings = Settings(
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(database_url),
        rollup_seconds=0.2,
        snapshot_milliseconds=0,
        spool_dir=tmp_path / "spool",
    )
    async with running(settings, SetClock()) as service:
        site = await service.add_site("open", public_stats=True, name="Cổng thông tin điện tử xã Bến Mây")
        days = [TODAY - timedelta(days=number) for number in range(1, 400)]
        pages = {"/": 900_000, LONG: 200_000, "(other)": 5}
        hours = {9: (1_234_567, 412_135)}
        await write(
            settings,
            [
                row(site, day, views=1_234_567, visits=412_135, visitors=99, bots=7, hours=hours, pages=pages)
                for day in days
            ],
        )
        yield service


def number(page, name):
    """The element of a number."""
    return page.locator(f"[data-counter={name}]")


async def test_numbers_step_while_somebody_looks(service, open_page):
    """A hit elsewhere shows within ten seconds, without a reload; nothing moves, and nobody else is asked."""
    page = await open_page(locale="vi")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    await page.add_init_script(WATCH_SHIFTS)
    await page.clock.install()
    await page.goto(f"{service.public}/sites/open")
    await expect(number(page, "today")).to_have_text("0")
    await service.hit(site="open")
    await page.clock.fast_forward(10_000)
    await expect(number(page, "today")).to_have_text("1")
    await expect(number(page, "online")).to_have_text("1")
    await expect(page.locator("[data-note]")).to_be_hidden()
    assert all(url.startswith(service.public + "/") for url in asked)
    assert [url for url in asked if "/v1/" in url] == [f"{service.public}/v1/sites/open/widget?metric=visits"]
    assert await page.evaluate("shifts") == []


async def test_nothing_is_asked_while_nobody_looks(service, open_page):
    """A page in the background is silent, and up to date as soon as it is seen again."""
    page = await open_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.install()
    await page.goto(f"{service.public}/sites/open?lang=en")
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"
    await page.evaluate(hide, True)  # noqa: FBT003 - an argument of the script
    await page.clock.fast_forward(60_000)
    assert [url for url in asked if "/v1/" in url] == []
    await service.hit(site="open")
    await page.evaluate(hide, False)  # noqa: FBT003
    await expect(number(page, "today")).to_have_text("1")


async def test_lost_service_is_said_and_forgotten(service, open_page):
    """When the numbers cannot be had, the last ones stay with a note; it goes when they are back."""
    page = await open_page(locale="en")
    await page.clock.install()
    await page.goto(f"{service.public}/sites/open")
    before = await number(page, "total").text_content()
    await page.route("**/v1/**", lambda route: route.abort())
    await page.clock.fast_forward(10_000)
    await expect(page.locator("[data-note]")).to_have_text("Newer numbers cannot be read at the moment.")
    assert await number(page, "total").text_content() == before
    await page.unroute("**/v1/**")
    await page.clock.fast_forward(10_000)
    await expect(page.locator("[data-note]")).to_be_hidden()


async def test_page_works_without_scripts(service, open_page):
    """Without JavaScript there are all numbers and charts, and the links lead to other views."""
    page = await open_page(java_script_enabled=False, locale="en")
    await page.goto(f"{service.public}/sites/open")
    await expect(number(page, "yesterday")).to_have_text("412,135")
    await expect(page.locator("figure")).to_have_count(3)
    await page.get_by_role("link", name="Months", exact=True).click()
    await expect(page.locator("figure").first.locator("g")).to_have_count(12)
    await page.get_by_role("link", name="Views", exact=True).click()
    await expect(number(page, "yesterday")).to_have_text("1,234,567")
    await page.get_by_role("link", name="العربية").click()
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    await page.locator("summary").click()
    await expect(page.locator("details table")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
@pytest.mark.parametrize("language", ["vi", "de", "ru", "th", "ar"])
async def test_page_fits_every_screen(service, open_page, width, language):
    """Nothing sticks out sideways, in long languages and with long addresses, on a phone or on a desktop."""
    page = await open_page(viewport={"width": width, "height": 700})
    for unit in UNITS:
        await page.goto(f"{service.public}/sites/open?lang={language}&unit={unit}")
        assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_page_is_made_for_paper(service, open_page):
    """On paper there are numbers, charts and meanings, and nothing to click on."""
    page = await open_page()
    await page.goto(f"{service.public}/sites/open?lang=vi")
    await page.emulate_media(media="print")
    for selector in (".tabs", "details", "footer nav"):
        await expect(page.locator(selector).first).to_be_hidden()
    for selector in (".numbers", "figure", ".top", ".meanings"):
        await expect(page.locator(selector).first).to_be_visible()


async def test_script_spells_numbers_as_the_page_does(page):
    """In every language a number looks the same before and after it is refreshed."""
    numbers = [0, 5, 999, 1000, 5095, 9999, 10_000, 15_098, 412_135, 1_234_567, 9_007_199_254_740_991]
    for code, language in load_languages().items():
        spelt = await page.evaluate(
            "([code, numbers]) => numbers.map((number) => new Intl.NumberFormat(code).format(number))",
            [code, numbers],
        )
        assert spelt == [language.number(number) for number in numbers], code


@asynccontextmanager
async def elsewhere(body):
    """Serve a page on another host; yield its address."""

    async def answer(_request):
        return web.Response(text=f"<!doctype html>{body}", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    async with listening(app, "127.0.0.1", 0) as address:
        yield address.replace("127.0.0.1", "localhost")


def framed(service, attributes=""):
    """A page that frames the block of the site `framed`."""
    source = f"{service.public}/embed/framed?theme=digits&lang=en"
    return elsewhere(f'<iframe src="{source}" {attributes}></iframe>')


@pytest.mark.parametrize("attributes", ["", 'sandbox="allow-scripts"'])
async def test_block_lives_in_an_iframe(service, page, attributes):
    """The block shows and refreshes itself in a page of the site's host, in a sandbox too."""
    await service.add_site("framed", hosts=("localhost",))
    await page.clock.install()
    async with framed(service, attributes) as address:
        await page.goto(address)
        total = page.frame_locator("iframe").locator("[data-counter=total] [role=img]")
        await expect(total).to_have_attribute("aria-label", "0")
        await service.hit(site="framed", Origin=address)
        await page.clock.fast_forward(30_000)
        await expect(total).to_have_attribute("aria-label", "1")
        await expect(total.locator("b")).to_have_text("1")


async def test_block_is_not_framed_by_strangers(service, browser):
    """A page of a host that is not the site's gets no block, though the block is there."""
    await service.add_site("framed", hosts=("portal.example",))
    context = await browser.new_context()
    page = await context.new_page()
    async with framed(service) as address, page.expect_response("**/embed/**") as answer:
        await page.goto(address)
        assert (await answer.value).status == 200
        assert await page.frame_locator("iframe").locator("[data-counter]").count() == 0
    await context.close()


async def test_badge_is_a_picture(service, page):
    """A page elsewhere shows the badge as a picture, which is as large as it says."""
    source = f"{service.public}/v1/sites/open/badge.svg?lang=vi"
    async with elsewhere(f'<img src="{source}" alt="">') as address:
        await page.goto(address)
        size = await page.locator("img").evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
    assert size[0] > 150
    assert size[1] == 20
