"""Our own pages are for everybody: axe finds no violation on them, whatever the language, the theme and the screen."""

import pytest
from axe_playwright_python.async_playwright import Axe
from pydantic import SecretStr

from counter.config import Settings
from tests.acceptance.conftest import SetClock, running
from tests.acceptance.past import row, write
from tests.browser.test_stats_page import TODAY

STATS = ["lang=vi&unit=day", "lang=en&unit=hour", "lang=ar&unit=week", "lang=zh&unit=month"]
EMBEDS = [
    (theme, scheme, language)
    for theme in ("plain", "card", "line", "digits")
    for scheme in ("light", "dark")
    for language in ("vi", "en", "ar")
]


@pytest.fixture
async def service(redis_url, database_url, tmp_path):
    """The real service with a site that has a yesterday."""
    settings = Settings(
        redis_url=SecretStr(redis_url), database_url=SecretStr(database_url), spool_dir=tmp_path / "spool"
    )
    async with running(settings, SetClock()) as service:
        site = await service.add_site("open", public_stats=True, name="Xã Bến Mây")
        yesterday = TODAY.replace(day=TODAY.day - 1)
        await write(
            settings,
            [row(site, yesterday, views=9, visits=5, visitors=4, bots=2, pages={"/": 7, "(other)": 2})],
        )
        yield service


async def violations(page):
    """What axe finds, by rule and place."""
    results = await Axe().run(page)
    return [
        (found["id"], node["target"]) for found in results.response["violations"] for node in found["nodes"]
    ]


@pytest.mark.parametrize("view", STATS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
async def test_statistics_page(service, open_page, view, scheme, width):
    """The statistics page, with its table open."""
    page = await open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    await page.goto(f"{service.public}/sites/open?{view}")
    await page.locator("summary").click()
    assert await violations(page) == []


@pytest.mark.parametrize(("theme", "scheme", "language"), EMBEDS)
async def test_embedded_page(service, open_page, theme, scheme, language):
    """The iframe's page, on the ground that its scheme gives it: what shows through is not ours to judge."""
    page = await open_page(viewport={"width": 300, "height": 300}, color_scheme=scheme, bypass_csp=True)
    await page.goto(f"{service.public}/embed/open?theme={theme}&scheme={scheme}&lang={language}")
    await page.add_style_tag(content="html { background: canvas }")
    assert await violations(page) == []
