"""Make the pictures of the statistics page, the badge and the iframe: `python docs/stats_screenshots.py`.

Runs the real service on embedded engines in a folder of its own, with sample figures that are the same each
time, and looks at it with Chromium.
"""  # noqa: INP001 - a script, no package

import asyncio
import math
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import ClientSession
from playwright.async_api import Browser, Route, async_playwright
from pydantic import SecretStr

from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.app import build
from counter.config import Settings
from counter.database import connected, migrate
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from counter.listen import listening
from counter.sites.model import Site, SiteSettings
from counter.sites.store import SiteStore

IMAGES: Final = Path(__file__).parent / "images"
NOW: Final = datetime(2026, 11, 24, 8, 24, tzinfo=UTC)  # 15:24 in Vietnam, a Tuesday
TODAY: Final = date(2026, 11, 24)
DAYS: Final = 800
ARGUMENTS: Final = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.{}"
EMBEDS: Final = {
    "card": 'width="270" height="262"',
    "plain": 'width="270" height="262"',
    "digits": 'width="270" height="262"',
    "line": 'width="830" height="30"',
}
BADGES: Final = ("", "period=today&color=green", "period=online&color=teal&lang=en", "lang=ar&color=red")
FRAMES: Final = "body{width:850px;margin:20px}iframe{border:0;margin:4px}"
PAGES: Final = {
    "/": 31,
    "/tin-tuc/nop-ho-so-truc-tuyen": 17,
    "/lich-tiem-chung": 14,
    "/thu-tuc/dang-ky-khai-sinh": 11,
    "/thu-vien-cuoi-tuan": 8,
    "/tin-tuc/trong-cay-ven-song": 6,
    "/thu-tuc/cap-doi-can-cuoc": 5,
    "/van-ban/quyet-dinh-41-2026": 4,
    "/lien-he": 2,
    "(other)": 2,
}


def visits_on(day: date, chance: random.Random) -> int:
    """Make up how many visits a day had: more on working days, growing slowly, with a fair in spring."""
    growth = 1 - (TODAY - day).days / 2000
    week = (1.1, 1.16, 1.08, 1.05, 0.98, 0.6, 0.5)[day.weekday()]
    fair = 900 * math.exp(-(((day - date(2026, 4, 17)).days / 1.3) ** 2))
    return round(430 * growth * week * chance.uniform(0.88, 1.12) + fair)


def sample(site: Site, day: date, chance: random.Random) -> Row:
    """Make up one day's figures; today until now."""
    hours = [0.2, 0.1, 0.1, 0.1, 0.2, 0.8, 2.2, 5, 8, 9, 8, 6, 4, 6, 8, 8, 6, 4, 4, 5, 6, 5, 3, 1.2]
    until = 15 if day == TODAY else 24
    visits = [
        round(visits_on(day, chance) * share / sum(hours) * chance.uniform(0.8, 1.2)) for share in hours
    ]
    visits = [number if hour < until else 0 for hour, number in enumerate(visits)]
    views = [round(number * chance.uniform(2.1, 2.7)) for number in visits]
    pages = {path: round(sum(views) * share / sum(PAGES.values())) for path, share in PAGES.items()}
    return Row(
        RowKey(site.id, day, "sample", 1, "0"),
        views=sum(views),
        visits=sum(visits),
        visitors=round(sum(visits) * 0.83),
        bots=round(sum(views) * chance.uniform(0.1, 0.2)),
        hour_views=views,
        hour_visits=visits,
        sketch=b"",
        version=1,
        pages=pages,
    )


async def fill(url: str) -> None:
    """Register the site, and write its past as the rollup would."""
    chance = random.Random(20261124)  # noqa: S311 - the pictures shall be the same each time
    async with connected(url) as connection:
        settings = SiteSettings(name="Cổng thông tin điện tử xã Bến Mây", public_stats=True)
        site = await SiteStore(connection).add("demo", settings)
        days = (TODAY - timedelta(days=number) for number in range(DAYS))
        await AggregateStore(connection).write([sample(site, day, chance) for day in days])
        opening = dict.fromkeys(("visits", "views", "visitors"), 164_000)
        await Ledger(connection).add(site.id, opening, "opening balance", "sample")


@asynccontextmanager
async def service() -> AsyncGenerator[str]:
    """Yield the address of a running service whose clock stands still."""
    with tempfile.TemporaryDirectory(prefix="counter-pictures-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        async with Valkey(folder / "valkey") as valkey, Postgres(folder / "postgres") as postgres:
            await migrate(postgres.url)
            await fill(postgres.url)
            settings = Settings(
                redis_url=SecretStr(valkey.url), database_url=SecretStr(postgres.url), spool_mb=0
            )
            async with (
                build(settings, lambda: round(NOW.timestamp() * 1000)) as built,
                listening(built.public, "127.0.0.1", 0) as address,
            ):
                await visit(address)
                yield address


async def visit(address: str) -> None:
    """Let seven people look at a page just now."""
    async with ClientSession() as session:
        for number in range(7):
            headers = {"User-Agent": AGENT.format(number), "Content-Type": "text/plain"}
            body = '{"site":"demo","path":"/"}'
            async with session.post(f"{address}/v1/hits", data=body, headers=headers) as answer:
                answer.raise_for_status()


PICTURES: Final = {
    # name: address, width, colour scheme
    "stats-vi": ("/sites/demo?lang=vi", 1200, "light"),
    "stats-vi-dark": ("/sites/demo?lang=vi", 1200, "dark"),
    "stats-en-month": ("/sites/demo?lang=en&unit=month", 1200, "light"),
    "stats-ar": ("/sites/demo?lang=ar&unit=week", 1200, "light"),
    "stats-en-phone-dark": ("/sites/demo?lang=en&unit=hour", 390, "dark"),
}


async def take(browser: Browser, url: str, out: Path, width: int, scheme: str) -> None:
    """Take a picture of a whole page."""
    page = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    await page.goto(url)
    await page.screenshot(path=out, full_page=True)
    await page.close()


async def take_embeds(browser: Browser, address: str, out: Path) -> None:
    """Take a picture of every theme of the iframe's page, light and dark, and of badges."""
    for scheme, ground in (("light", "#fff"), ("dark", "#10171e")):
        frames = "".join(
            f'<iframe src="/embed/demo?theme={theme}&scheme={scheme}&lang={language}" {size}></iframe>'
            for language in ("vi", "en", "ar")
            for theme, size in EMBEDS.items()
        )
        badges = " ".join(f'<img src="/v1/sites/demo/badge.svg?{query}" alt="">' for query in BADGES)
        style = f"html{{color-scheme:{scheme};background:{ground}}}{FRAMES}"
        html = f"<!doctype html><style>{style}</style>{frames}<p>{badges}</p>"
        page = await browser.new_page(viewport={"width": 890, "height": 700})
        await page.route("**/frames.html", partial(_show, html))
        await page.goto(f"{address}/frames.html")
        await page.screenshot(path=out / f"embed-{scheme}.png", full_page=True)
        await page.close()


async def _show(html: str, route: Route) -> None:
    await route.fulfill(body=html, content_type="text/html")


async def make(out: Path) -> None:
    """Make all pictures."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    async with service() as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name, (path, width, scheme) in PICTURES.items():
            await take(browser, address + path, out / f"{name}.png", width, scheme)
        await take_embeds(browser, address, out)
        await browser.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    folder.mkdir(exist_ok=True)
    asyncio.run(make(folder))
