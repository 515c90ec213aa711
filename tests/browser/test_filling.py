"""What the script writes into a page, and when it leaves the page as it is."""

import json

import pytest
from playwright.async_api import expect

FENCE = "counter.hit('/fence')"
PERIODS = ["online", "today", "yesterday", "week", "month", "total"]
EVERY_PERIOD = "".join(f"<b data-counter={period}>…</b>" for period in PERIODS)


def paths_of(request):
    """Return the pages that a request asks for."""
    return json.loads(request.body)["paths"] if request.body else [path for _, path in request.query]


def views_of(paths):
    """Return elements that ask for the views of pages."""
    return "".join(f'<i data-counter-views="{path}">–</i>' for path in paths)


async def test_every_marked_element_is_filled(recorder, page, read):
    """Each number appears wherever and as often as the page asks for it, by the hit's own answer."""
    recorder.views["/a"] = 969
    own = "<u data-counter-views>…</u>"
    recorder.pages["/a"] = recorder.embed(own + EVERY_PERIOD * 2 + own)
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("document.querySelector('u').textContent === '969'")
    assert await read(page, "b") == ["5", "153", "140", "5.095", "15.098", "412.135"] * 2
    assert await read(page, "u") == ["969", "969"]
    assert len(recorder.sent()) == 1


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("vi", "412.135"),
        ("en-GB", "412,135"),
        ("fa", "۴۱۲٬۱۳۵"),
        ("fr", "412\u202f135"),
        ("vi_VN", "412,135"),
        ("", "412,135"),
    ],
)
async def test_numbers_are_written_in_the_language_of_the_page(recorder, page, lang, text):
    """Separators and digits are those of `<html lang>`; without a right one those of the browser."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>", lang=lang)
    await page.goto(recorder.url + "/a")
    await page.get_by_text(text, exact=True).wait_for()


async def test_the_text_stays_until_the_answer_comes(recorder, page, read):
    """Nothing blinks: what the page says stays until the number replaces it."""
    recorder.gate.clear()
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>412.000</b>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    assert await read(page, "b") == ["412.000"]
    recorder.gate.set()
    await page.get_by_text("412.135").wait_for()


@pytest.mark.parametrize("unknown", [None, "153", "<img src=x onerror=alert(1)>", True, [7], {"x": 1}])
async def test_what_is_no_number_is_not_written(recorder, page, read, unknown):
    """An unknown number leaves the text; no markup gets in, and no 0 is invented."""
    recorder.numbers |= {"today": unknown, "week": unknown}
    del recorder.numbers["month"]
    recorder.views["/b"] = None
    body = EVERY_PERIOD + "<b data-counter=nonsense>…</b><b data-counter-views>…</b>" + views_of(["/b"])
    recorder.pages["/a"] = recorder.embed(body)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1, "/v1/sites/demo/pages")
    await page.evaluate(FENCE)
    assert await read(page, "b") == ["5", "…", "140", "…", "…", "412.135", "…", "…"]
    assert await read(page, "i") == ["–"]


@pytest.mark.parametrize("answer", ["null", "[]", "7", '"x"', "<html>", ""])
async def test_a_strange_answer_changes_nothing(recorder, page, read, answer):
    """A captive portal's page instead of an answer leaves the text and the console as they are."""
    await page.route(
        "**/v1/hits", lambda route: route.fulfill(body=answer, headers={"Access-Control-Allow-Origin": "*"})
    )
    recorder.pages["/a"] = recorder.embed(EVERY_PERIOD)
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("window.counter")
    await page.evaluate(FENCE)
    assert set(await read(page, "b")) == {"…"}


async def test_a_list_is_filled_by_one_request(recorder, page, read):
    """The views of all listed pages come together, each asked for once, in the page's order."""
    paths = [f"/bai-viet/{number}" for number in range(60)]
    recorder.views = {path: 1000 + number for number, path in enumerate(paths)}
    recorder.pages["/a"] = recorder.embed(views_of(paths + paths[:2]))
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("document.querySelector('i:last-child').textContent === '1.001'")
    assert await read(page, "i") == [f"1.0{number:02}" for number in [*range(60), 0, 1]]
    hit, pages = recorder.sent()
    assert (hit.path, pages.path) == ("/v1/hits", "/v1/sites/demo/pages")
    assert pages.query == [("path", path) for path in paths]


