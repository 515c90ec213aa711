"""The script in browsers that no tool holds, so they are no automated ones: Chromium, and Firefox where it is.

The page steers itself: it asks for an order, carries it out, tells what came of it, and asks for the next.
"""

import json

import pytest

OBEY = """<script>addEventListener('load', async function obey() {
    const order = await (await fetch('/orders' + location.pathname)).text();
    await fetch('/told?' + new URLSearchParams({ it: JSON.stringify(await Function('return ' + order)()) }));
    obey();
})</script>"""
BODY = """<b data-counter=total>…</b><b data-counter-views>…</b><i data-counter-views="/b">…</i>
<div data-counter-widget></div>"""
UNTIL = """(async () => {{
    while (!({condition})) await new Promise((done) => setTimeout(done, 20));
    return {value};
}})()"""
TEXTS = "[...document.querySelectorAll('b,i')].map((element) => element.textContent)"
BLOCK = "(document.querySelector('[data-counter-widget]').shadowRoot ?? {textContent: ''}).textContent"


@pytest.fixture
async def tell(recorder, bare_browser):
    """Open a page that obeys; return how to tell it what to do, and get what came of it."""
    recorder.views = {"/a": 969, "/b": 7, "/c": 3}
    recorder.pages["/a"] = recorder.embed("<meta charset=utf-8>" + BODY, head=OBEY, options="")
    await bare_browser(recorder.url + "/a")
    await recorder.until_sent(1)

    async def tell(order, at="/a"):
        count = len(recorder.sent("/told"))
        recorder.orders[at].put_nowait(order)
        (*_, told) = await recorder.until_sent(count + 1, "/told")
        return json.loads(dict(told.query)["it"])

    return tell


async def test_it_counts_and_fills(recorder, tell):
    """A reader's browser counts without an option, fills numbers and lists, and draws the block."""
    texts = await tell(UNTIL.format(condition=f"{TEXTS}.at(-1) === '7'", value=TEXTS))
    assert texts == ["412.135", "969", "7"]
    shown = await tell(UNTIL.format(condition=f"{BLOCK}.includes('412.135')", value=BLOCK))
    assert shown.startswith("Thống kê truy cậpĐang truy cập 5Hôm nay 153")
    assert (
        await tell(
            "getComputedStyle(document.querySelector('[data-counter-widget]').shadowRoot"
            ".querySelector('ul')).listStyleType"
        )
        == "none"
    )
    assert recorder.hits == ["/a"]


async def test_it_follows_an_application(recorder, tell):
    """New addresses count, replaced ones and hashes do not."""
    await tell(
        "history.replaceState({}, '', '/other'), (location.hash = 'x'), history.replaceState({}, '', '/a'), 1"
    )
    await tell("history.pushState({}, '', '/c'), 1")
    await recorder.until_sent(2)
    await tell("counter.hit('/fence').then(() => 1)", at="/c")
    assert recorder.hits == ["/a", "/c", "/fence"]


async def test_it_honours_an_opt_out(recorder, tell):
    """Who opts out is not counted."""
    await tell("counter.optOut(), 1")
    await tell("counter.hit('/fence').then(() => 1)")
    assert recorder.hits == ["/a"]
