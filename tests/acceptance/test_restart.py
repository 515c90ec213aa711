"""Stop and restart under load: no acknowledged hit is lost, and no client meets a reset or a refusal."""

import asyncio
import json
import socket
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector, UnixConnector

from counter.config import Settings
from counter.database import connected
from tests.acceptance.conftest import PERSON
from tests.acceptance.instance import PATIENCE_SECONDS, Launcher, launch, listening_socket

LONG = "3600"
"""Drain seconds that no test waits for: what ends sooner ends by something else."""
FAR_SECONDS = 0.02
BODY = b'{"site":"portal","path":"/a"}'
HEAD = (
    f"POST /v1/hits?quiet=1 HTTP/1.1\r\nHost: counter\r\nUser-Agent: {PERSON}\r\n"
    f"Content-Type: text/plain\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: {len(BODY)}\r\n"
).encode()


async def stored_views(settings: Settings) -> int:
    """The views in Postgres."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        return int(await connection.fetchval("select coalesce(sum(views), 0) from aggregates"))


class Connection:
    """One client on one connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, dict[str, str]]:
        """Read an answer without a body: its status and headers."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().strip().split("\r\n")
        return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines)

    async def hit(self) -> tuple[int, str]:
        """Send a hit; return the status, and what is to become of the connection."""
        await self.send(HEAD + b"\r\n" + BODY)
        status, headers = await self.answer()
        return status, headers.get("connection", "")

    async def rest(self) -> bytes:
        """Read to the end of the connection; a reset is an error."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def opened(listener: socket.socket | int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(listener, int):
        return await asyncio.open_connection("127.0.0.1", listener)
    if listener.family == socket.AF_UNIX:
        return await asyncio.open_unix_connection(listener.getsockname())
    return await asyncio.open_connection(*listener.getsockname())


@asynccontextmanager
async def connection_to(listener: socket.socket | int) -> AsyncIterator[Connection]:
    """Open a connection to a port, or to where a socket listens."""
    connection = Connection(*await opened(listener))
    try:
        yield connection
    finally:
        await connection.close()


async def relay(listener: socket.socket, seconds: float) -> asyncio.Server:
    """Serve a port from which it takes so long to reach a socket, and as long back, the end of a connection too."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await asyncio.sleep(seconds)
                writer.write(data)
        await asyncio.sleep(seconds)
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await opened(listener)
        await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer))

    return await asyncio.start_server(join, "127.0.0.1", 0)


class Visitors:
    """Clients that send hits without pause, and complain of everything but a 2xx.

    Some are far away: while they hear that their connection has ended, their next hit may be on its way.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._leaving = asyncio.Event()
        self.acknowledged = 0
        self.complaints: Counter[str] = Counter()

    def _connector(self, *, force_close: bool) -> TCPConnector | UnixConnector:
        if self._listener.family == socket.AF_UNIX:
            return UnixConnector(self._listener.getsockname(), force_close=force_close)
        return TCPConnector(force_close=force_close)

    async def _come(self, connector: TCPConnector | UnixConnector, port: int) -> None:
        url = f"http://127.0.0.1:{port}/v1/hits?quiet=1"
        headers = {"User-Agent": PERSON, "Content-Type": "text/plain", "X-Forwarded-For": "192.0.2.1"}
        async with ClientSession(connector=connector) as session:
            while not self._leaving.is_set():
                try:
                    async with session.post(url, data=BODY, headers=headers) as response:
                        await response.read()
                except (ClientError, OSError) as error:
                    self.complaints[repr(error)] += 1
                else:
                    if response.ok:
                        self.acknowledged += 1
                    else:
                        self.complaints[str(response.status)] += 1

    async def arrive(self, hits: int) -> None:
        """Wait until so many more hits were acknowledged."""
        goal = self.acknowledged + hits
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.acknowledged < goal:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def coming(self, *, kept_alive: int, fresh: int, far: int) -> AsyncIterator[None]:
        """Let clients come: with a connection that they keep, with one for each hit, and from far away."""
        here = self._listener.getsockname()[1] if self._listener.family == socket.AF_INET else 80
        async with await relay(self._listener, FAR_SECONDS) as server, asyncio.TaskGroup() as tasks:
            for _client in range(kept_alive):
                tasks.create_task(self._come(self._connector(force_close=False), here))
            for _client in range(fresh):
                tasks.create_task(self._come(self._connector(force_close=True), here))
            for _client in range(far):
                tasks.create_task(self._come(TCPConnector(), server.sockets[0].getsockname()[1]))
            yield
            self._leaving.set()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_instances_follow_each_other_under_load(
    kind: str, launcher: Launcher, settings: Settings, tmp_path: Path
) -> None:
    """One instance takes over from the other: no client notices, and every acknowledged hit is stored once."""
    with listening_socket(tmp_path, kind) as listener:
        visitors = Visitors(listener)
        serving = await launcher.start(listener)
        async with visitors.coming(kept_alive=6, fresh=3, far=8):
            for _restart in range(3):
                await visitors.arrive(200)
                following = await launcher.start(listener)
                serving.signal()
                assert await serving.ended() == 0
                serving = following
            await visitors.arrive(200)
        serving.signal()
        assert await serving.ended() == 0
    assert visitors.complaints == {}
    assert await stored_views(settings) == visitors.acknowledged > 800


