"""How the script sends a hit: what is in it, what is not, and what happens when it fails."""

from urllib.parse import urlsplit

import pytest

FENCE = "counter.hit('/fence')"


async def test_a_hit_carries_nothing_of_the_person(recorder, page):
    """Site and path: no cookie (though there is one), no number, no referring page but its origin."""
    await page.context.add_cookies([{"name": "id", "value": "7", "url": recorder.api}])
    recorder.pages["/a"] = recorder.embed()
    await page.goto(recorder.url + "/a?secret=1")
    await recorder.until_sent(1)
    await page.evaluate(FENCE)
    first, _ = recorder.sent()
    assert first.hit == {"site": "demo", "path": "/a?secret=1"}
    assert first.headers["Content-Type"].startswith("text/plain")
    assert first.headers["Referer"] == recorder.url + "/"
    assert "Cookie" not in first.headers
    assert await page.context.cookies(recorder.url) == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_a_hit_outlives_its_page(recorder, page):
    """A reader who leaves at once is counted: the browser delivers the hit after the page is gone."""
    await page.add_init_script("""
        window.kept = [];
        const native = window.fetch;
        window.fetch = (url, options) => {
            kept.push([options.method, options.keepalive]);
            return native(url, options);
        };
    """)
    recorder.pages["/a"] = recorder.embed()
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    assert await page.evaluate("kept") == [["POST", True]]


@pytest.mark.parametrize("fault", [500, 503])
async def test_a_failed_hit_is_sent_again_as_the_same_hit(recorder, page, fault):
    """A hit that the service says it has not counted goes once more under the same id."""
    recorder.faults = [fault]
    recorder.pages["/a"] = recorder.embed("<b data-counter=today>…</b>")
    await page.goto(recorder.url + "/a")
    await page.get_by_text("153").wait_for()
    first, second = recorder.sent()
    assert first.hit == second.hit


@pytest.mark.parametrize("fault", [500, 503])
async def test_a_hit_is_sent_twice_at_most(recorder, page, fault):
    """A service that is down is not hammered by the pages that embed it."""
    recorder.faults = [fault] * 2
    recorder.views["/x"] = 1
    recorder.pages["/a"] = recorder.embed("<b data-counter-views=/x>…</b>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(2)
    await page.evaluate(FENCE)
    assert recorder.hits == ["/a", "/a", "/fence"]
    assert recorder.sent("/v1/sites")[1:] == [], "the list was asked for once, by the fence"


@pytest.mark.parametrize("fault", [-1, 400, 404, 429])
async def test_a_refused_hit_is_not_sent_again(recorder, page, fault):
    """What the service has refused, and what it may have counted before the link broke, is not repeated."""
    recorder.faults = [fault]
    recorder.pages["/a"] = recorder.embed()
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.evaluate(FENCE)
    assert recorder.hits == ["/a", "/fence"]


async def test_a_hit_is_given_up_after_five_seconds(recorder, page, read):
    """A service that hangs costs the page one open request for five seconds, and no other."""
    recorder.gate.clear()
    recorder.pages["/a"] = recorder.embed("<b data-counter=today>tất cả</b>")
    await page.clock.install(time=0)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    async with page.expect_event("requestfailed") as failed:
        await page.clock.run_for(5000)
    assert urlsplit((await failed.value).url).path == "/v1/hits"
    await page.clock.run_for(2000)
    recorder.gate.set()
    recorder.numbers["today"] = None
    await page.evaluate("void counter.hit('/fence')")
    await page.clock.run_for(200)
    await recorder.until_sent(2)
    assert recorder.hits == ["/a", "/fence"]
    assert await read(page, "b") == ["tất cả"]


async def test_without_fetch_a_beacon_counts(recorder, page):
    """A browser without fetch counts by a beacon."""
    await page.add_init_script("delete window.fetch")
    recorder.pages["/a"] = recorder.embed("<b data-counter=today>…</b><b data-counter-views=/b>…</b>")
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.evaluate(FENCE)
    await recorder.until_sent(2)
    assert [request.method for request in recorder.sent()] == ["POST", "POST"]
    assert recorder.hits == ["/a", "/fence"]


async def test_without_a_beacon_the_pixel_counts(recorder, page):
    """A browser without fetch and beacon counts by a picture; `&` in the path does not break it."""
    await page.add_init_script("delete window.fetch; delete Navigator.prototype.sendBeacon")
    recorder.pages["/a"] = recorder.embed()
    await page.goto(recorder.url + "/a?x=1&y=2")
    (pixel,) = await recorder.until_sent(1, "/v1/hits.gif")
    assert pixel.method == "GET"
    assert pixel.query == [("site", "demo"), ("path", "/a?x=1&y=2")]
    assert len(recorder.sent()) == 1


async def test_an_endless_query_still_counts(recorder, page):
    """A query that would burst the body's limit is cut, not the view."""
    recorder.pages["/a"] = recorder.embed()
    await page.goto(recorder.url + "/a?x=" + "1" * 6000)
    (hit,) = await recorder.until_sent(1)
    assert hit.hit["path"].startswith("/a?x=1")
    assert len(hit.body) < 4096
