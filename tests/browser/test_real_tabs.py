"""Prerendering and background tabs as they really are, in a Chromium that no tool holds.

Tools switch prerendering off and keep every tab visible. So the pages steer themselves here: each asks for
an order, carries it out and asks for the next, telling its state.
"""

PRERENDER = '<script type=speculationrules>{"prerender":[{"urls":["/b"],"eagerness":"immediate"}]}</script>'
OBEY = """<script>addEventListener('load', async function obey() {
    const state = document.prerendering ? 'prerendering' : document.visibilityState;
    const answer = await fetch('/orders' + location.pathname + '?' + state);
    await Function('return ' + await answer.text())();
    obey();
})</script>"""


def until_asked(recorder, page, state):
    """Wait until a page in this state asks what to do."""
    asked = (f"/orders{page}", [(state, "")])
    return recorder.until(lambda: asked in [(request.path, request.query) for request in recorder.requests])


async def test_a_prerendered_page_counts_when_it_is_shown(recorder, bare_chromium):
    """A page that the browser prepares ahead is no view until the reader goes there."""
    recorder.pages |= {"/a": recorder.embed(head=PRERENDER + OBEY), "/b": recorder.embed(head=OBEY)}
    await bare_chromium(recorder.url + "/a")
    await until_asked(recorder, "/b", "prerendering")
    recorder.orders["/b"].put_nowait("counter.refresh()")
    await recorder.until_sent(1, "/v1/sites/demo/widget")
    assert recorder.hits == ["/a"]
    recorder.orders["/a"].put_nowait("location.href = '/b'")
    await recorder.until_sent(2)
    assert recorder.hits == ["/a", "/b"]
    assert not any("Sec-Purpose" in hit.headers for hit in recorder.sent("/v1/hits"))
    assert [request.path for request in recorder.requests].count("/b") == 1, "it was shown as prepared"


async def test_a_page_in_a_background_tab_counts_when_it_is_shown(recorder, bare_chromium):
    """A page that loads behind another tab is no view until its tab comes to the front."""
    recorder.pages = dict.fromkeys(["/a", "/b", "/c"], recorder.embed(head=OBEY))
    await bare_chromium(recorder.url + "/a")
    await recorder.until_sent(1)
    recorder.orders["/a"].put_nowait("open('/b')")
    await recorder.until_sent(2)
    recorder.orders["/a"].put_nowait("location.href = '/c'")
    await until_asked(recorder, "/c", "hidden")
    recorder.orders["/c"].put_nowait("counter.refresh()")
    await recorder.until_sent(1, "/v1/sites/demo/widget")
    assert recorder.hits == ["/a", "/b"]
    recorder.orders["/b"].put_nowait("close()")
    await recorder.until_sent(3)
    assert recorder.hits == ["/a", "/b", "/c"]