async def test_last_rollup_is_made_by_whoever_stops_last(
    launcher: Launcher, settings: Settings, tmp_path: Path
) -> None:
    """An instance that never led leaves nothing behind in Redis, when the one that led is gone."""
    with listening_socket(tmp_path) as listener:
        leading = await launcher.start(listener, COUNTER_ROLLUP_SECONDS="0.1")
        async with connection_to(listener) as client:
            await client.hit()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await stored_views(settings) != 1:
                pass
        following = await launcher.start(listener, COUNTER_ROLLUP_SECONDS=LONG)
        leading.signal()
        assert await leading.ended() == 0
        async with connection_to(listener) as client:
            assert (await client.hit())[0] == 204
        following.signal()
        assert await following.ended() == 0
    assert await stored_views(settings) == 2


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_socket_outlives_the_instances(kind: str, launcher: Launcher, tmp_path: Path) -> None:
    """While nobody serves, a new connection waits for the next instance, rather than being refused."""
    with listening_socket(tmp_path, kind) as listener:
        first = await launcher.start(listener)
        first.signal()
        assert await first.ended() == 0
        async with connection_to(listener) as waiting:
            await waiting.send(HEAD + b"\r\n" + BODY)
            await launcher.start(listener)
            assert (await waiting.answer())[0] == 204


async def test_draining_instance_takes_no_new_connection(launcher: Launcher, tmp_path: Path) -> None:
    """What comes to the shared socket while one instance drains is for the other."""
    with listening_socket(tmp_path) as listener:
        first = await launcher.start(listener, COUNTER_DRAIN_SECONDS=LONG)
        async with connection_to(listener) as lingering:
            assert await lingering.hit() == (204, "")
            await first.drains()
            async with connection_to(listener) as waiting:
                await waiting.send(HEAD + b"\r\n" + BODY)
                assert await lingering.hit() == (204, "close")
                assert await first.ended() == 0
                await launcher.start(listener)
                status, headers = await waiting.answer()
                assert (status, headers.get("connection")) == (204, None)


async def test_kept_connections_are_served_while_draining(launcher: Launcher) -> None:
    """A client between two requests may send the next; its answer tells it to go, and then the drain is over."""
    instance = await launcher.start(COUNTER_DRAIN_SECONDS=LONG)
    async with connection_to(instance.port) as used, connection_to(instance.port) as unused:
        assert await used.hit() == (204, "")
        assert await instance.readiness() == (200, "ready")
        await instance.drains()
        assert await instance.readiness() == (503, "stopping")
        assert await used.hit() == (204, "close")
        assert await used.rest() == b""
        assert await instance.readiness() == (503, "stopping")
        assert await unused.hit() == (204, "close")
        assert await instance.ended() == 0


