"""Nobody can be found in what remains: neither an address nor a user agent, wherever a hit has been."""

import asyncio
import gzip
import os
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, TCPConnector
from pydantic import SecretStr
from redis.asyncio import Redis

from counter.buckets.keys import LaneKeys
from counter.config import Settings
from counter.database import connected
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.traces import (
    SHORT,
    files_in,
    find,
    postgres_contents,
    redis_contents,
    spellings_of_address,
    spellings_of_agent,
    unsalted_ids,
)
from tests.proxy import Link, proxied
from tests.rights import with_least_rights

IPV4, IPV6, DIRECT = "198.18.213.77", "2001:db8:5eed:1234:abcd:ef01:2345:6789", "127.66.77.88"
MARKER = "Quokka-Seven"
AGENT = f"Mozilla/5.0 (X11; Linux x86_64; {MARKER}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
NEEDLES = (
    spellings_of_address(IPV4)
    | spellings_of_address(IPV6)
    | spellings_of_address(DIRECT)
    | spellings_of_agent(AGENT, MARKER)
    | unsalted_ids("portal", IPV4, AGENT)
    | unsalted_ids("portal", IPV6, AGENT)
    | unsalted_ids("portal", DIRECT, AGENT)
)
LONG_NEEDLES = {needle for needle in NEEDLES if len(needle) >= SHORT}

LOG_LINES = (
    f'{IPV4} - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "{AGENT}"\n'
    f'{IPV6} - - [17/May/2015:10:06:03 +0000] "GET /b HTTP/1.1" 200 1 "-" "{AGENT}"\n'
    f'{IPV4} broken "GET /{MARKER} "{AGENT}\n'
)
NO_REQUESTS = [
    f"\x16\x03\x01 {MARKER} {IPV4}\r\n\r\n",
    f"GET /{MARKER} HTTP/9.9\r\nUser-Agent: {AGENT}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: {AGENT}\0\r\nX-Forwarded-For: {IPV4}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\n{AGENT}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: {AGENT * 400}\r\n\r\n",
    f"POST /v1/hits HTTP/1.1\r\nHost: a\r\nUser-Agent: {AGENT}\r\nContent-Length: {MARKER}\r\n\r\n",
    f"POST /v1/hits HTTP/1.1\r\nHost: a\r\nUser-Agent: {AGENT}\r\nContent-Length: 500\r\n\r\n{MARKER}",
    f"POST /v1/hits HTTP/1.1\r\nHost: a\r\nUser-Agent: {AGENT}\r\nTransfer-Encoding: chunked\r\n\r\n{MARKER}\r\n",
]


@pytest.mark.parametrize(
    "trace",
    [
        IPV4,
        f'{{"peer": "{IPV6}"}}',
        "somebody in 198.18.213.0/24",
        "network 2001:DB8:5EED::/48",
        "\\xC612D54D",
        str(int.from_bytes(bytes([198, 18, 213, 77]))),
        bytes([0, 198, 18, 213, 77, 0]),
        bytes([77, 213, 18, 198]),
        b"*2\r\n" + bytes.fromhex("20010db85eed1234"),
        f"UA={AGENT.upper()}",
        MARKER.encode().hex(),
        "UXVva2thLVNldmVu",
        "ODgvUXVva2thLVNldmVuIQ==",
    ],
)
def test_search_finds_what_it_looks_for(trace: str | bytes) -> None:
    """Each easy encoding of an address or an agent would be found, so finding none means something."""
    assert find(NEEDLES, trace if isinstance(trace, bytes) else trace.encode())


