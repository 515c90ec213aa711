"""The block: an empty element becomes the list of numbers, in the page's language and in one of four looks."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.recorder import STATIC

LANGUAGES = json.loads((STATIC.parent / "source" / "languages.json").read_text(encoding="utf-8"))
THEMES = ["plain", "card", "line", "digits"]
BLOCK = "<div data-counter-widget></div>"
VIETNAMESE = [
    "Đang truy cập 5",
    "Hôm nay 153",
    "Trong tuần 5.095",
    "Tháng hiện tại 15.098",
    "Tổng lượt truy cập 412.135",
]
FENCE = "counter.hit('/fence')"
NOTE_TEXTS = """
window.texts = [];
const note = () => texts.push(host.shadowRoot.querySelector('.total .value').textContent);
const host = document.querySelector('[data-counter-widget]');
new MutationObserver(note).observe(host.shadowRoot, { subtree: true, childList: true });
"""


def rows(page):
    """Return the rows of all blocks in a page."""
    return page.get_by_role("listitem")


async def test_an_empty_element_becomes_the_list(recorder, page):
    """The block of the source portal, word for word, filled by the hit's own answer."""
    recorder.pages["/a"] = recorder.embed(BLOCK)
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_text(VIETNAMESE)
    await expect(page.get_by_role("list", name="Thống kê truy cập")).to_be_visible()
    await page.evaluate(FENCE)
    assert [request.path for request in recorder.sent()] == ["/v1/hits", "/v1/hits"]