async def test_errors_tell_the_client_to_go_too(launcher: Launcher) -> None:
    """While draining, an answer that is an error ends its connection as well."""
    instance = await launcher.start(COUNTER_DRAIN_SECONDS=LONG)
    async with connection_to(instance.port) as client:
        await client.send(b"GET /none HTTP/1.1\r\nHost: counter\r\n\r\n")
        status, headers = await client.answer()
        assert (status, headers.get("connection")) == (404, None)
        await instance.drains()
        await client.send(b"GET /none HTTP/1.1\r\nHost: counter\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in await client.rest()
    assert await instance.ended() == 0


async def test_drain_ends_with_the_last_connection(launcher: Launcher) -> None:
    """Nobody is waited for who is not there: an idle connection holds the drain only while it is open."""
    instance = await launcher.start(COUNTER_DRAIN_SECONDS=LONG)
    async with connection_to(instance.port):
        await instance.drains()
        assert await instance.readiness() == (503, "stopping")
    assert await instance.ended() == 0


async def test_drain_ends_in_time(launcher: Launcher) -> None:
    """An idle connection is closed after the drain, cleanly."""
    instance = await launcher.start(COUNTER_DRAIN_SECONDS="0.2")
    async with connection_to(instance.port) as idle:
        await idle.hit()
        instance.signal()
        assert await idle.rest() == b""
    assert await instance.ended() == 0


async def test_second_signal_ends_the_drain(launcher: Launcher, settings: Settings) -> None:
    """Asked again, it closes idle connections at once; what is stored stays right."""
    instance = await launcher.start(COUNTER_DRAIN_SECONDS=LONG)
    async with connection_to(instance.port) as idle:
        await idle.hit()
        await instance.drains()
        instance.signal()
        assert await idle.rest() == b""
        assert await instance.ended() == 0
    assert await stored_views(settings) == 1


@pytest.mark.parametrize("signals", [1, 2])
async def test_request_under_way_is_finished(signals: int, launcher: Launcher, settings: Settings) -> None:
    """A hit whose body is still on its way when the stop comes is counted, acknowledged and rolled up."""
    instance = await launcher.start(COUNTER_DRAIN_SECONDS=LONG if signals == 2 else "0")
    async with connection_to(instance.port) as slow, connection_to(instance.port) as idle:
        await slow.send(HEAD + b"Expect: 100-continue\r\n\r\n")
        assert (await slow.answer())[0] == 100
        await slow.send(BODY[:5])
        await instance.drains()
        if signals == 2:
            instance.signal()
        assert await idle.hit() == (204, "close")
        await slow.send(BODY[5:])
        status, headers = await slow.answer()
        assert (status, headers["connection"]) == (204, "close")
        assert await instance.ended() == 0
    assert await stored_views(settings) == 2


async def test_own_socket_is_given_back(launcher: Launcher) -> None:
    """Without a socket from outside, new connections are refused from the stop on, and the port is free again."""
    first = await launcher.start(COUNTER_DRAIN_SECONDS=LONG)
    async with connection_to(first.port) as client:
        await client.hit()
        await first.drains()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await first.refuses():  # it says that it stops a moment before it closes the socket
                pass
        assert await client.hit() == (204, "close")
    assert await first.ended() == 0
    second = await launcher.start(COUNTER_PORT=str(first.port))
    assert second.port == first.port
    async with connection_to(second.port) as client:
        assert (await client.hit())[0] == 204


async def test_both_listeners_may_be_handed_over(launcher: Launcher, tmp_path: Path) -> None:
    """Names say which socket is which; the unit's own name says nothing, so the first is for the visitors."""
    with listening_socket(tmp_path) as one, listening_socket(tmp_path) as two:
        urls = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]
        ordered = await launcher.start(one, two, LISTEN_FDNAMES="counter.socket:counter.socket")
        assert [ordered.public, ordered.admin] == urls
        ordered.signal()
        assert await ordered.ended() == 0
        named = await launcher.start(one, two, LISTEN_FDNAMES="admin:public")
        assert [named.admin, named.public] == urls
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await named.readiness() != (200, "ready"):
                assert named.process.returncode is None


