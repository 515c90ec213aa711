"""When the script counts a page, and when it does not."""

from pathlib import Path

import pytest

HIDE = """for (const [name, value] of [['hidden', true], ['visibilityState', 'hidden']]) {
    Object.defineProperty(document, name, { configurable: true, get: () => value });
}"""
REVEAL = """() => {
    delete document.hidden;
    delete document.visibilityState;
    document.dispatchEvent(new Event('visibilitychange'));
}"""
FENCE = "counter.hit('/fence')"
"""A hit after all others: once it is there, what has not been sent will never be."""


async def test_a_page_is_counted_by_one_request(recorder, page):
    """A page shown is one request in all: no preflight, no second hit, nothing to fetch the numbers."""
    recorder.pages["/a/b"] = recorder.embed("<b data-counter=today>…</b><b data-counter-views>…</b>")
    await page.goto(recorder.url + "/a/b?x=1#part")
    await recorder.until_sent(1)
    await page.evaluate(FENCE)
    assert [(request.method, request.path) for request in recorder.sent()] == [("POST", "/v1/hits")] * 2
    assert recorder.hits == ["/a/b?x=1", "/fence"]


async def test_a_hidden_page_counts_when_it_is_shown(recorder, page):
    """A page opened in the background counts when somebody looks at it, and not again at the next look."""
    recorder.pages["/a"] = recorder.embed()
    await page.add_init_script(HIDE)
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("window.counter")
    await page.evaluate("counter.refresh()")
    assert recorder.hits == []
    await page.evaluate(REVEAL)
    await recorder.until_sent(1)
    await page.evaluate(HIDE)
    await page.evaluate(REVEAL)
    await page.evaluate(FENCE)
    assert recorder.hits == ["/a", "/fence"]


async def test_a_return_from_the_back_forward_cache_counts(recorder, page):
    """Going back shows the page again, also when the browser had kept it whole."""
    recorder.pages |= {"/a": recorder.embed("<a href=/b>b</a>"), "/b": recorder.embed()}
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.click("a")
    await recorder.until_sent(2)
    await page.evaluate("history.back()")
    await recorder.until_sent(3)
    assert recorder.hits == ["/a", "/b", "/a"]
    assert [request.path for request in recorder.requests].count("/a") == 1, "the page itself was kept"


@pytest.fixture(params=["with the Navigation API", "without it", "with something else of its name"])
async def any_browser(request, page):
    """A page in a browser that has the Navigation API, or has it not, or whose page took its name."""
    if request.param != "with the Navigation API":
        value = "undefined" if request.param == "without it" else "document.createElement('nav')"
        await page.add_init_script(f"Object.defineProperty(window, 'navigation', {{ value: {value} }})")
    return page


async def ready(page):
    """Wait until the script follows the history, for which an old browser loads another file."""
    await page.wait_for_function(
        "'currentEntry' in (window.navigation ?? {}) || history.pushState.toString().includes('apply')"
    )


async def test_an_application_is_followed(recorder, any_browser):
    """Each address that an application pushes or goes back to is a page."""
    page = any_browser
    recorder.pages["/"] = recorder.embed()
    await page.goto(recorder.url)
    await recorder.until_sent(1)
    await ready(page)
    moves = ["history.pushState({}, '', '/b')", "history.pushState(0, '', '?c=1')", "history.go(-2)"]
    for count, move in enumerate([*moves, "history.forward()"], 2):
        await page.evaluate(move)
        await recorder.until_sent(count)
    assert recorder.hits == ["/", "/b", "/b?c=1", "/", "/b"]


@pytest.mark.parametrize(
    ("move", "event"),
    [
        ("history.replaceState({}, '', '/other')", ""),
        ("history.pushState({ menu: 1 }, '')", ""),
        ("history.pushState({}, '', location.href)", ""),
        ("history.pushState({}, '', '#part')", ""),
        ("location.hash = 'part'", "hashchange"),
        ("document.querySelector('a').click()", "hashchange"),
        ("history.pushState({ menu: 1 }, ''), history.back()", "popstate"),
    ],
)
async def test_what_is_no_new_page_does_not_count(recorder, any_browser, move, event):
    """A replaced address, a hash and a state alone show no other page."""
    page = any_browser
    recorder.pages["/a"] = recorder.embed("<a href='#part'>part</a><p id=part>")
    await page.clock.install(time=0)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await ready(page)
    await page.clock.pause_at(60_000)
    await page.evaluate(
        f"new Promise((done) => {{ '{event}' ? addEventListener('{event}', done) : done(); {move}; }})"
    )
    await page.clock.run_for(1000)
    await page.evaluate("history.pushState({}, '', '/fence')")
    await page.clock.run_for(1000)
    await recorder.until_sent(2)
    assert recorder.hits == ["/a", "/fence"]


