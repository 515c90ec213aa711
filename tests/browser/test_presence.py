"""What the script does while a page stays open: it keeps its reader online and the numbers fresh."""

import pytest

MINUTE = 60_000
HIDE = "Object.defineProperty(document, 'hidden', { configurable: true, value: true })"
SHOW = "delete document.hidden"
STEP = 4_000
"""Less than the script waits for an answer, so that time which flies cuts no request short."""
NOTE_REQUESTS = """
    window.asked = [];
    window.answers = [];
    const native = window.fetch;
    window.fetch = (url, options) => {
        asked.push({ at: Date.now(), method: options.method || 'GET', url: String(url) });
        const answer = native(url, options);
        answers.push(answer);
        return answer;
    };
"""


@pytest.fixture
async def fly(page):
    """Let time pass in steps; each answer comes before the next step."""

    async def fly(milliseconds):
        for _ in range(0, milliseconds, STEP):
            await page.clock.run_for(STEP)
            await page.evaluate("Promise.allSettled(answers.splice(0)).then(() => null)")

    return fly


@pytest.fixture
async def stay(recorder, page, fly):
    """Open a page at a clock that only the test moves; return how to let time pass.

    What was asked is told by the page's own clock: however far it went, only the minutes that are told of count.
    """
    recorder.pages["/a"] = recorder.embed("<b data-counter=online>…</b><p style='height:9999px'>")
    await page.add_init_script(NOTE_REQUESTS)
    await page.clock.install(time=0)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await page.clock.pause_at(MINUTE // 2)
    await page.evaluate("window.dispatchEvent(new Event('scroll'))")

    async def stay(minutes):
        begin = await page.evaluate("Date.now()")
        await fly(minutes * MINUTE)
        asked = await page.evaluate("asked")
        return [
            (one["method"], one["url"].rpartition("/")[2])
            for one in asked
            if begin < one["at"] <= begin + minutes * MINUTE
        ]

    return stay


async def test_a_page_that_is_read_keeps_its_reader_online(recorder, stay):
    """One heartbeat a minute, with nothing in it but the site; the numbers are renewed every 30 seconds."""
    sent = await stay(3)
    assert sorted(sent) == [("GET", "widget")] * 6 + [("POST", "heartbeats")] * 3
    beat, *_ = await recorder.until_sent(3, "/v1/heartbeats")
    assert beat.body == '{"site":"demo"}'
    assert beat.headers["Content-Type"].startswith("text/plain")


async def test_fresh_numbers_appear_by_themselves(recorder, page, stay, fly):
    """A page that stays open shows what changed."""
    recorder.numbers["online"] = 6
    await fly(MINUTE)
    await page.get_by_text("6", exact=True).wait_for()


async def test_a_tap_is_a_use(recorder, open_page):
    """A finger that only taps keeps its reader online: browsers report a tap as a move of the mouse too."""
    page = await open_page(has_touch=True, is_mobile=True)
    recorder.pages["/a"] = recorder.embed("<p>Trang</p>")
    await page.goto(recorder.url + "/a")
    await page.evaluate("addEventListener('mousemove', () => { window.moved = true; })")
    await page.tap("p")
    await page.wait_for_function("window.moved")


async def test_a_page_without_numbers_asks_for_none(recorder, page, fly):
    """A page that only counts keeps its reader online, and asks for nothing that it does not show."""
    recorder.pages["/a"] = recorder.embed("<p>Trang</p>")
    await page.add_init_script(NOTE_REQUESTS)
    await page.clock.install(time=0)
    await page.goto(recorder.url + "/a")
    await recorder.until_sent(1)
    await fly(4 * MINUTE)
    await recorder.until_sent(3, "/v1/heartbeats")
    assert recorder.sent("/v1/sites") == []


async def test_a_page_that_nobody_uses_goes_offline(page, stay):
    """Without a sign of a person heartbeats end within five minutes, and begin again with the next one."""
    assert 4 <= (await stay(10)).count(("POST", "heartbeats")) <= 5
    for event in ["mousemove", "keydown", "scroll"]:
        await page.evaluate(f"document.body.dispatchEvent(new Event('{event}'))")
        assert (await stay(1)).count(("POST", "heartbeats")) == 1
        assert (await stay(10)).count(("POST", "heartbeats")) <= 5


async def test_a_hidden_page_is_silent(page, stay):
    """A tab in the background asks for nothing and keeps nobody online."""
    await page.evaluate(HIDE)
    assert await stay(10) == []
    await page.evaluate(SHOW)
    await page.evaluate("window.dispatchEvent(new Event('scroll'))")
    assert sorted(await stay(1)) == [("GET", "widget")] * 2 + [("POST", "heartbeats")]


async def test_who_opted_out_is_not_online(page, stay):
    """An opt-out ends heartbeats at once; the numbers are public and still come."""
    await page.evaluate("counter.optOut()")
    assert await stay(2) == [("GET", "widget")] * 4


async def test_a_service_that_fails_leaves_the_numbers(recorder, page, stay, fly, read):
    """Refreshing never turns a number into a 0 or a gap, and recovers by itself."""
    recorder.faults = [500, 404, 404]
    assert len(await stay(1)) == 3
    assert await read(page, "b") == ["5"]
    recorder.faults.clear()
    recorder.numbers["online"] = 8
    await fly(MINUTE)
    await page.get_by_text("8", exact=True).wait_for()