@pytest.mark.parametrize(("count", "length", "parts"), [(250, 5, 1), (200, 150, 1), (501, 5, 2)])
async def test_a_long_list_is_asked_for_in_a_body(recorder, page, count, length, parts):
    """A list that no URL has room for is one request all the same, up to 500 pages, without a preflight."""
    paths = [f"/{number}".ljust(length, "ế") for number in range(count)]
    recorder.views = dict.fromkeys(paths, 7)
    recorder.pages["/a"] = recorder.embed("<meta charset=utf-8>" + views_of(paths))
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("document.querySelector('i:last-child').textContent === '7'")
    asked = recorder.sent("/v1/sites/demo/pages")
    assert [path for request in asked for path in paths_of(request)] == paths
    assert len(asked) == parts
    assert asked[0].method == "POST"
    assert asked[0].headers["Content-Type"].startswith("text/plain")


async def test_no_page_name_reaches_the_script(recorder, page, read):
    """Names that mean something to JavaScript are names like others."""
    names = ["__proto__", "constructor", "toString", "hasOwnProperty"]
    recorder.views["/?__proto__[x]=1&<img>"] = 3
    marks = "".join(f"<b data-counter={name}>…</b>" for name in names)
    recorder.pages["/"] = recorder.embed(marks + views_of([*names, "/?__proto__[x]=1&amp;<img>", "%", "%zz"]))
    await page.goto(recorder.url + "/?__proto__[x]=1&constructor.prototype.x=1")
    await page.get_by_text("3", exact=True).wait_for()
    assert set(await read(page, "b")) == {"…"}
    assert await read(page, "i") == ["–"] * 4 + ["3", "–", "–"]
    assert await page.evaluate("({}).x === undefined")
    assert recorder.hits == ["/?__proto__[x]=1&constructor.prototype.x=1"]


async def test_the_number_of_the_page_before_never_shows(recorder, page):
    """A late answer about the page that was left is not written on the page that is there."""
    recorder.gate.clear()
    recorder.views = {"/a": 1, "/b": 2}
    recorder.pages["/a"] = recorder.embed("<b data-counter-views>…</b>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.evaluate("""() => {
        window.shown = [];
        const note = () => shown.push(document.querySelector('b').textContent);
        new MutationObserver(note).observe(document.body, { subtree: true, childList: true });
        history.pushState({}, '', '/b');
    }""")
    await recorder.until_sent(2)
    recorder.gate.set()
    await page.get_by_text("2", exact=True).wait_for()
    assert set(await page.evaluate("shown")) <= {"…", "2"}


async def test_the_views_of_the_page_before_are_withdrawn(recorder, page, read):
    """An application that moves on shows no number until it has its own, also when that never comes."""
    recorder.views["/a"] = 1
    recorder.pages["/a"] = recorder.embed("<b data-counter-views>…</b>" + EVERY_PERIOD)
    await page.goto(recorder.url + "/a")
    await page.get_by_text("1", exact=True).wait_for()
    recorder.faults = [503, 503]
    await page.evaluate("history.pushState({}, '', '/b')")
    await recorder.until_sent(3)
    assert (await read(page, "b"))[:3] == ["…", "5", "153"]


async def test_an_older_answer_does_not_replace_a_newer_one(recorder, page, read):
    """A cached answer that is overtaken never lets the total fall; a newer one raises it."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>")
    await page.goto(recorder.url + "/a")
    await page.get_by_text("412.135").wait_for()
    recorder.as_of, recorder.numbers["total"] = "2026-11-24T03:19:59.999+07:00", 412134
    await page.evaluate("counter.refresh()")
    assert await read(page, "b") == ["412.135"]
    recorder.as_of, recorder.numbers["total"] = "2026-11-23T20:20:01.000Z", 412136
    await page.evaluate("counter.refresh()")
    assert await read(page, "b") == ["412.136"]


async def test_an_answer_kept_by_the_browser_is_asked_about(recorder, page, read):
    """The service's own caching never makes a page show numbers that are half a minute old."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>" + views_of(["/b"]))
    recorder.views["/b"] = 6
    await page.goto(recorder.url + "/a")
    await page.get_by_text("6", exact=True).wait_for()
    recorder.numbers["total"] = 412136
    recorder.views["/b"] = 7
    await page.evaluate("counter.refresh()")
    assert await read(page, "b") == ["412.136"]
    assert await read(page, "i") == ["7"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("data-locale=fr", "412\u202f135"),
        ("data-use-grouping", "412135"),
        ("data-notation=compact data-locale=en", "412K"),
        ("data-notation=nonsense", "412,135"),
    ],
)
async def test_the_grouping_can_be_chosen(recorder, page, options, text):
    """The tag may name another language for the numbers, and any option of Intl.NumberFormat."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>", options="data-automated " + options)
    await page.goto(recorder.url + "/a")
    await page.get_by_text(text, exact=True).wait_for()