async def test_one_listener_may_have_several_sockets(launcher: Launcher, tmp_path: Path) -> None:
    """A TCP and a Unix socket of one name are served alike."""
    with listening_socket(tmp_path) as one, listening_socket(tmp_path, "unix") as two:
        await launcher.start(one, two, LISTEN_FDNAMES="public:public")
        for listener in (one, two):
            async with connection_to(listener) as client:
                assert (await client.hit())[0] == 204


async def test_sockets_of_another_process_are_left_alone(launcher: Launcher, tmp_path: Path) -> None:
    """Variables that a parent has forgotten to remove are not for us."""
    with listening_socket(tmp_path) as listener:
        instance = await launcher.start(listener, LISTEN_PID="1")
        assert instance.port != listener.getsockname()[1]
        async with connection_to(instance.port) as client:
            assert (await client.hit())[0] == 204


@pytest.mark.parametrize("abstract", [False, True])
async def test_supervisor_is_told(abstract: bool, launcher: Launcher, tmp_path: Path) -> None:  # noqa: FBT001
    """It hears when hits can be taken, and when the drain begins."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.settimeout(0)
        ear.bind("\0" + name if abstract else name)
        instance = await launcher.start(
            NOTIFY_SOCKET="@" + name if abstract else name, COUNTER_DRAIN_SECONDS=LONG
        )

        async def heard() -> bytes:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asyncio.get_running_loop().sock_recv(ear, 100)

        assert await heard() == b"READY=1"
        async with connection_to(instance.port) as client:
            await client.hit()
            instance.signal()
            assert await heard() == b"STOPPING=1"
            assert await client.hit() == (204, "close")
        assert await instance.ended() == 0


async def test_children_inherit_nothing(tmp_path: Path) -> None:
    """Neither the sockets nor the variables of the supervisor reach a child of the service."""
    child = "import json,os; print(json.dumps([sorted(os.environ), os.path.exists('/proc/self/fd/3')]))"
    program = (
        "import os, subprocess, sys\n"
        "from counter.config import take_variables\n"
        "from counter.supervisor import VARIABLES, Supervisor\n"
        "supervisor = Supervisor.of(take_variables(VARIABLES))\n"
        "assert supervisor.public[0].fileno() == 3 and supervisor.address == '/notify'\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], close_fds=False, check=True)\n"
    )
    with listening_socket(tmp_path) as listener:
        process = await launch(
            ["-c", program],
            {"LISTEN_FDNAMES": "public", "LISTEN_PIDFDID": "7", "NOTIFY_SOCKET": "/notify"},
            [listener],
            stdout=PIPE,
        )
        said, _ = await process.communicate()
    names, inherited = json.loads(said)
    assert [name for name in names if name.startswith(("LISTEN_", "NOTIFY_"))] == []
    assert not inherited


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({}, "file descriptor 4 does not listen; it needs ListenStream and Accept=no"),
        ({"LISTEN_FDS": "3"}, "3 sockets without names; FileDescriptorName is public or admin"),
        ({"LISTEN_FDS": "two"}, "LISTEN_FDS is no number: 'two'"),
        ({"LISTEN_FDNAMES": "public"}, "LISTEN_FDNAMES has 1 names for 2 sockets"),
        ({"LISTEN_FDNAMES": "public:metrics"}, "there is no listener 'metrics'"),
    ],
)
async def test_unusable_sockets_are_refused(
    variables: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    """What cannot be served on is said in one line, before anything is opened."""
    with listening_socket(tmp_path) as listener, socket.socket() as silent:
        assert complaint in await refusal(variables, listener, silent)


async def test_what_is_no_socket_is_refused(tmp_path: Path) -> None:
    """A file in the place of a socket is named by its number."""
    with listening_socket(tmp_path) as listener, (tmp_path / "file").open("wb") as file:
        assert "file descriptor 4 is no socket" in await refusal({}, listener, file)


async def refusal(variables: dict[str, str], *handed_over: socket.socket | IO[bytes]) -> str:
    """Return why `counter serve` does not start, which is one line."""
    process = await launch(["-m", "counter", "serve"], variables, handed_over, stdout=PIPE, stderr=PIPE)
    _, complained = await process.communicate()
    assert process.returncode == 1
    assert complained.count(b"\n") == 1
    return complained.decode()