class Serving:
    """A real `counter serve` with the least rights, at the most talkative level, whose link to Redis can be cut."""

    def __init__(self, process: Process, public: str, admin: str, said: list[bytes]) -> None:
        self.process = process
        self.public = public
        self.admin = admin
        self.said = said

    async def everything(self, session: ClientSession) -> set[int]:
        """Send everything that a browser, a bot or a vandal may send; return the statuses."""
        hit, beacon = '{"site": "portal", "path": "/a"}', '{"site": "portal"}'
        strange = {"User-Agent": f"{MARKER}bot/1.0 (+http://bot.example)"}
        requests: list[tuple[str, str, str | bytes | None, dict[str, str]]] = [
            ("POST", "/v1/hits", hit, {}),
            ("POST", "/v1/hits?quiet=1", hit, {"Origin": "https://portal.example"}),
            ("GET", "/v1/hits.gif?site=portal&path=/a", None, {}),
            ("POST", "/v1/heartbeats", beacon, {}),
            ("POST", "/v1/hits", hit, strange),
            ("POST", "/v1/hits", hit, {"Sec-Purpose": "prefetch"}),
            ("POST", "/v1/hits", hit, {"User-Agent": ""}),
            ("POST", "/v1/hits", hit, {"User-Agent": AGENT * 20}),
            ("GET", "/v1/sites/portal/token", None, {}),
            ("POST", "/v1/hits", f'{{"site": "portal", "path": "{AGENT}', {}),
            ("POST", "/v1/hits", '{"site": "nobody", "path": "/a"}', {}),
            ("POST", "/v1/hits", b"x" * 9000, {}),
            ("POST", "/v1/hits", gzip.compress(hit.encode()), {"Content-Encoding": "gzip"}),
            ("POST", "/v1/hits", hit, {"Content-Type": "image/png"}),
            ("POST", "/v1/hits", '{"site": "broken", "path": "/a"}', {}),
            ("GET", "/v1/sites/broken/widget", None, {}),
            ("GET", "/v1/sites/odd/pages?path=/a", None, {}),
            ("GET", "/v1/sites/portal/widget", None, {}),
            ("GET", "/v1/sites/portal/pages?path=/a", None, {}),
            ("GET", "/counter.js", None, {}),
            ("GET", "/nowhere", None, {}),
            ("DELETE", "/v1/hits", None, {}),
        ]
        statuses = set()
        for forwarded in ({"X-Forwarded-For": IPV4}, {"X-Forwarded-For": IPV6}, {}):
            for method, path, body, headers in requests:
                sent = {"User-Agent": AGENT, "Content-Type": "text/plain", **forwarded, **headers}
                async with session.request(method, self.public + path, data=body, headers=sent) as response:
                    statuses.add(response.status)
                    await response.read()
        return statuses

    async def vandalise(self) -> None:
        """Send what is no request at all, from an address of one's own."""
        port = urlsplit(self.public).port
        for text in NO_REQUESTS:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(DIRECT, 0))
            writer.write(text.encode("latin-1"))
            writer.write_eof()
            await reader.read()
            writer.close()

    async def answers(self, session: ClientSession) -> bytes:
        """What anybody may ask for afterwards."""
        pile = []
        for address in ("/metrics", "/healthz", "/readyz"):
            async with session.get(self.admin + address) as response:
                pile.append(await response.read())
        for path in ("/v1/sites/portal/widget", "/v1/sites/portal/pages?path=/a", "/v1/sites/portal/history"):
            async with session.get(self.public + path) as response:
                pile += [await response.read(), repr(response.headers).encode()]
        return b"\n".join(pile)


