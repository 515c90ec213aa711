"""One connection with requests of both ways: each is answered once, in the order in which they came."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from prometheus_client import CollectorRegistry, Histogram
from structlog.testing import capture_logs

from counter.asked import Asked, Reply, Short
from counter.connections import Connection, Connections
from counter.errors import InvalidInputError
from counter.express import Express
from counter.ready import Head, Ready
from counter.whole import WholeRequests

OK = Head(200, {"X-Way": "short"})
LARGE = 32 * 2**20
"""Bytes of an answer that fits into no buffer of a socket."""
MOST = 3
"""How many connections the door lets in."""


class Door(Connections):
    """Remembers the connection that came last."""

    last: Connection

    def enter(self, connection: Connection) -> None:
        super().enter(connection)
        self.last = connection


class House:
    """A listener with routes of the long way, and of the short one.

    `/v1/now` answers at once, `/v1/later` when the test says so, `/v1/refused` is refused, `/v1/broken` breaks,
    `/v1/twice` replies twice, `/v1/torn` replies and breaks. The application has them, too, beside `/long`, which
    waits for `finish`, and `/deaf`, which does so before it reads.
    """

    def __init__(self) -> None:
        self.door = Door(MOST)
        self.seen: list[str] = []
        self.replies: list[Reply] = []
        self.finish = asyncio.Event()
        self.registry = CollectorRegistry()
        routes = [
            Short("POST" if name == "post" else "GET", f"/v1/{name}", partial(self._short, name))
            for name in ("now", "later", "refused", "broken", "post", "large", "twice", "torn")
        ]
        routes.append(Short("GET", "/v1/sites/{site}/now", partial(self._short, "site")))
        seconds = Histogram("seconds", "Time.", ["route", "status"], registry=self.registry)
        self.express = Express(routes, seconds, "/own/v1/", {"X-Always": "yes"})
        self.port = 0

    def _short(self, name: str, asked: Asked, site: str, body: bytes, reply: Reply) -> bool:
        said = " ".join(filter(None, (name, site, body.decode(), asked.headers.get("X-Said", ""))))
        self.seen.append(said)
        if name == "refused":
            raise InvalidInputError
        if name == "broken":
            raise RuntimeError
        if name == "later":
            self.replies.append(reply)
        else:
            reply(Ready(OK, b"x" * LARGE if name == "large" else said.encode()))
        if name == "twice":
            reply(Ready(OK, b"again"))
        if name == "torn":
            raise RuntimeError
        return True

    async def long(self, request: web.Request) -> web.Response:
        if request.path == "/deaf":
            self.seen.append("/deaf")
            await self.finish.wait()
        body = await request.text()
        self.seen.append(f"{request.path} {body}".strip() + " the long way")
        if request.path == "/long":
            await self.finish.wait()
        return web.Response(text=f"{request.path} {body}".strip(), headers={"X-Way": "long"})


@pytest.fixture(params=["whole", "own"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Let the connections share a parser for what comes whole, or have but their own."""
    found = House()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.long)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    whole = WholeRequests(new_parser) if request.param == "whole" else None
    made = partial(Connection, found.door, found.express, whole, runner.server, access_log=None)
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await runner.cleanup()


def new_parser() -> HttpRequestParser:
    loop = asyncio.get_running_loop()
    return HttpRequestParser(BaseProtocol(loop), loop, 65_536)


