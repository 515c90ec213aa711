"""What a listener takes, how long it waits, and which headers each kind of answer has."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession, web

from counter import bodies
from counter import connections as connections_module
from counter.bodies import BODY_SECONDS, SlowBodyError
from counter.config import Settings
from counter.listen import listening
from counter.metrics import Metrics
from tests.acceptance.conftest import PERSON, Running, SetClock, running
from tests.security.conftest import open_raw, send_raw

POST = (
    b"POST /v1/hits HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nUser-Agent: "
    + PERSON.encode()
    + b"\r\n"
)
MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100f8010000f40303") + b"\0" * 200,
    "a header that is too large": b"GET / HTTP/1.1\r\nHost: x\r\nX-Marker: " + b"a" * 9000 + b"\r\n\r\n",
    "an address that is too long": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Marker: a\r\n" * 100 + b"\r\n",
    "a header with NUL": b"GET / HTTP/1.1\r\nHost: x\r\nX-Marker: a\0b\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -5\r\n\r\n",
    "a chunk of a strange size": POST + b"Transfer-Encoding: chunked\r\n\r\nX-Marker\r\n",
    "another expectation": b"GET / HTTP/1.1\r\nHost: x\r\nExpect: X-Marker\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_http_is_refused_in_our_words(
    service: Running, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets a 4xx problem that says nothing of it, the connection ends, and no log has a word of it."""
    answer = await send_raw(service.public, MALFORMED[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] 4\d\d ", head)
    assert status, answer[:200]
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert b"X-Marker" not in body
    assert json.loads(body)["type"].startswith("urn:counter:problem:")
    assert caplog.records == []
    assert (await service.hit()).status == 200


async def test_body_in_a_hundred_thousand_chunks(service: Running) -> None:
    """One byte a chunk, without a length: it is cut off at 4 KiB, whatever else comes."""
    chunks = b"1\r\nx\r\n" * 100_000
    answer = await send_raw(service.public, POST + b"Transfer-Encoding: chunked\r\n\r\n", chunks)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert (await service.hit()).status == 200


async def test_body_that_does_not_come_is_not_waited_for(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beacon is sent at once; one that trickles is answered 408, and its connection ends."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    answer = await send_raw(service.public, POST + b"Content-Length: 100\r\n\r\n{")
    assert answer.startswith(f"HTTP/1.1 {SlowBodyError.status} ".encode())
    assert b"urn:counter:problem:slow-body" in answer
    assert BODY_SECONDS > 0


async def test_a_thousand_slow_connections_hold_up_nobody(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They send their headers byte by byte; others are served meanwhile, and the slow ones are ended."""
    monkeypatch.setattr(connections_module, "FIRST_REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(connections_module, "SWEEP_SECONDS", 0.1)
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(open_raw(service.public)) for _number in range(1000)]
        for _reader, writer in slow:
            writer.write(b"POST /v1/hits HTTP/1.1\r\nHost")
        for number in range(20):
            assert (await service.hit(f"/{number}")).status == 200
        async with asyncio.timeout(30):
            ends = await asyncio.gather(*(read_end(reader) for reader, _writer in slow))
    assert set(ends) == {b""}
    assert (await service.widget(metric="views"))["total"] == 20


async def read_end(reader: asyncio.StreamReader) -> bytes:
    """What a connection is told before it ends."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


class Few:
    """A listener that keeps few connections, and its metrics."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self.url = url
        self._metrics = metrics

    def ended(self, reason: str) -> float:
        return (
            self._metrics.registry.get_sample_value("counter_connections_ended_total", {"reason": reason})
            or 0
        )

    def open(self) -> float:
        return self._metrics.registry.get_sample_value("counter_connections") or 0


@pytest.fixture
async def few() -> AsyncIterator[Few]:
    """A listener with five connections at most; `/never` answers nothing, `/much` a lot."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    over = asyncio.Event()

    async def never(_request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async def much(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 50_000_000)

    app = web.Application()
    app.add_routes([web.get("/", answer), web.get("/never", never), web.get("/much", much)])
    metrics = Metrics()
    async with listening(app, "127.0.0.1", 0, connections=5, metrics=metrics.connections) as url:
        yield Few(url, metrics)
        over.set()


async def test_connections_above_the_limit_end_the_oldest_idle_one(few: Few) -> None:
    """Twenty clients that say nothing leave room for the one that asks, and are counted."""
    async with AsyncExitStack() as stack:
        for _number in range(20):
            await stack.enter_async_context(open_raw(few.url))
        async with ClientSession() as session, session.get(few.url) as response:
            assert await response.text() == "here"
        assert few.open() <= 5
        assert few.ended("full") >= 15


async def test_idle_connection_goes_before_one_with_a_request(few: Few) -> None:
    """Who is being served keeps the connection, however many come."""
    async with AsyncExitStack() as stack:
        reader, writer = await stack.enter_async_context(open_raw(few.url))
        for _number in range(20):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"here")
        writer.write(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        for _number in range(20):
            other = await stack.enter_async_context(open_raw(few.url))
            other[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await other[0].readuntil(b"here")
        assert not reader.at_eof()
        assert few.open() <= 5


async def test_client_that_reads_nothing_is_let_go(few: Few, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes is given up."""
    monkeypatch.setattr(connections_module, "SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(connections_module, "IDLE_SECONDS", 0.2)
    async with open_raw(few.url) as (reader, writer), asyncio.timeout(30):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        while not few.ended("idle"):
            await asyncio.sleep(0.02)
        assert few.open() == 0


async def test_keep_alive_serves_many_requests(few: Few) -> None:
    """One connection carries request after request, also when sent ahead."""
    async with open_raw(few.url) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        for _number in range(200):
            await reader.readuntil(b"here")
    assert few.ended("full") == 0


ANSWERS = {
    "numbers": ("/v1/sites/portal/widget", 200),
    "views of pages": ("/v1/sites/portal/pages?path=/", 200),
    "token": ("/v1/sites/portal/token", 200),
    "pixel": ("/v1/hits.gif?site=portal&path=/", 200),
    "script": ("/counter.js", 200),
    "contract": ("/openapi.json", 200),
    "unknown site": ("/v1/sites/nobody/widget", 404),
    "unknown address": ("/nothing", 404),
    "wrong input": ("/v1/sites/portal/widget?metric=x", 400),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_answer_has_safe_headers(service: Running, name: str) -> None:
    """Nothing is sniffed, framed, run or referred to, wherever it is opened; errors are kept by no cache."""
    address, status = ANSWERS[name]
    answer = await service.get(address)
    assert answer.status == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["Counter-Request-Id"])
    assert (answer.headers.get("Cache-Control") == "no-store") == (
        status >= 400 or name in {"token", "pixel"}
    )
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Server"] == "counter"


async def test_browsers_keep_to_tls_where_the_operator_says_so(settings: Settings) -> None:
    """Behind TLS every answer of the public listener says so, errors too; without the setting none does."""
    for seconds, expected in ((0, None), (31_536_000, "max-age=31536000")):
        async with running(settings.model_copy(update={"hsts_seconds": seconds}), SetClock()) as service:
            for address in ("/counter.js", "/nothing"):
                answer = await service.get(address)
                assert answer.headers.get("Strict-Transport-Security") == expected


async def test_page_of_the_demo_has_a_policy_of_its_own(service: Running) -> None:
    """A page says itself what it may load, and nobody may frame it."""
    page = await service.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy


async def test_no_request_header_changes_a_body(service: Running) -> None:
    """An answer is the same whatever is asked for, but for its compression, so no cache can be poisoned."""
    await service.hit()
    asked = [
        {},
        {
            "Accept": "text/html",
            "Accept_Encoding": "br",
            "Accept_Language": "vi",
            "Origin": "https://a.example",
        },
        {
            "X_Forwarded_Host": "evil.example",
            "X_Original_URL": "/nothing",
            "X_HTTP_Method_Override": "DELETE",
        },
        {
            "Cookie": "a=b",
            "Authorization": "Basic eDp4",
            "Range": "bytes=0-3",
            "Forwarded": "host=evil.example",
        },
    ]
    for address in ("/v1/sites/portal/widget", "/v1/sites/portal/pages?path=/a", "/counter.js"):
        answers = [await service.get(address, **headers) for headers in asked]
        assert {answer.status for answer in answers} == {200}
        assert len({await answer.read() for answer in answers}) == 1
        assert {answer.headers.get("Vary", "Accept-Encoding") for answer in answers} == {"Accept-Encoding"}


async def test_request_ids_come_from_us_alone(service: Running) -> None:
    """Each answer has another id, and what a client sends in its place is ignored."""
    chosen = {"Counter_Request_Id": "0" * 16, "X_Request_ID": "0" * 16}
    ids = [(await service.get("/nothing", **chosen)).headers["Counter-Request-Id"] for _number in range(20)]
    ids += [(await service.hit(**chosen)).headers["Counter-Request-Id"] for _number in range(20)]
    assert len({*ids, "0" * 16}) == 41


async def test_admin_is_not_on_the_public_listener(service: Running) -> None:
    """Metrics and health answer 404 to visitors, however they are spelt."""
    for address in ("/metrics", "/readyz", "/healthz", "//metrics", "/%6detrics", "/v1/../metrics"):
        answer = await service.get(address)
        assert (answer.status, answer.content_type) == (404, "application/problem+json"), address


async def test_pages_of_others_change_nothing_through_an_administrators_browser(service: Running) -> None:
    """A POST to the admin listener that a foreign page makes a browser send is refused before anything."""
    foreign = [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ]
    for headers in foreign:
        for address in ("/metrics", "/nothing"):
            answer = await service.session.post(service.admin + address, headers=headers)
            assert (answer.status, answer.content_type) == (403, "application/problem+json")
    own = [{}, {"Origin": service.admin}, {"Sec-Fetch-Site": "same-origin"}]
    for headers in own:
        assert (await service.session.post(service.admin + "/metrics", headers=headers)).status == 405


async def test_metrics_are_chosen_by_accept(service: Running) -> None:
    """The one answer with several forms says so, and no cache keeps it."""
    answer = await service.session.get(service.admin + "/metrics")
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Accept", "no-store")
    assert "Access-Control-Allow-Origin" not in answer.headers
