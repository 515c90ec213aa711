"""Make the pictures of the documentation from a running service: `python docs/screenshots.py [URL]`.

The numbers are those of the portal that the block is modelled on; the browser gives them in the service's
place, so that the pictures stay the same.
"""  # noqa: INP001 - a script, no package

import asyncio
import json
import shutil
import sys
from itertools import product
from pathlib import Path

from playwright.async_api import Browser, Page, Route, async_playwright, expect

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# Bots are not counted, so the browser introduces itself as one that people use.
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
THEMES = ("plain", "card", "line", "digits")
SCHEMES = ("light", "dark")
LANGUAGES = ("vi", "en", "ar")
WIDTHS = {"line": 960}
GROUNDS = {"light": ("#ffffff", "#1c2733"), "dark": ("#10171e", "#e5ebf0")}
VIEWS = (1284, 2317, 640)
NUMBERS = {
    "online": 5,
    "today": 153,
    "yesterday": 140,
    "week": 5095,
    "month": 15098,
    "total": 412135,
    "page": {"path": "/", "views": 969},
    "meta": {"metric": "visits", "as_of": "2026-11-24T03:20:00.123+07:00", "stale": False},
}


async def open_page(browser: Browser, url: str, scale: float = 1, width: int = 1200) -> Page:
    """Open a page of the demo and wait until every number has come."""
    page = await browser.new_page(
        viewport={"width": width, "height": 800}, device_scale_factor=scale, user_agent=AGENT
    )
    await page.route("**/v1/hits", answer_numbers)
    await page.route("**/v1/sites/demo/pages?*", answer_views)
    await page.goto(url)
    await expect(page.locator("dd, .count").filter(has_text="…")).to_have_count(0)
    return page


async def picture_demo(browser: Browser, url: str) -> None:
    """Picture the portal, its block, and the page of looks."""
    page = await open_page(browser, url)
    await page.screenshot(path=IMAGES / "demo.png", full_page=True)
    page = await open_page(browser, url, scale=2)
    await page.locator(".statistics").screenshot(path=IMAGES / "widget.png")


async def picture_looks(browser: Browser, url: str) -> None:
    """Picture the page on which every look stands beside the others, with the numbers of the model."""
    page = await browser.new_page(viewport={"width": 1200, "height": 800}, user_agent=AGENT)
    await page.route("**/v1/hits", answer_numbers)
    await page.goto(f"{url}demo/khoi-thong-ke.html")
    await settle(page, blocks=8)
    for scheme in SCHEMES:
        await page.locator(f".looks.{scheme}").screenshot(path=IMAGES / f"looks-{scheme}.png")


async def picture_block(browser: Browser, url: str, theme: str, scheme: str, language: str) -> None:
    """Picture one look of the block in one language, on a page of the same scheme."""
    ground, text = GROUNDS[scheme]
    html = f"""<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>x</title>
      <style>
        body {{ margin: 0; background: {ground}; color: {text}; font: 16px/1.5 "DejaVu Sans", sans-serif }}
        main {{ box-sizing: border-box; width: {WIDTHS.get(theme, 320)}px; padding: 20px }}
      </style>
      <script async src="/counter.js" data-site="demo" data-automated></script></head>
      <body><main><div data-counter-widget data-theme="{theme}" data-scheme="{scheme}"></div></main></body>
      </html>"""

    async def answer_page(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html")

    page = await browser.new_page(viewport={"width": 1000, "height": 600}, device_scale_factor=2)
    await page.route(f"{url}picture", answer_page)
    await page.route("**/v1/hits", answer_numbers)
    await page.goto(f"{url}picture")
    await settle(page, blocks=1)
    await page.locator("main").screenshot(path=IMAGES / f"block-{theme}-{scheme}-{language}.png")
    await page.close()


async def answer_numbers(route: Route) -> None:
    """Answer a hit in the service's place."""
    await route.fulfill(body=json.dumps(NUMBERS), content_type="application/json")


async def answer_views(route: Route) -> None:
    """Answer a list in the service's place."""
    pages = [{"path": f"/{number}", "views": views} for number, views in enumerate(VIEWS)]
    await route.fulfill(body=json.dumps({"pages": pages}), content_type="application/json")


async def settle(page: Page, blocks: int) -> None:
    """Wait until all blocks are drawn and their wheels stand still."""
    await expect(page.locator(".block .list")).to_have_count(blocks)
    await page.evaluate(
        "Promise.all([...document.querySelectorAll('[data-counter-widget]')].flatMap((host) =>"
        " host.shadowRoot.getAnimations().map((animation) => animation.finished))).then(() => null)"
    )


async def make(url: str) -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        await picture_demo(browser, url)
        await picture_looks(browser, url)
        for theme, scheme, language in product(THEMES, SCHEMES, LANGUAGES):
            await picture_block(browser, url, theme, scheme, language)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(make(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/"))