class Client:
    """Sends bytes as they are, and tells what came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.transport = writer.transport

    def send(self, *paths: str, method: str = "GET", head: str = "", body: str = "") -> None:
        if body:
            head += f"Content-Length: {len(body)}\r\n"
        asked = (f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}" for path in paths)
        self.send_bytes("".join(asked).encode())

    def send_bytes(self, some: bytes) -> None:
        self._writer.write(some)

    async def answers(self, number: int) -> list[tuple[str, str]]:
        """Return which way each answer took, and its body."""
        found = []
        async with asyncio.timeout(30):
            for _ in range(number):
                head = await self._reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                way = re.search(rb"X-Way: (\w+)", head)
                body = await self._reader.readexactly(int(length[1]) if length else 0)
                found.append((way[1].decode() if way else "", body.decode()))
        return found

    async def rest(self) -> bytes:
        """Return all that comes until the connection ends."""
        async with asyncio.timeout(30):
            return await self._reader.read()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    yield Client(reader, writer)
    writer.close()


async def until(happens: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not happens():
            await asyncio.sleep(0)


async def test_short_request_waits_for_the_long_one_before_it(house: House, client: Client) -> None:
    """Behind a request that aiohttp has still to answer none goes the short way; afterwards they do again."""
    client.send("/long")
    await until(lambda: house.seen)
    client.send("/v1/now")
    siding = house.door.last._siding
    assert siding
    await until(lambda: siding.left == 2 or len(house.seen) == 2)
    house.finish.set()
    assert await client.answers(2) == [("long", "/long"), ("long", "/v1/now")]
    client.send("/v1/now")
    assert await client.answers(1) == [("short", "now")]
    assert house.seen == ["/long the long way", "/v1/now the long way", "now"]


@pytest.mark.parametrize("second", ["/v1/now", "/other"])
async def test_what_follows_a_short_request_waits_for_its_answer(
    house: House, client: Client, second: str
) -> None:
    """While a short request waits for its answer, what comes behind it is not even read, whichever way it goes."""
    client.send("/v1/later")
    await until(lambda: house.replies)
    connection = house.door.last
    client.send(second)
    await until(lambda: connection._held or len(house.seen) > 1)
    client.send(second)
    assert house.seen == ["later"]
    house.replies.pop()(Ready(OK, b"at last"))
    answers = await client.answers(3)
    assert answers[0] == ("short", "at last")
    assert len(house.seen) == 3
    client.send("/v1/now")
    assert await client.answers(1) == [("short", "now")]


async def test_what_was_held_back_is_held_back_again(house: House, client: Client) -> None:
    """Of what came behind a request that waits, the first one waits as well, and the client is not read meanwhile."""
    client.send("/v1/later")
    await until(lambda: house.replies)
    connection = house.door.last
    client.send("/v1/later")
    await until(lambda: connection._held)
    transport = connection.transport
    assert isinstance(transport, asyncio.Transport)
    assert not transport.is_reading()
    house.replies.pop()(Ready(OK, b"first"))
    assert await client.answers(1) == [("short", "first")]
    await until(lambda: house.replies)
    client.send("/v1/now")
    await until(lambda: connection._held or len(house.seen) > 2)
    house.replies.pop()(Ready(OK, b"second"))
    assert await client.answers(2) == [("short", "second"), ("short", "now")]
    assert transport.is_reading()


async def test_several_requests_at_once_go_the_long_way(house: House, client: Client) -> None:
    """What was read in one piece is answered in one order, by aiohttp."""
    client.send("/v1/now", "/v1/now", "/v1/now")
    assert await client.answers(3) == [("long", "/v1/now")] * 3
    client.send("/v1/now")
    assert await client.answers(1) == [("short", "now")]


@pytest.mark.parametrize(("path", "logged"), [("/v1/refused", 0), ("/v1/broken", 2)])
async def test_short_way_that_fails_becomes_the_long_one(
    house: House, client: Client, path: str, logged: int
) -> None:
    """Who answers errors is the application, and the connection goes on; what we refuse is no word in the log."""
    with capture_logs() as logs:
        for _ in range(2):
            client.send(path)
            assert await client.answers(1) == [("long", path)]
    assert len(logs) == logged
    assert house.door.busy == 0
    client.send("/v1/later")
    await until(lambda: house.replies)
    assert house.door.busy == 1
    house.replies.pop()(Ready(OK))
    await client.answers(1)
    assert house.door.busy == 0


@pytest.mark.parametrize("path", ["twice", "torn"])
async def test_request_is_answered_once(house: House, client: Client, path: str) -> None:
    """A handler that replies twice, or replies and breaks, has answered once; the next request has its own answer."""
    client.send(f"/v1/{path}")
    assert await client.answers(1) == [("short", path)]
    client.send("/v1/now")
    assert await client.answers(1) == [("short", "now")]
    assert house.seen == [path, "now"]
    assert house.door.busy == 0


async def test_body_is_there_on_either_way(house: House, client: Client) -> None:
    """A body that came with its head goes the short way, one that comes later the long one, whole."""
    client.send("/v1/post", method="POST", body="hello")
    assert await client.answers(1) == [("short", "post hello")]
    client.send_bytes(b"POST /v1/post HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel")
    siding = house.door.last._siding
    await until(lambda: siding and siding.left)
    client.send_bytes(b"lo")
    assert await client.answers(1) == [("long", "/v1/post hello")]
    client.send("/v1/post", method="POST", head="Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
    assert [body for _way, body in await client.answers(1)] == ["post hello"]


@pytest.mark.parametrize(
    ("path", "head", "way"),
    [
        ("/v1/now?a=/v1/b", "", "short"),
        ("/own/v1/now", "", "short"),
        ("/v1/now/", "", "long"),
        ("/v1/sites/portal/now", "", "short"),
        ("/own/v1/sites/portal/now", "", "short"),
        ("/v1/sites//now", "", "long"),
        ("/v1/sites/p%6frtal/now", "", "long"),
        ("/v1/sites/portal/now/x", "", "long"),
        ("/v1/now", "Expect: nothing\r\n", ""),
        ("/v1/now", "Connection: close\r\n", "long"),
        ("/v1/now", "Connection: upgrade\r\nUpgrade: websocket\r\n", "long"),
    ],
)
async def test_only_what_is_understood_goes_the_short_way(
    client: Client, path: str, head: str, way: str
) -> None:
    """Anything unusual about a request leaves it to aiohttp."""
    client.send(path, head=head)
    assert (await client.answers(1))[0][0] == way


async def test_answer_that_ends_the_connection_is_the_last(house: House, client: Client) -> None:
    """While the listener drains, a request that waits is told to go, and what came behind it is not answered."""
    client.send("/v1/later")
    await until(lambda: house.replies)
    client.send("/v1/now")
    await until(lambda: house.door.last._held)
    house.door.draining = True
    house.replies.pop()(Ready(OK, b"go"))
    said = await client.rest()
    assert said.count(b"HTTP/1.1 200 OK") == 1
    assert b"\r\nConnection: close\r\n" in said
    assert said.endswith(b"go")
    assert house.seen == ["later"]


async def test_draining_leaves_new_requests_to_aiohttp(house: House, client: Client) -> None:
    """Who is to go is told so by what drains, which sees the requests of the long way."""
    client.send("/v1/now")
    await client.answers(1)
    house.door.draining = True
    client.send("/v1/now")
    assert (await client.answers(1))[0][0] == "long"


async def test_answer_of_who_has_gone_is_let_go(house: House, client: Client) -> None:
    """A client that left while its request waits is none of the open connections, and takes no answer."""
    client.send("/v1/later")
    await until(lambda: house.replies)
    assert (len(house.door), house.door.busy) == (1, 1)
    client.transport.abort()
    await until(lambda: len(house.door) == 0)
    house.replies.pop()(Ready(OK))
    assert (len(house.door), house.door.busy) == (0, 0)


async def test_short_answers_have_their_heads_and_are_measured(house: House, client: Client) -> None:
    """Each has an id of its own and what every answer has, and is in the times of its route."""
    client.send("/own/v1/now", head="X-Said: hello\r\n")
    head = await client._reader.readuntil(b"\r\n\r\n")
    assert re.search(rb"\r\nCounter-Request-Id: \w+", head)
    assert b"\r\nX-Always: yes\r\n" in head
    assert await client._reader.readexactly(len("now hello")) == b"now hello"
    labels = {"route": "/own/v1/now", "status": "200"}
    assert house.registry.get_sample_value("seconds_count", labels) == 1


async def test_waiting_connection_is_not_taken_for_an_idle_one(house: House, client: Client) -> None:
    """Where there are too many connections, one whose request waits for its answer does not have to go."""
    client.send("/v1/later")
    await until(lambda: house.replies)
    others = [await asyncio.open_connection("127.0.0.1", house.port) for _ in range(MOST)]
    async with asyncio.timeout(30):
        assert await others[0][0].read() == b""
    house.replies.pop()(Ready(OK, b"still here"))
    assert await client.answers(1) == [("short", "still here")]
    for reader, writer in others[1:]:
        other = Client(reader, writer)
        other.send("/v1/now")
        assert await other.answers(1) == [("short", "now")]
    for _reader, writer in others:
        writer.close()


async def test_of_many_idle_connections_the_longest_waiting_goes(house: House, client: Client) -> None:
    """Where more are idle than new, an idle one makes room: its client knows how to come back."""
    client.send("/v1/now")
    await client.answers(1)
    idle = Client(*await asyncio.open_connection("127.0.0.1", house.port))
    idle.send("/v1/now")
    await idle.answers(1)
    new = [Client(*await asyncio.open_connection("127.0.0.1", house.port)) for _ in range(MOST - 1)]
    assert await client.rest() == b""
    for other in (idle, *new):
        other.send("/v1/now")
        assert await other.answers(1) == [("short", "now")]
        other.transport.close()


async def test_what_comes_between_answer_and_going_on_keeps_its_place(house: House, client: Client) -> None:
    """Bytes that are read after an answer was sent, but before what was held back, come after it."""
    client.send("/v1/later")
    await until(lambda: house.replies)
    connection = house.door.last
    client.send("/v1/sites/one/now")
    await until(lambda: connection._held)
    house.replies.pop()(Ready(OK, b"at last"))
    connection.data_received(b"GET /v1/sites/two/now HTTP/1.1\r\nHost: x\r\n\r\n")
    bodies = [body for _way, body in await client.answers(3)]
    assert [re.sub(r".*(one|two).*", r"\1", body) for body in bodies] == ["at last", "one", "two"]


async def test_body_that_nobody_reads_keeps_its_client_waiting(house: House, client: Client) -> None:
    """When what was held back fills aiohttp's own buffer, the client is not read on before that is emptied."""
    client.send("/v1/later")
    await until(lambda: house.replies)
    connection = house.door.last
    connection.data_received(
        b"POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LARGE + 1) + b"x" * LARGE
    )
    house.replies.pop()(Ready(OK, b"at last"))
    await until(lambda: "/deaf" in house.seen)
    transport = connection.transport
    assert isinstance(transport, asyncio.Transport)
    assert not transport.is_reading()
    house.finish.set()
    await until(transport.is_reading)


