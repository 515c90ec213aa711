"""Make the pictures of the documentation from a running service: `python docs/screenshots.py [URL]`."""  # noqa: INP001 - a script, no package

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# Bots are not counted, so the browser introduces itself as one that people use.
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def open_demo(browser: Browser, url: str, scale: float) -> Page:
    """Open the demo page and wait until every number has come."""
    page = await browser.new_page(
        viewport={"width": 1200, "height": 800}, device_scale_factor=scale, user_agent=AGENT
    )
    await page.goto(url)
    await expect(page.locator("dd, .count").filter(has_text="…")).to_have_count(0)
    return page


async def make(url: str) -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = await open_demo(browser, url, scale=1)
        await page.screenshot(path=IMAGES / "demo.png", full_page=True)
        page = await open_demo(browser, url, scale=2)
        await page.locator(".statistics").screenshot(path=IMAGES / "widget.png")
        await browser.close()


if __name__ == "__main__":
    asyncio.run(make(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/"))