async def test_a_page_without_a_block_loads_no_more(recorder, page):
    """What counts and fills is one file; only lists, blocks and old browsers need the other."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b><b data-counter-views>…</b>")
    await page.goto(recorder.url + "/a")
    await expect(page.locator("b").first).to_have_text("412.135")
    await page.evaluate("counter.refresh()")
    assert [request.path for request in recorder.requests if request.path.endswith(".js")] == ["/counter.js"]


async def test_what_stands_there_stays_until_the_answer(recorder, page):
    """Markup that the page has in the block's place is shown until there are numbers."""
    recorder.gate.clear()
    recorder.pages["/a"] = recorder.embed("<div data-counter-widget><i>Tổng: 412.000</i></div>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.wait_for_function("Boolean(customElements.get('visitor-counter'))")
    await expect(page.get_by_text("Tổng: 412.000")).to_be_visible()
    recorder.gate.set()
    await page.evaluate("counter.refresh()")
    await expect(rows(page)).to_have_text(VIETNAMESE)
    await expect(page.get_by_text("Tổng: 412.000")).to_be_hidden()


async def test_what_stands_there_stays_on_failure(recorder, page):
    """With the service down nothing is drawn, no 0 and no empty frame."""
    recorder.faults = [503] * 9
    recorder.pages["/a"] = recorder.embed("<div data-counter-widget><i>Tổng: 412.000</i></div>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(2)
    await page.evaluate("counter.refresh()")
    await expect(page.get_by_text("Tổng: 412.000")).to_be_visible()
    await expect(rows(page)).to_have_count(0)


def test_every_language_is_complete():
    """Vietnamese, English and at least ten more have every word, and no word is left in another's script."""
    assert {"vi", "en", "ar"} < LANGUAGES.keys()
    assert len(LANGUAGES) >= 12
    assert len({tuple(words) for words in LANGUAGES.values()}) == 1
    assert all(word.strip() == word != "" for words in LANGUAGES.values() for word in words.values())
    assert all(len(set(words.values())) == len(words) for words in LANGUAGES.values())


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_speaks_the_language_of_the_page(recorder, page, language):
    """Each language has its words, its digits and its direction."""
    recorder.pages["/a"] = recorder.embed("<meta charset=utf-8>" + BLOCK, lang=language)
    await page.goto(recorder.url + "/a")
    words = LANGUAGES[language]
    await expect(page.locator("[data-counter-widget] .label")).to_have_text(
        [words[name] for name in ("online", "today", "week", "month", "visits")]
    )
    await expect(page.get_by_role("list", name=words["title"])).to_be_visible()
    number = await page.evaluate("(language) => (412135).toLocaleString(language)", language)
    await expect(page.locator(".total .value")).to_have_text(number)
    assert await page.locator(".block").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")


@pytest.mark.parametrize(
    ("lang", "options", "title"),
    [
        ("vi_VN", "", "Thống kê truy cập"),
        ("fr-CA", "", "Statistiques de fréquentation"),
        ("tlh", "", "Visitor statistics"),
        ("en", "data-lang=vi", "Thống kê truy cập"),
        ("vi", "data-title='Lượt khách'", "Lượt khách"),
    ],
)
async def test_the_language_and_the_title_can_be_chosen(recorder, page, lang, options, title):
    """A region is dropped, an unknown language is English, and the page may say otherwise."""
    recorder.pages["/a"] = recorder.embed(
        f"<meta charset=utf-8><div data-counter-widget {options}>", lang=lang
    )
    await page.goto(recorder.url + "/a")
    await expect(page.get_by_role("list", name=title)).to_be_visible()


async def test_the_rows_can_be_chosen(recorder, page):
    """`data-show` names the rows and their order; the views of the page may be among them."""
    recorder.views["/a"] = 969
    recorder.pages["/a"] = recorder.embed("<div data-counter-widget data-show='total yesterday views'></div>")
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_text(
        ["Tổng lượt truy cập 412.135", "Hôm qua 140", "Lượt xem trang này 969"]
    )


@pytest.mark.parametrize(("metric", "label"), [("views", "Tổng lượt xem"), ("visitors", "Tổng số khách")])
async def test_the_total_is_called_what_it_is(recorder, page, metric, label):
    """A site that counts views does not call them visits."""
    recorder.metric = metric
    recorder.pages["/a"] = recorder.embed(BLOCK)
    await page.goto(recorder.url + "/a")
    await expect(rows(page).last).to_have_text(f"{label} 412.135")


@pytest.mark.parametrize("theme", THEMES)
async def test_a_strict_policy_lets_every_theme_look_as_it_should(recorder, page, theme):
    """Under `default-src 'none'` and the two directives there is no error, and the styles are there."""
    recorder.page_headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {recorder.api}; connect-src {recorder.api}"
    )
    recorder.pages["/a"] = recorder.embed(f"<div data-counter-widget data-theme={theme}></div>")
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_count(5)
    await expect(page.locator(".list")).to_have_css("list-style-type", "none")
    await expect(page.locator(".value").last).to_have_css("font-variant-numeric", "tabular-nums")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("lang", ["vi", "ar"])
async def test_axe_finds_nothing(recorder, open_page, theme, scheme, lang):
    """Every theme, light and dark, in both directions, is accessible to people who see or hear otherwise."""
    page = await open_page(reduced_motion="reduce")
    ground = "<style>body{background:#10171e;color:#eee}</style>" if scheme == "dark" else ""
    body = (
        f"<main><h1>Trang</h1><div data-counter-widget data-theme={theme} data-scheme={scheme}></div></main>"
    )
    recorder.pages["/a"] = recorder.embed(body, lang=lang, head=ground)
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_count(5)
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert [rule["id"] for rule in found.response["passes"] if rule["id"] == "color-contrast"]


async def test_odometers_are_read_as_numbers(recorder, page):
    """The wheels show the digits, and who listens hears one number."""
    recorder.pages["/a"] = recorder.embed("<div data-counter-widget data-theme=digits></div>")
    await page.goto(recorder.url + "/a")
    total = rows(page).first
    await expect(total.locator(".wheel")).to_have_count(6)
    assert await total.locator(".strip").evaluate_all(
        "all => all.map((strip) => strip.style.getPropertyValue('--at'))"
    ) == list("412135")
    await expect(page.get_by_role("list")).to_match_aria_snapshot("""
      - list "Thống kê truy cập":
        - listitem: Tổng lượt truy cập 412.135
        - listitem: Đang truy cập 5
        - listitem: Hôm nay 153
        - listitem: Trong tuần 5.095
        - listitem: Tháng hiện tại 15.098
    """)
    recorder.as_of, recorder.numbers["total"] = "2026-11-24T03:21:00.000+07:00", 1000000
    await page.evaluate("counter.refresh()")
    await expect(total.locator(".wheel")).to_have_count(7)


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
async def test_new_numbers_come_in_small_steps(recorder, open_page, motion, moves):
    """A number that rises does so without a jump, and at once for who wants no motion."""
    page = await open_page(reduced_motion=motion)
    recorder.pages["/a"] = recorder.embed(BLOCK)
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_text(VIETNAMESE)
    await page.evaluate(NOTE_TEXTS)
    recorder.as_of, recorder.numbers["total"] = "2026-11-24T03:21:00.000+07:00", 412195
    await page.evaluate("counter.refresh()")
    await expect(rows(page).last).to_have_text("Tổng lượt truy cập 412.195")
    shown = [int(text.replace(".", "")) for text in await page.evaluate("texts")]
    assert shown == sorted(shown)
    assert (len(set(shown)) > 5) == moves
    assert shown[-1] == 412195


async def test_an_open_page_is_renewed_every_half_minute(recorder, page):
    """The block follows what happens while the page is visible, without a click."""
    recorder.pages["/a"] = recorder.embed(BLOCK)
    await page.clock.install(time=0)
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_count(5)
    recorder.as_of, recorder.numbers["online"] = "2026-11-24T03:21:00.000+07:00", 6
    await page.clock.run_for(30_000)
    await recorder.until_sent(1, "/v1/sites/demo/widget")
    await page.clock.run_for(1000)
    await expect(rows(page).first).to_have_text("Đang truy cập 6")


async def test_blocks_and_elements_may_come_later(recorder, page):
    """What an application inserts after the numbers came is drawn without another request."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>")
    await page.goto(recorder.url + "/a")
    await expect(page.locator("b")).to_have_text("412.135")
    await page.evaluate("(html) => document.body.insertAdjacentHTML('beforeend', html)", BLOCK)
    await expect(rows(page)).to_have_text(VIETNAMESE)
    await page.evaluate("document.body.append(document.createElement('visitor-counter'))")
    await expect(rows(page)).to_have_text(VIETNAMESE * 2)
    assert len(recorder.sent()) == 1


async def test_the_look_can_change(recorder, page):
    """A theme set later replaces the one before."""
    recorder.pages["/a"] = recorder.embed("<visitor-counter theme=card></visitor-counter>")
    await page.goto(recorder.url + "/a")
    await expect(page.locator(".block.card")).to_be_visible()
    await page.evaluate("document.querySelector('visitor-counter').setAttribute('theme', 'digits')")
    await expect(page.locator(".block.digits")).to_be_visible()
    await expect(page.locator(".block")).to_have_count(1)


@pytest.mark.parametrize("tag", ["td", "li", "span", "section", "p"])
async def test_any_element_may_be_the_place(recorder, page, tag):
    """Also an element that can have no shadow, as the table cells of old pages, holds a block."""
    inner = f"<{tag} data-counter-widget></{tag}>"
    wrapped = {"td": f"<table><tr>{inner}</table>", "li": f"<ul>{inner}</ul>"}.get(tag, inner)
    recorder.pages["/a"] = recorder.embed(wrapped)
    await page.goto(recorder.url + "/a")
    await expect(page.locator(".value")).to_have_text(["5", "153", "5.095", "15.098", "412.135"])


async def test_the_page_restyles_not_the_block_but_by_its_properties(recorder, page):
    """Rules of the page for lists and spans leave the block alone; its custom properties colour it."""
    style = (
        "<style>ul,li,span,p{color:red!important;float:left;border:9px solid}:root{--counter-text:#123456}"
    )
    recorder.pages["/a"] = recorder.embed(
        "<div data-counter-widget data-theme=card></div>", head=style + "</style>"
    )
    await page.goto(recorder.url + "/a")
    await expect(page.locator(".value").first).to_have_css("color", "rgb(18, 52, 86)")
    await expect(page.locator(".row").first).to_have_css("float", "none")


async def test_the_scheme_follows_the_page(recorder, open_page):
    """`auto` is dark only where the page itself is; a light page stays light under a dark system."""
    page = await open_page(color_scheme="dark")
    card = "<div data-counter-widget data-theme=card></div>"
    recorder.pages |= {
        "/light": recorder.embed(card),
        "/both": recorder.embed(card, head="<meta name=color-scheme content='light dark'>"),
    }
    for path, ground in (("/light", "rgb(255, 255, 255)"), ("/both", "rgb(24, 34, 44)")):
        await page.goto(recorder.url + path)
        await expect(page.locator(".block")).to_have_css("background-color", ground)


async def test_the_element_works_without_the_script(recorder, page):
    """`<visitor-counter>` alone shows a site's numbers and counts nothing: a screen in the lobby."""
    tag = f'<script async src="{recorder.api}/more.js"></script>'
    html = f"<!doctype html><title>x</title>{tag}<visitor-counter site=demo lang=vi></visitor-counter>"
    recorder.pages["/tv"] = html
    await page.goto(recorder.url + "/tv")
    await expect(rows(page)).to_have_text(VIETNAMESE)
    assert [(request.method, request.path) for request in recorder.sent()] == [
        ("GET", "/v1/sites/demo/widget")
    ]


async def test_an_element_may_show_another_site(recorder, page):
    """The numbers of another site are its own, asked for once however many blocks show them."""
    recorder.pages["/a"] = recorder.embed(BLOCK + "<visitor-counter site=other></visitor-counter>" * 3)
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_text(VIETNAMESE * 4)
    await page.evaluate(FENCE)
    assert [request.path for request in recorder.sent("/v1/sites")] == ["/v1/sites/other/widget"]


async def test_a_page_may_pin_both_files(recorder, page):
    """A page with `integrity` on both tags loads nothing that it has not named."""
    more = f'<script async src="{recorder.api}/more.js"></script>'
    recorder.pages["/a"] = recorder.embed(BLOCK + more, options="data-automated data-more")
    await page.goto(recorder.url + "/a")
    await expect(rows(page)).to_have_text(VIETNAMESE)
    assert [request.path for request in recorder.requests].count("/more.js") == 1


def test_the_types_name_what_there_is():
    """The TypeScript types list the very methods that `window.counter` has."""
    types = (STATIC / "counter.d.ts").read_text(encoding="utf-8")
    script = (Path(STATIC.parent) / "source" / "counter.js").read_text(encoding="utf-8")
    api = script.partition("self.counter = self.counter || {")[2].partition("};")[0]
    names = {part.split(":")[0].strip() for part in api.split(",") if part.strip()}
    declared = types.partition("interface Counter {")[2].partition("\n}")[0]
    assert names == {
        line.strip().split("(")[0] for line in declared.splitlines() if "(" in line and "*" not in line
    }