async def test_the_navigation_api_is_followed(recorder, page):
    """An application that navigates without the history is counted, not where it replaces or reloads."""
    recorder.pages["/"] = recorder.embed()
    await page.goto(recorder.url)
    await recorder.until_sent(1)
    await page.evaluate("navigation.addEventListener('navigate', (event) => event.intercept())")
    await page.evaluate("navigation.navigate('/b').finished.then(() => null)")
    await recorder.until_sent(2)
    await page.evaluate("navigation.navigate('/c', { history: 'replace' }).finished.then(() => null)")
    await page.evaluate("navigation.navigate('#part').finished.then(() => null)")
    await page.evaluate("navigation.updateCurrentEntry({ state: 7 })")
    await page.evaluate("navigation.reload().finished.then(() => null)")
    await page.evaluate(FENCE)
    assert recorder.hits == ["/", "/b", "/fence"]


async def test_redirects_of_an_application_count_once(recorder, page):
    """Of addresses that follow each other at once, only the last is shown."""
    recorder.pages["/"] = recorder.embed()
    await page.goto(recorder.url)
    await recorder.until_sent(1)
    await page.evaluate("for (const path of ['/b', '/login']) history.pushState({}, '', path)")
    await page.evaluate("history.replaceState({}, '', '/c')")
    await recorder.until_sent(2)
    await page.evaluate(FENCE)
    assert recorder.hits == ["/", "/c", "/fence"]


async def test_the_same_address_within_a_second_counts_once(recorder, page):
    """A page counted twice in a row, by a router and by hand, is one view; a second later it is another."""
    recorder.pages["/a"] = recorder.embed()
    await page.clock.install(time=0)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.clock.pause_at(60_000)
    await page.evaluate("history.pushState({}, '', '/b'), history.pushState({}, '', '/b')")
    await page.clock.run_for(200)
    await recorder.until_sent(2)
    for wait in [1000, 200]:
        await page.evaluate("void counter.hit()")
        await page.clock.run_for(wait)
    await recorder.until_sent(3)
    await page.evaluate("void counter.hit('/fence')")
    await page.clock.run_for(200)
    await recorder.until_sent(4)
    assert recorder.hits == ["/a", "/b", "/b", "/fence"]


@pytest.mark.parametrize(
    ("link", "counted"),
    [
        ("{url}/article", "/article"),
        ("/article?id=7#top", "/article?id=7"),
        ("{api}/elsewhere", "/a?utm=1"),
        ("http://[broken", "/a?utm=1"),
        ("", "/a?utm=1"),
    ],
)
async def test_the_canonical_link_names_the_page(recorder, page, link, counted):
    """The page's own canonical address is counted, if it is on the same host, wherever it stands."""
    href = link.format(url=recorder.url, api=recorder.api)
    tag = f'<link rel=canonical href="{href}">'
    recorder.pages["/a"] = recorder.embed().replace("</head>", tag + "</head>")
    await page.goto(recorder.url + "/a?utm=1")
    await recorder.until_sent(1)
    assert recorder.hits == [counted]


async def test_a_page_that_is_still_coming_is_waited_for(recorder, page):
    """A script that runs before the rest of the page has come misses neither its address nor its marks."""
    await page.goto(recorder.url + "/slow", wait_until="commit")
    await page.wait_for_function("window.counter")
    await page.evaluate("counter.refresh()")
    assert recorder.hits == []
    recorder.rest.put_nowait("<b data-counter=total>…</b><link rel=canonical href=/article>")
    await page.get_by_text("412.135").wait_for()
    assert recorder.hits == ["/article"]


