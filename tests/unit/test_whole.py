"""One parser for all connections: whatever one client sends, the next one's request is read as if it were the first."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy
from hypothesis import example, given
from hypothesis import strategies as st

from counter.whole import MOST_BYTES, WholeRequests, body_of

HIT = b"POST /v1/hits HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
WIDGET = b"GET /v1/sites/a/widget HTTP/1.1\r\nHost: x\r\n\r\n"
PIECES = (
    HIT,
    WIDGET,
    b"POST /v1/hits HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"Host: x\r\n",
    b"Host: x\n",
    b" folded\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Content-Length: 5\r\n\r\n",
    b"Content-Length: 12\r\n\n",
    b"Content-Length: 12\n\n",
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"hello",
    b"\r\n\r\n",
    b"\r\n",
    b"\n",
    b"\0",
)
MAKERS: tuple[Callable[..., HttpRequestParser], ...] = (HttpRequestParser, HttpRequestParserPy)
"""In C, and what takes its place where that was not built."""


@st.composite
def sent(draw: st.DrawFn) -> bytes:
    """Draw what a client may send: requests, and what only looks like them, cut off anywhere."""
    whole = b"".join(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)))
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


@pytest.fixture(scope="module", params=MAKERS, ids=["c", "python"])
def make_parser(request: pytest.FixtureRequest) -> Callable[[], HttpRequestParser]:
    loop = asyncio.new_event_loop()
    loop.close()
    return lambda: request.param(BaseProtocol(loop), loop, 65_536)


@given(data=sent())
@example(data=b"POST /v1/hits HTTP/1.1\r\nHost: x\nContent-Length: 10\n\nxx\r\n\r\nyyyyPOST /")
@example(data=b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
def test_nothing_of_one_request_is_left_for_the_next(
    make_parser: Callable[[], HttpRequestParser], data: bytes
) -> None:
    """After anything at all, another client's request is read as it is."""
    whole = WholeRequests(make_parser)
    whole.read(data)
    read = whole.read(HIT)
    assert read
    message, body = read
    assert (message.method, message.path, dict(message.headers), body) == (
        "POST",
        "/v1/hits",
        {"Host": "x", "Content-Length": "5"},
        b"hello",
    )


@given(data=sent())
@example(data=HIT)
@example(data=WIDGET)
def test_what_is_read_is_what_the_parser_of_a_connection_reads(
    make_parser: Callable[[], HttpRequestParser], data: bytes
) -> None:
    """A request that is taken for whole is the only one of its bytes, and a second one may follow it."""
    read = WholeRequests(make_parser).read(data)
    if read is None:
        return
    own = make_parser()
    ((message, payload),) = own.feed_data(data)[0]
    found, body = read
    assert (message.method, message.path, message.raw_headers) == (
        found.method,
        found.path,
        found.raw_headers,
    )
    assert body_of(payload) == body
    assert [each.path for each, _body in own.feed_data(WIDGET)[0]] == ["/v1/sites/a/widget"]


@pytest.mark.parametrize("data", [HIT, WIDGET])
def test_whole_requests_are_read(make_parser: Callable[[], HttpRequestParser], data: bytes) -> None:
    """With a body or without, one after the other."""
    whole = WholeRequests(make_parser)
    assert [whole.read(data) is not None for _ in range(3)] == [True] * 3


@pytest.mark.parametrize(
    "data",
    [
        HIT[:-1],
        HIT + b"P",
        HIT + HIT,
        WIDGET[:-1],
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MOST_BYTES + b"x" * MOST_BYTES,
        b"no HTTP\r\n\r\n",
    ],
)
def test_anything_else_is_left_to_the_connection(
    make_parser: Callable[[], HttpRequestParser], data: bytes
) -> None:
    """Pieces, several requests, the last one of a connection, large ones, and what is none."""
    assert WholeRequests(make_parser).read(data) is None


def test_head_that_ended_before_is_not_taken_for_one(make_parser: Callable[[], HttpRequestParser]) -> None:
    """Even if a parser took line ends that HTTP does not know, nobody's bytes would be read as another one's."""

    class Lenient:
        def feed_data(self, _data: bytes) -> object:
            return make_parser().feed_data(HIT)

    whole = WholeRequests(Lenient)  # type: ignore[arg-type]
    assert whole.read(HIT)
    assert whole.read(b"POST /v1/hits HTTP/1.1\r\nHost: x\nContent-Length: 5\n\nhello\r\n\r\nhello") is None


def test_parser_that_breaks_is_used_no_more() -> None:
    """Whatever goes wrong within it, the next request has another one."""

    class Breaks:
        def feed_data(self, _data: bytes) -> None:
            raise ZeroDivisionError

    made: list[Breaks] = []

    def make() -> Breaks:
        made.append(Breaks())
        return made[-1]

    whole = WholeRequests(make)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        whole.read(HIT)
    assert len(made) == 2
