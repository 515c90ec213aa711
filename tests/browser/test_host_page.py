"""The script never harms the page that embeds it."""

import gzip

import pytest
from playwright.async_api import expect

from tests.browser.recorder import BUILT, CURRENT
from tools.build_script import assemble, build, current

MARKS = "<b data-counter=total>412.000</b><b data-counter-views>900</b><b data-counter-views=/b>800</b>"
OLD_TEXTS = ["412.000", "900", "800"]


async def test_two_directives_let_it_work_under_a_strict_policy(recorder, page):
    """`script-src` and `connect-src` of the service are all that a policy must allow."""
    recorder.page_headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {recorder.api}; connect-src {recorder.api}"
    )
    recorder.pages["/a"] = recorder.embed(MARKS)
    await page.goto(recorder.url + "/a")
    await page.get_by_text("412.135").wait_for()


async def test_a_blocked_script_leaves_the_page_as_it_is(recorder, page, read):
    """With an ad blocker the page shows what its author wrote, and nothing complains."""
    await page.route("**/counter.js", lambda route: route.abort())
    recorder.pages["/a"] = recorder.embed(MARKS)
    await page.goto(recorder.url + "/a")
    await page.wait_for_load_state()
    assert await read(page, "b") == OLD_TEXTS
    assert recorder.sent() == []


@pytest.mark.parametrize("fault", [-1, 404, 429, 500])
async def test_a_service_that_is_down_leaves_the_page_as_it_is(recorder, page, read, fault):
    """The old text stays, and neither an error nor a rejected promise reaches the page."""
    recorder.faults = [fault] * 9
    recorder.pages["/a"] = recorder.embed(MARKS)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(2 if fault == 500 else 1)
    await page.evaluate("Promise.all([counter.refresh(), counter.hit('/b')])")
    assert await read(page, "b") == OLD_TEXTS


async def test_a_base_element_does_not_mislead_it(recorder, page):
    """A page whose links start elsewhere is counted under its own address, by the right service."""
    recorder.pages["/a/b"] = recorder.embed(MARKS, head="<base href=/somewhere/else/>")
    await page.goto(recorder.url + "/a/b")
    await page.get_by_text("412.135").wait_for()
    assert recorder.hits == ["/a/b"]


async def test_forbidden_storage_does_not_stop_it(recorder, page):
    """Where reading the storage throws, as in a sandboxed frame, the page counts all the same."""
    recorder.pages["/framed"] = recorder.embed(MARKS, options="data-automated data-frames")
    recorder.pages["/"] = "<!doctype html><title>x</title><iframe sandbox=allow-scripts src=/framed></iframe>"
    await page.goto(recorder.url)
    await page.frame_locator("iframe").get_by_text("412.135").wait_for()
    assert await page.frames[1].evaluate("counter.optOut() === undefined")
    assert recorder.hits == ["/framed"]


async def test_a_variable_of_the_page_is_left_alone(recorder, page):
    """A page that has a `counter` of its own keeps it, and is counted."""
    recorder.pages["/a"] = recorder.embed(MARKS, head="<script>var counter = 7;</script>")
    await page.goto(recorder.url + "/a")
    await page.get_by_text("412.135").wait_for()
    assert await page.evaluate("counter") == 7


async def test_nothing_but_one_name_is_added_to_the_page(recorder, page):
    """The script leaves one global name and no element."""
    recorder.pages["/plain"] = "<!doctype html><title>Trang</title><body>"
    recorder.pages["/a"] = recorder.embed()
    await page.goto(recorder.url + "/plain")
    names = await page.evaluate("Object.keys(window)")
    await page.goto(recorder.url + "/a")
    await page.wait_for_function("window.counter")
    assert set(await page.evaluate("Object.keys(window)")) - set(names) == {"counter"}
    assert await page.evaluate("document.body.children.length") == 0


@pytest.mark.parametrize("options", ["data-site=''", "data-site=a/b", "data-site='<img>'"])
async def test_a_wrong_key_does_no_harm(recorder, page, read, options):
    """A script tag without a proper key leaves the page and its console alone."""
    page_html = recorder.embed(MARKS).replace('data-site="demo"', options)
    recorder.pages["/a"] = page_html
    recorder.faults = [404] * 9
    await page.goto(recorder.url + "/a")
    await page.wait_for_load_state("networkidle")
    assert await read(page, "b") == OLD_TEXTS
    assert bool(recorder.sent()) == (options != "data-site=''"), "without a key nothing is asked"


@pytest.mark.parametrize(("name", "budget"), [("counter", 1638), ("more", 6656)])
def test_the_script_is_small(name, budget):
    """What every page loads has at most 1.6 KB, what some pages load on top at most 6.5 KB, gzipped."""
    body = (BUILT / CURRENT[name]).read_bytes()
    size = len(gzip.compress(body, 9, mtime=0))
    print(f"{name}.js: {len(body)} bytes, {size} gzipped")  # noqa: T201
    assert size <= budget


def test_the_output_is_that_of_the_sources():
    """What is served is what the sources say, to the byte; `make script` makes it so."""
    built = build()
    assert {name: (BUILT / name).read_bytes() for name in CURRENT.values()} == built
    assert (BUILT / "current.json").read_text(encoding="utf-8") == current(built)


async def test_the_readable_sources_work_as_they_are(recorder, page):
    """Who debugs may serve the sources: they count, fill a list and draw a block like the built files."""
    recorder.scripts = assemble()
    recorder.views["/b"] = 7
    recorder.pages["/a"] = recorder.embed(MARKS + "<div data-counter-widget></div>")
    await page.goto(recorder.url + "/a")
    await expect(page.locator("b").last).to_have_text("7")
    await expect(page.get_by_role("listitem").first).to_have_text("Đang truy cập 5")
    assert recorder.hits == ["/a"]