async def test_a_canonical_link_left_over_is_not_believed(recorder, page):
    """An application that never renews its canonical link does not put all views on one page."""
    recorder.pages["/a"] = recorder.embed(head="<link rel=canonical href=/first>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.evaluate("history.pushState({}, '', '/b?x=1')")
    await recorder.until_sent(2)
    await page.evaluate(
        "history.pushState({}, '', '/c?x=1'), (document.querySelector('[rel=canonical]').href = '/c')"
    )
    await recorder.until_sent(3)
    assert recorder.hits == ["/first", "/b?x=1", "/c"]


async def test_an_automated_browser_is_not_counted(recorder, page, read):
    """A test or crawler that says so is not counted and not online, yet it sees the numbers."""
    recorder.views["/a"] = 969
    recorder.pages["/a"] = recorder.embed(
        "<b data-counter=total>…</b><b data-counter-views>…</b>", options=""
    )
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("document.querySelector('[data-counter-views]').textContent === '969'")
    await page.evaluate(FENCE)
    assert {request.method for request in recorder.sent()} == {"GET"}
    assert await read(page, "b") == ["412.135", "969"]


async def test_who_opts_out_is_not_counted(recorder, page, read):
    """`optOut()` holds on every page until `optIn()`; the numbers are shown all the same."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.evaluate("counter.optOut()")
    await page.reload()
    await recorder.until_sent(1, "/v1/sites/demo/widget")
    await page.evaluate(FENCE)
    assert recorder.hits == ["/a"]
    assert await read(page, "b") == ["412.135"]
    await page.evaluate("counter.optIn()")
    await page.reload()
    await recorder.until_sent(2)
    assert recorder.hits == ["/a", "/a"]


async def test_a_link_opts_out_and_in(recorder, page, read):
    """One link in the page takes the visitor out from the next view on, another one in again."""
    links = "<a href='#counter-optout'>out</a><a href='#counter-optin'>in</a><b data-counter=total>…</b>"
    recorder.pages["/a"] = recorder.embed(links)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.click("text=out")
    await page.evaluate(FENCE)
    await page.goto(recorder.url + "/a")
    await page.get_by_text("412.135").wait_for()
    assert recorder.hits == ["/a"]
    await page.click("text=in")
    await page.evaluate(FENCE)
    assert recorder.hits == ["/a", "/fence"]


async def test_an_address_that_opts_out_counts_nothing(recorder, page):
    """Who is sent to the page with the opt-out in its address is not even counted there."""
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>")
    await page.goto(recorder.url + "/a#counter-optout")
    await page.get_by_text("412.135").wait_for()
    await page.evaluate(FENCE)
    assert recorder.hits == []


@pytest.mark.parametrize(("options", "hits"), [("", ["/a", "/fence"]), ("data-gpc", [])])
async def test_global_privacy_control_is_honoured_where_the_site_asks_for_it(recorder, page, options, hits):
    """The signal says not to sell or share, which a counter does not; a site may still take it as a no."""
    await page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    recorder.pages["/a"] = recorder.embed("<b data-counter=total>…</b>", options="data-automated " + options)
    await page.goto(recorder.url + "/a")
    await page.get_by_text("412.135").wait_for()
    await page.evaluate(FENCE)
    assert recorder.hits == hits


async def test_automation_may_introduce_itself_as_a_person(recorder, page):
    """A test that has to count says in its own browser that it is none; the site's pages stay as they are."""
    await page.add_init_script("Object.defineProperty(navigator, 'webdriver', { get: () => false })")
    recorder.pages["/a"] = recorder.embed(options="")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    assert recorder.hits == ["/a"]


@pytest.mark.parametrize(("options", "hits"), [("", []), ("data-frames", ["/framed"])])
async def test_a_page_in_a_frame_counts_only_if_allowed(recorder, page, options, hits):
    """A page that others embed shows numbers, but is no view unless the site says so."""
    recorder.pages["/framed"] = recorder.embed(
        "<b data-counter=total>…</b>", options="data-automated " + options
    )
    recorder.pages["/"] = "<!doctype html><title>x</title><iframe src=/framed></iframe>"
    await page.goto(recorder.url)
    await page.frame_locator("iframe").get_by_text("412.135").wait_for()
    await page.frames[1].evaluate(FENCE)
    assert recorder.hits == hits + (["/fence"] if hits else [])


async def test_a_saved_page_is_left_alone(recorder, page, read, tmp_path: Path):
    """A copy opened from the disk is no view of the site: the script asks for nothing, and adds nothing."""
    saved = tmp_path / "page.html"
    saved.write_text(recorder.embed("<b data-counter=total>412.000</b>"), encoding="utf-8")
    async with page.expect_event("requestfinished", lambda request: request.url.endswith("/counter.js")):
        await page.goto(saved.as_uri())
    assert await page.evaluate("window.counter === undefined")
    assert await read(page, "b") == ["412.000"]
    assert recorder.sent() == []


async def test_a_tag_that_stands_twice_counts_once(recorder, page):
    """A template that embeds the script twice does not double the views."""
    recorder.pages["/a"] = recorder.embed(body=recorder.embed())
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.evaluate(FENCE)
    assert recorder.hits == ["/a", "/fence"]


async def test_a_page_can_count_by_itself(recorder, page):
    """`counter.hit(path)` counts that path, without one the page, and never a view twice."""
    recorder.pages["/a"] = recorder.embed()
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.evaluate(
        "(async () => { await counter.hit('/b'); await counter.hit('/b'); await counter.hit(); })()"
    )
    await page.evaluate(FENCE)
    assert recorder.hits == ["/a", "/b", "/a", "/fence"]


async def test_a_path_counted_by_hand_leaves_the_page_alone(recorder, page, read):
    """A download counted at once stops the page's own view not, and shows not its views as the page's."""
    recorder.views = {"/a": 969, "/file.pdf": 7}
    recorder.pages["/a"] = recorder.embed("<b data-counter-views>…</b>")
    await page.add_init_script(HIDE)
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("window.counter")
    await page.evaluate("void counter.hit('/file.pdf')")
    await page.evaluate(REVEAL)
    await recorder.until_sent(2)
    await page.get_by_text("969").wait_for()
    await page.evaluate("counter.hit('/file.pdf?2')")
    assert sorted(recorder.hits) == ["/a", "/file.pdf", "/file.pdf?2"]
    assert await read(page, "b") == ["969"]