async def test_client_that_takes_no_answers_gets_no_more(house: House, client: Client) -> None:
    """While an answer waits in memory, the next request goes to aiohttp, which waits until it is taken."""
    client.send("/v1/large")
    await until(lambda: house.seen)
    assert house.door.last._paused
    client.send("/v1/now")
    assert [way for way, _body in await client.answers(2)] == ["short", "long"]


async def test_short_requests_keep_a_connection_alive(house: House, client: Client) -> None:
    """The time after which aiohttp ends an idle connection begins anew with each."""
    client.send("/other")
    await client.answers(1)
    connection = house.door.last
    connection._next_keepalive_close_time = 0.0
    client.send("/v1/now")
    await client.answers(1)
    connection._process_keepalive()
    client.send("/v1/now")
    assert await client.answers(1) == [("short", "now")]


async def test_client_of_old_goes_the_long_way(client: Client) -> None:
    """One that keeps its connection with HTTP/1.0 is answered in its own version."""
    client.send_bytes(b"GET /v1/now HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
    assert (await client.answers(1))[0][0] == "long"


async def test_connection_takes_any_number_of_short_requests(client: Client) -> None:
    """The parser is told that each was dealt with, or it would soon wait for those before."""
    for _ in range(200):
        client.send("/v1/now")
        assert await client.answers(1) == [("short", "now")]
    client.send(*["/v1/now"] * 3)
    assert len(await client.answers(3)) == 3
