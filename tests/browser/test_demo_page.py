"""The demo portal: a page as an office would have it, under a strict policy."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
    for (const { sources } of list.getEntries()) shifts.push(sources.map(({ node }) => node?.outerHTML));
}).observe({ type: 'layout-shift', buffered: true });
"""
NAMES = ["index", "khoi-thong-ke", "lich-tiem-chung", "thu-vien-cuoi-tuan", "trong-cay-ven-song"]
FOLDER = Path(__file__).parents[2] / "counter" / "widget" / "static" / "demo"


def address(name):
    """Return the path under which the service shows a page of the demo."""
    return "/" if name == "index" else f"/demo/{name}.html"


@pytest.fixture
def portal(recorder):
    """Serve the demo's pages as the service does, under the strict policy."""
    recorder.page_headers["Content-Security-Policy"] = POLICY
    for number, name in enumerate(NAMES):
        html = (FOLDER / f"{name}.html").read_text(encoding="utf-8")
        recorder.pages[address(name)] = html
        recorder.views[address(name)] = 969 + number
    return recorder


def test_every_page_of_the_demo_is_known_here():
    """No page of the demo escapes these tests."""
    assert sorted(path.stem for path in FOLDER.glob("*.html")) == NAMES


ARTICLES = [name for name in NAMES if name != "khoi-thong-ke"]


@pytest.mark.parametrize("name", ARTICLES)
async def test_a_demo_page_fills_by_two_requests_and_nothing_moves(portal, page, read, name):
    """The hit fills the block and the article, one request the list; no pixel of the page shifts."""
    await page.add_init_script(WATCH_SHIFTS)
    await page.goto(portal.url + address(name))
    await filled(page)
    assert await read(page, "dd") == ["5", "153", "5.095", "15.098", "412.135"]
    assert await read(page, ".count") == [
        f"{portal.views[path]:,}".replace(",", ".") for path in await listed(page, address(name))
    ]
    assert [request.path for request in portal.sent()] == ["/v1/hits", "/v1/sites/demo/pages"]
    assert await page.evaluate("shifts") == []


async def test_the_page_of_looks_fills_by_one_request_and_nothing_moves(portal, page):
    """Each look of the block, light and dark, comes with the hit's own answer into room that was kept for it."""
    await page.add_init_script(WATCH_SHIFTS)
    await page.goto(portal.url + address("khoi-thong-ke"))
    await expect(page.locator(".block .list")).to_have_count(8)
    await filled(page)
    assert [request.path for request in portal.sent()] == ["/v1/hits"]
    assert await page.evaluate("shifts") == []
    assert (await Axe().run(page)).response["violations"] == []


async def filled(page):
    """Wait until every number has come."""
    await expect(page.locator("dd, .count").filter(has_text="…")).to_have_count(0)


async def listed(page, own):
    """Return the paths whose views the page shows, in order."""
    paths = await page.locator(".count").evaluate_all("all => all.map((e) => e.dataset.counterViews)")
    return [path or own for path in paths]


@pytest.mark.parametrize("name", NAMES)
def test_a_demo_page_leads_only_to_what_exists(name):
    """Each link, picture and listed article is there; no style or script is inline."""
    html = (FOLDER / f"{name}.html").read_text(encoding="utf-8")
    known = {address(other) for other in NAMES} | {f"/demo/{path.name}" for path in FOLDER.iterdir()}
    known |= {"/counter.js", f"/v1/hits.gif?site=demo&amp;path={address(name)}", "#noi-dung"}
    targets = re.findall(r'(?:href|src|data-counter-views)="([^"]+)"', html)
    assert set(targets) <= known
    assert not re.search(r"<style|style=|<script>|\son\w+=", html)


@pytest.mark.parametrize("width", [320, 360, 768, 1200])
@pytest.mark.parametrize("name", ["index", "khoi-thong-ke"])
async def test_the_demo_fits_every_screen(portal, open_page, name, width):
    """Nothing sticks out sideways, on a phone or on a desktop."""
    page = await open_page(viewport={"width": width, "height": 700})
    await page.goto(portal.url + address(name))
    await filled(page)
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_without_scripts_the_demo_counts_by_its_pixel(portal, open_page, read):
    """A reader without JavaScript is counted, and sees the text that stood there."""
    page = await open_page(java_script_enabled=False)
    await page.goto(portal.url)
    await portal.until_sent(1, "/v1/hits.gif")
    assert [request.path for request in portal.sent()] == ["/v1/hits.gif"]
    assert set(await read(page, "dd")) == {"…"}