async def test_an_element_may_speak_another_language(recorder, page, read):
    """A page in two languages writes each number as the text around it."""
    body = "<p lang=en><b data-counter=total>…</b></p><b data-counter=total>…</b>"
    recorder.pages["/a"] = recorder.embed(body)
    await page.goto(recorder.url + "/a")
    await page.get_by_text("412.135").wait_for()
    assert await read(page, "b") == ["412,135", "412.135"]


async def test_what_comes_later_is_filled(recorder, page, read):
    """Elements inserted later are filled with what is known; new articles of a list are asked for together."""
    recorder.views = {"/a": 969, "/b": 1, "/c": 2, "/d": 3}
    recorder.pages["/a"] = recorder.embed("<u data-counter-views>…</u>" + views_of(["/b"]))
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("document.querySelector('i').textContent === '1'")
    later = EVERY_PERIOD + "<b data-counter=views>…</b>" + views_of(["/b", "/c", "/d"])
    await page.evaluate("(html) => document.body.insertAdjacentHTML('beforeend', html)", later)
    await page.wait_for_function("document.querySelector('i:last-child').textContent === '3'")
    assert await read(page, "b") == ["5", "153", "140", "5.095", "15.098", "412.135", "969"]
    assert await read(page, "i") == ["1", "1", "2", "3"]
    assert [paths_of(request) for request in recorder.sent("/v1/sites/demo/pages")] == [["/b"], ["/c", "/d"]]
    assert len(recorder.sent()) == 3


async def test_a_list_that_changes_its_article_is_filled_anew(recorder, page):
    """An application that reuses an element for another article shows that one's views."""
    recorder.views = {"/b": 1, "/c": 2}
    recorder.pages["/a"] = recorder.embed(views_of(["/b"]))
    await page.goto(recorder.url + "/a")
    await page.get_by_text("1", exact=True).wait_for()
    await page.evaluate("document.querySelector('i').dataset.counterViews = '/c'")
    await page.get_by_text("2", exact=True).wait_for()


async def test_a_page_at_rest_is_left_alone(recorder, page):
    """Filling does not set itself off again: once the numbers stand, nothing in the page changes."""
    recorder.views = {"/a": 969, "/b": 1}
    recorder.pages["/a"] = recorder.embed(EVERY_PERIOD + "<u data-counter-views>…</u>" + views_of(["/b"]))
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("document.querySelector('i').textContent === '1'")
    await page.evaluate("""() => {
        window.changes = 0;
        new MutationObserver(() => { changes += 1; }).observe(document, { subtree: true, childList: true });
    }""")
    for _ in range(3):
        await page.evaluate("counter.refresh()")
    assert await page.evaluate("changes") == 0


async def test_the_page_is_told_when_numbers_come(recorder, page):
    """The event `counter` carries the numbers, those of the page among them, each time they were asked for."""
    recorder.views["/a"] = 969
    recorder.pages["/a"] = recorder.embed(
        head="<script>told = []; addEventListener('counter', (e) => told.push({...e.detail}), true)</script>"
    )
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("told.length === 1")
    await page.evaluate("counter.refresh()")
    first, second = await page.evaluate("told")
    assert (first["total"], first["views"], first["meta"]["metric"]) == (412135, 969, "visits")
    assert second == first


async def test_views_that_could_not_be_had_come_later(recorder, page):
    """A list whose answer failed, or did not know a page, is asked for again with the next numbers."""
    recorder.views = {"/b": 7, "/c": None}
    recorder.pages["/a"] = recorder.embed(views_of(["/b", "/c"]))
    await page.clock.install(time=0)
    await page.goto(recorder.url + "/a")
    await expect(page.locator("i")).to_have_text(["7", "–"])
    recorder.views["/c"] = 8
    await page.clock.run_for(30_000)
    await expect(page.locator("i")).to_have_text(["7", "8"])
    assert [paths_of(request) for request in recorder.sent("/v1/sites/demo/pages")] == [["/b", "/c"], ["/c"]]