@asynccontextmanager
async def serving(settings: Settings, spool: Path) -> AsyncIterator[Serving]:
    """Run the command, and read along."""
    least = with_least_rights(settings)
    environment = {
        **os.environ,
        "COUNTER_REDIS_URL": least.redis_url.get_secret_value(),
        "COUNTER_DATABASE_URL": least.database_url.get_secret_value(),
        "COUNTER_SPOOL_DIR": str(spool),
        "COUNTER_LOG_LEVEL": "DEBUG",
        "COUNTER_PORT": "0",
        "COUNTER_ADMIN_PORT": "0",
        "COUNTER_TRUSTED_PROXIES": "127.0.0.1/32",
        "COUNTER_ROLLUP_SECONDS": "0.2",
        "COUNTER_PATIENCE_SECONDS": "0.2",
        "COUNTER_REDIS_TIMEOUT_SECONDS": "1",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "ignore", "-m", "counter", "serve"),
        env=environment,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout
    assert process.stderr
    said: list[bytes] = []
    try:
        while not said or not said[-1].startswith(b"readiness"):
            said.append(await process.stdout.readline())
            assert said[-1], await process.stderr.read()
        public, admin = (
            next(line.split()[1] for line in said if line.startswith(word)).decode().rpartition("/")[0]
            for word in (b"script", b"readiness")
        )
        readers = [asyncio.create_task(stream.read()) for stream in (process.stdout, process.stderr)]
        yield Serving(process, public, admin, said)
        process.send_signal(signal.SIGTERM)
        said += await asyncio.gather(*readers)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(happens: Any) -> None:
    """Wait for what a store or a service shows."""
    async with asyncio.timeout(60):
        while not await happens():
            await asyncio.sleep(0.05)


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    async with proxied(redis_url) as found:
        yield found


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A Redis whose file holds nothing of the tests before."""
    async with Redis.from_url(redis_url, protocol=2) as found:
        await found.bgrewriteaof()

        async def rewritten() -> bool:
            return not (await found.info("persistence"))["aof_rewrite_in_progress"]

        await until(rewritten)
        yield found


async def test_nobody_is_found_in_what_remains(  # noqa: PLR0917 - all that a hit may touch
    settings: Settings,
    link: Link,
    client: Redis,
    valkey: Valkey,
    postgres: Postgres,
    tmp_path: Path,
    here: Path,
) -> None:
    """Through every way in and every failure, no address and no agent stays in any store, file, log or answer."""
    url, spool, lane = settings.database_url.get_secret_value(), tmp_path / "spool", LaneKeys("0")
    piles: dict[str, bytes] = {}
    async with connected(url) as connection:
        for key in ("portal", "broken", "odd"):
            await SiteStore(connection).add(key, SiteSettings(time_zone="UTC"))
    for kind in ("seen", "base"):
        await client.set(lane.site("broken", kind), "what this program did not write")
    await client.sadd(lane.site("odd", "index"), "what this program did not write")
    linked = settings.model_copy(update={"redis_url": SecretStr(link.url)})
    async with serving(linked, spool) as service, ClientSession() as session:
        async with ClientSession(connector=TCPConnector(local_addr=(DIRECT, 0))) as stranger:

            async def is_ready() -> bool:
                async with session.get(service.admin + "/readyz") as response:
                    return response.status == 200

            await until(is_ready)
            statuses = await service.everything(session) | await service.everything(stranger)
            assert {200, 204, 400, 404, 405, 413, 415, 500, 503} <= statuses
            await service.vandalise()
            link.refuses = True
            link.cut()
            statuses = await service.everything(session) | await service.everything(stranger)
            assert 202 in statuses
            piles |= {f"spool {name}": content for name, content in files_in(spool)}
            assert sum(map(len, piles.values())) > 200, "hits were in the spool, or this shows nothing"
            link.refuses = False

            async def is_replayed() -> bool:
                async with session.get(service.admin + "/metrics") as response:
                    return 'counter_spool_bytes{lane="0"} 0.0' in await response.text()

            await until(is_replayed)
        await import_log(linked, here, tmp_path)
        async with connected(url) as connection:

            async def is_rolled_up() -> bool:
                rows = await connection.fetch("select distinct day from aggregates")
                return len(rows) >= 2

            await until(is_rolled_up)
        piles["answers"] = await service.answers(session)
        piles["Redis"] = await redis_contents(client)
        piles |= {f"Valkey {name}": content for name, content in files_in(valkey.data_dir)}
    piles["output"] = b"\n".join(service.said)
    piles |= {f"spool at the end {name}": content for name, content in files_in(spool)}
    async with connected(url) as connection:
        piles["Postgres"] = await postgres_contents(connection)
        await connection.execute("checkpoint")

    assert b"request broke" in piles["output"]
    assert b"batch broke" in piles["output"]
    assert len(piles["Postgres"]) > 1000
    assert b"portal" in piles["Redis"]
    found = {name: find(NEEDLES, pile) for name, pile in piles.items()}
    assert {name: needles for name, needles in found.items() if needles} == {}
    # Whole files of Postgres, what it has written ahead included, are too large for needles of four bytes.
    traces = {name: find(LONG_NEEDLES, content) for name, content in files_in(postgres.data_dir)}
    assert {name: needles for name, needles in traces.items() if needles} == {}


async def import_log(settings: Settings, here: Path, folder: Path) -> None:
    """Bring in a log of these people; unreadable lines are shown to whoever runs the command, who has the log."""
    log = folder / "access.log"
    log.write_text(LOG_LINES, encoding="utf-8")
    least = with_least_rights(settings)
    environment = {
        **os.environ,
        "COUNTER_REDIS_URL": least.redis_url.get_secret_value(),
        "COUNTER_DATABASE_URL": least.database_url.get_secret_value(),
    }
    words = ("-m", "counter", "import", "log", str(log), "--site", "portal")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=here, env=environment, stdout=PIPE, stderr=PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, complained
    assert b"2 views counted" in said
    assert find(NEEDLES, complained) == set()


async def test_crash_leaves_no_picture_of_the_memory(settings: Settings, tmp_path: Path) -> None:
    """A crash dump would hold addresses and salts, so there is none, whatever the system's limit is."""
    async with serving(settings, tmp_path / "spool") as service:
        assert resource.prlimit(service.process.pid, resource.RLIMIT_CORE) == (0, 0)
