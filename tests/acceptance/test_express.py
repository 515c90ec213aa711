"""The short way answers as the long one does."""

import asyncio
import re

import pytest
import redis.asyncio as redis
from yarl import URL

from tests.acceptance.conftest import PERSON, Running

OWN = {"Date", "Counter-Request-Id"}
"""Headers of each answer's own."""
BODY = '{"site":"portal","path":"/a"}'

REQUESTS = {
    "hit": ("POST", "/v1/hits", BODY, {}),
    "quiet hit": ("POST", "/v1/hits?quiet=1", BODY, {}),
    "hit with a wish": ("POST", "/v1/hits?quiet=0&debug=x", BODY, {}),
    "heartbeat": ("POST", "/v1/heartbeats", '{"site":"portal"}', {}),
    "no JSON": ("POST", "/v1/hits", "{", {}),
    "unknown site": ("POST", "/v1/hits", BODY.replace("portal", "nobody"), {}),
    "too large": ("POST", "/v1/hits", "x" * 5000, {}),
    "other type": ("POST", "/v1/hits", BODY, {"Content-Type": "image/png"}),
    "widget": ("GET", "/v1/sites/portal/widget", None, {}),
    "widget of another metric": ("GET", "/v1/sites/portal/widget?metric=views", None, {}),
    "wrong metric": ("GET", "/v1/sites/portal/widget?metric=money", None, {}),
    "widget of nobody": ("GET", "/v1/sites/nobody/widget", None, {}),
    "widget that is known": ("GET", "/v1/sites/portal/widget", None, {"If-None-Match": '"x", {tag}'}),
    "head of the widget": ("HEAD", "/v1/sites/portal/widget", None, {}),
    "wrong method": ("DELETE", "/v1/hits", None, {}),
    "preflight": ("OPTIONS", "/v1/hits", None, {"Origin": "https://portal.example"}),
}


def long_way(address: str) -> str:
    """Return another spelling, which only the router reads."""
    return (
        address.replace("/hits", "/h%69ts")
        .replace("/heartbeats", "/h%65artbeats")
        .replace("/widget", "/w%69dget")
    )


async def ask(service: Running, name: str, *, short: bool) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer."""
    method, address, body, headers = REQUESTS[name]
    widget = await service.get("/v1/sites/portal/widget")
    told = {key: value.replace("{tag}", widget.headers["ETag"]) for key, value in headers.items()}
    url = URL(service.public + (address if short else long_way(address)), encoded=True)
    sent = {"User-Agent": PERSON, "Content-Type": "text/plain", **told}
    async with service.session.request(method, url, data=body, headers=sent) as answer:
        seen = {key: value for key, value in answer.headers.items() if key not in OWN}
        return answer.status, seen, await answer.read()


def without(headers: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}


@pytest.mark.parametrize("name", REQUESTS)
async def test_both_ways_answer_alike(service: Running, name: str) -> None:
    """Status, headers and body are the same, whichever way a request takes."""
    await service.hit("/a")
    long_status, long_headers, long_body = await ask(service, name, short=False)
    status, headers, body = await ask(service, name, short=True)
    assert status == long_status
    lengths = (
        {"Content-Length"} if name in {"hit", "hit with a wish"} else set()
    )  # the page has one view more
    assert without(headers, lengths) == without(long_headers, lengths)
    same = body.replace(b'"views":3', b"").replace(b'"views":2', b"")
    assert same == long_body.replace(b'"views":2', b"") or name in {"hit", "hit with a wish"}


async def talk(service: Running, request: bytes) -> bytes:
    """Send bytes, and return all that comes until the connection ends."""
    port = int(service.public.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer


async def test_old_clients_get_old_answers(service: Running) -> None:
    """HTTP/1.0 has its own version, and its connection ends; one that asks for its end gets it."""
    head = b"Host: x\r\nUser-Agent: " + PERSON.encode() + b"\r\n"
    old = await talk(service, b"GET /v1/sites/portal/widget HTTP/1.0\r\n" + head + b"\r\n")
    assert old.startswith(b"HTTP/1.0 200 OK\r\n")
    ended = await talk(
        service, b"GET /v1/sites/portal/widget HTTP/1.1\r\n" + head + b"Connection: close\r\n\r\n"
    )
    assert ended.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in ended


async def test_requests_behind_each_other_are_answered_in_order(service: Running) -> None:
    """A proxy may send several requests ahead of their answers, of both ways."""
    head = b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + PERSON.encode() + b"\r\n"
    hit = b"POST /v1/hits?quiet=1" + head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY.encode()
    widget = b"GET /v1/sites/portal/widget" + head + b"\r\n"
    nothing = b"GET /nothing" + head + b"Connection: close\r\n\r\n"
    answers = await talk(service, hit + widget + hit + nothing)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answers) == [b"204", b"200", b"204", b"404"]
    assert (await service.widget(metric="views"))["total"] == 2


async def test_what_comes_before_the_answer_waits(service: Running, redis_url: str) -> None:
    """While a hit waits for Redis, what its client sends behind it is held back, and answered in order."""
    head = b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + PERSON.encode() + b"\r\n"
    hit = b"POST /v1/hits?quiet=1" + head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY.encode()
    widget = b"GET /v1/sites/portal/widget" + head + b"\r\n"
    last = b"GET /nothing" + head + b"Connection: close\r\n\r\n"
    await service.widget()  # so it is in memory, and could be answered at once
    reader, writer = await asyncio.open_connection("127.0.0.1", int(service.public.rpartition(":")[2]))
    async with redis.from_url(redis_url) as client:
        await client.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
        writer.write(hit)
        while await waiting(client) == 0:
            await asyncio.sleep(0)
        for request in (widget[:50], widget[50:] + hit, last):
            writer.write(request)
            await writer.drain()
        await client.execute_command("CLIENT", "UNPAUSE")
    async with asyncio.timeout(30):
        answers = await reader.read()
    writer.close()
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answers) == [b"204", b"200", b"204", b"404"]


async def waiting(client: redis.Redis) -> int:
    """Return how many clients Redis keeps waiting."""
    return int((await client.info("clients"))["blocked_clients"])


async def test_client_that_leaves_before_its_answer(service: Running, redis_url: str) -> None:
    """Its hit counts, and nobody else is disturbed."""
    hit = (
        b"POST /v1/hits?quiet=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: "
        + PERSON.encode()
        + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        + BODY.encode()
    )
    async with redis.from_url(redis_url) as client:
        await client.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
        _reader, writer = await asyncio.open_connection("127.0.0.1", int(service.public.rpartition(":")[2]))
        writer.write(hit)
        while await waiting(client) == 0:
            await asyncio.sleep(0)
        writer.transport.abort()
        other = asyncio.create_task(service.hit("/a", query="?quiet=1"))
        await client.execute_command("CLIENT", "UNPAUSE")
    assert (await other).status == 204
    assert (await service.widget(metric="views"))["total"] == 2


async def test_hits_at_once_are_answered_with_what_came_before(service: Running) -> None:
    """However hits share their readings, each answer has its own hit and all that were answered before it."""
    answered, shown = 0, []
    for wave in (1, 20, 1, 30, 5):
        answers = await asyncio.gather(*(service.hit("/many") for _hit in range(wave)))
        views = [(await answer.json())["page"]["views"] for answer in answers]
        assert min(views) > answered
        answered += wave
        assert max(views) == answered
        shown.append(max(views))
    assert shown == sorted(shown)
    assert (await service.widget(metric="views"))["total"] == answered
