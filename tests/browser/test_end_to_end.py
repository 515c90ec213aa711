"""The whole way: a real browser on the demo portal of the real service, down to the row in Postgres."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from counter.app import serve
from counter.config import Settings
from counter.widget.files import pinned

READER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OTHER_READER = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
ARTICLE = "/demo/lich-tiem-chung.html"


@pytest.fixture
def settings(redis_url, database_url, tmp_path):
    """Settings of a demo on free ports."""
    return Settings(
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(database_url),
        port=0,
        admin_port=0,
        demo=True,
        snapshot_milliseconds=0,
        spool_dir=tmp_path / "spool",
        drain_seconds=0,  # the browser keeps its connections
    )


@asynccontextmanager
async def serving(settings):
    """Run the service as `counter serve` does, until the block ends; yield the portal's address."""
    said: asyncio.Queue[str] = asyncio.Queue()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop=stop, say=said.put_nowait))
        while not (line := await said.get()).startswith("demo portal"):
            pass
        yield line.split()[-1]
        stop.set()


async def shown(page):
    """Wait until every number has come; return the five of the block, and the views of the article."""
    await expect(page.locator("dd, .count").filter(has_text="…")).to_have_count(0)
    texts = await page.locator("dd, article .count").all_text_contents()
    views, *five = [int(text.replace(".", "")) for text in texts]
    return five, views


async def test_numbers_rise_with_each_visit_and_views_with_each_look(settings, open_page):
    """Two readers are two visits; looking again is a view, and no visit; a bot is neither."""
    async with serving(settings) as portal:
        page = await open_page(user_agent=READER)
        await page.goto(portal)
        assert await shown(page) == ([1, 1, 1, 1, 1], 1)
        await page.reload()
        assert await shown(page) == ([1, 1, 1, 1, 1], 2)

        other = await open_page(user_agent=OTHER_READER)
        await other.goto(portal)
        assert await shown(other) == ([2, 2, 2, 2, 2], 3)

        bot = await open_page(user_agent=BOT)
        await bot.goto(portal)
        assert await shown(bot) == ([2, 2, 2, 2, 2], 3)

        await page.reload()
        assert await shown(page) == ([2, 2, 2, 2, 2], 4)


async def test_a_list_shows_what_the_articles_show(settings, open_page):
    """The views that an article shows are those that other pages list beside its title."""
    async with serving(settings) as portal:
        page = await open_page(user_agent=READER)
        await page.goto(portal)
        await page.click(f"a[href='{ARTICLE}']:has-text('Lịch')")
        assert await shown(page) == ([1, 1, 1, 1, 1], 1)
        await page.goto(portal)
        assert await shown(page) == ([1, 1, 1, 1, 1], 2)
        assert await page.locator(f"[data-counter-views='{ARTICLE}']").text_content() == "1"


async def test_the_picture_counts_without_scripts(settings, open_page):
    """A reader without JavaScript is a visit and a view like others."""
    async with serving(settings) as portal:
        page = await open_page(user_agent=OTHER_READER, java_script_enabled=False)
        async with page.expect_response("**/v1/hits.gif?**") as answer:
            await page.goto(portal)
        assert (await answer.value).ok
        page = await open_page(user_agent=READER)
        await page.goto(portal)
        assert await shown(page) == ([2, 2, 2, 2, 2], 2)


def pinned_page():
    """Return a page that pins both files of the latest build, as `counter site show` prints it."""
    tags = [
        f'<script async src="{pin.address}" crossorigin integrity="{pin.integrity}" {options}></script>'
        for pin, options in zip(
            pinned("/counter.js").values(), ('data-site="demo" data-automated data-more', ""), strict=True
        )
    ]
    body = '<div data-counter-widget><i>Tổng: …</i></div><b data-counter-views="/demo/lich-tiem-chung.html">…</b>'
    return (
        f'<!doctype html><html lang="vi"><meta charset="utf-8"><title>x</title>{"".join(tags)}{body}</html>'
    )


async def test_a_pinned_page_runs_what_it_names(settings, open_page):
    """With the printed hashes the script, the list and the block work on the real service."""
    async with serving(settings) as portal:
        page = await open_page(user_agent=READER)
        await page.route(
            f"{portal}pinned", lambda route: route.fulfill(body=pinned_page(), content_type="text/html")
        )
        await page.goto(f"{portal}pinned")
        await expect(page.get_by_role("listitem").last).to_have_text("Tổng lượt truy cập 1")
        await expect(page.locator("b")).to_have_text("0")


async def test_a_pinned_page_runs_nothing_else(settings, browser):
    """A file that is not what the page pinned is not run: the page stays as its author wrote it."""
    async with serving(settings) as portal:
        page = await browser.new_page(user_agent=READER)
        spoilt = pinned_page().replace("sha384-", "sha384-AAAA")
        await page.route(
            f"{portal}pinned", lambda route: route.fulfill(body=spoilt, content_type="text/html")
        )
        await page.goto(f"{portal}pinned")
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate("[typeof counter, document.querySelector('b').textContent]") == [
            "undefined",
            "…",
        ]
        await page.close()


async def test_numbers_outlive_the_service(settings, open_page, database_url):
    """What a browser saw is a row in Postgres once the service stopped, and the next start goes on."""
    async with serving(settings) as portal:
        page = await open_page(user_agent=READER)
        await page.goto(portal)
        assert await shown(page) == ([1, 1, 1, 1, 1], 1)
    connection = await asyncpg.connect(database_url)
    try:
        totals = await connection.fetchrow(
            "select views, visits, visitors, bots from site_totals where site = 'demo'"
        )
        pages = await connection.fetch(
            "select path, views from page_aggregates join pages on pages.id = page_id"
        )
    finally:
        await connection.close()
    assert tuple(totals) == (1, 1, 1, 0)
    assert [tuple(row) for row in pages] == [("/", 1)]
    async with serving(settings) as portal:
        other = await open_page(user_agent=OTHER_READER)
        await other.goto(portal)
        assert await shown(other) == ([2, 2, 2, 2, 2], 2)


async def test_the_demo_sends_its_strict_policy(settings, page):
    """The service serves the demo under a policy without inline styles and scripts, and it works there."""
    async with serving(settings) as portal:
        answer = await page.goto(portal)
        policy = (await answer.all_headers())["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_signed_site_counts_the_script_that_carries_a_token(settings, open_page):
    """The plain script's hits count for nothing on a site that asks for tokens; the signed script's hit does."""
    markup = """<!doctype html><title>Portal</title>
        <script async src="{script}" data-site="demo" data-automated></script>
        <p><span data-counter="total" data-counter-metric="visits">…</span></p>"""
    async with serving(settings) as portal:
        connection = await asyncpg.connect(settings.database_url.get_secret_value())
        await connection.execute("update sites set signed = true where key = 'demo'")
        await connection.close()
        page = await open_page(user_agent=READER)
        total = page.locator("[data-counter]")
        for script, expected in (("/counter.js", "0"), ("/signed.js?site=demo", "1")):
            await page.route("**/portal", answering(markup.format(script=script)))
            await page.goto(f"{portal}/portal")
            await expect(total).to_have_text(expected)
            await page.unroute("**/portal")


def answering(body):
    """Return what answers a request of the browser with a page."""

    async def answer(route):
        await route.fulfill(body=body, content_type="text/html")

    return answer
