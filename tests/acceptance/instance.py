"""`counter serve` as a process of its own, which gets its sockets as systemd would hand them over."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from aiohttp import ClientSession

from counter.config import PREFIX, Settings

PATIENCE_SECONDS = 30
"""How long anything that a test waits for may take; no test passes by it."""
LAUNCHER = """
import fcntl, os, sys
far = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",") if fd]
for number, fd in enumerate(far, 3):
    os.dup2(fd, number)
    os.close(fd)
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Puts the sockets at 3, 4, …, and becomes the program, so that the process id stays."""


async def launch(
    words: Sequence[str],
    environment: Mapping[str, str],
    sockets: Sequence[socket.socket | IO[bytes]] = (),
    **streams: Any,
) -> Process:
    """Start Python with `words`, and hand sockets over."""
    fds = [each.fileno() for each in sockets]
    rest = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "LISTEN_"))}
    handed = {"LISTEN_FDS": str(len(fds))} if fds else {}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LAUNCHER,
        ",".join(map(str, fds)),
        *words,
        env={**rest, **handed, **environment},
        pass_fds=fds,
        **streams,
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables for the stores of a test, and for ports that are free."""
    return {
        "COUNTER_REDIS_URL": settings.redis_url.get_secret_value(),
        "COUNTER_DATABASE_URL": settings.database_url.get_secret_value(),
        "COUNTER_SPOOL_DIR": str(settings.spool_dir),
        "COUNTER_SNAPSHOT_MILLISECONDS": "0",
        "COUNTER_TRUSTED_PROXIES": "127.0.0.1",  # without any, nobody's address is known on a Unix socket
        "COUNTER_ADDRESS_HITS_PER_SECOND": "0",  # all clients of a test have one address,
        "COUNTER_NETWORK_HITS_PER_SECOND": "0",  # and come without pause
        "COUNTER_NEW_VISITORS_PER_MINUTE": "0",
        "COUNTER_PORT": "0",
        "COUNTER_ADMIN_PORT": "0",
    }


class Instance:
    """A running `counter serve`."""

    def __init__(self, process: Process, public: str, admin: str) -> None:
        self.process = process
        self.public = public
        self.admin = admin

    @property
    def port(self) -> int:
        return int(self.public.rpartition(":")[2])

    def signal(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until it has ended, and return its exit code."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    async def drains(self) -> None:
        """Ask it to stop, and wait until it says that it is stopping."""
        self.signal()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.readiness())[1] != "stopping":
                assert self.process.returncode is None

    async def readiness(self) -> tuple[int, str]:
        async with ClientSession() as session, session.get(self.admin + "/readyz") as response:
            return response.status, (await response.json())["status"]

    async def refuses(self) -> bool:
        """Whether nobody listens on its port."""
        try:
            _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False


class Launcher:
    """Starts instances on the stores of one test, and leaves none behind."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._environment = environment_of(settings)
        self._folder = folder
        self._started: list[Process] = []

    async def start(self, *sockets: socket.socket, **variables: str) -> Instance:
        """Start an instance, and wait until it serves."""
        log = self._folder / f"instance-{len(self._started)}.log"
        with log.open("wb") as output:
            process = await launch(
                ["-m", "counter", "serve"],
                {**self._environment, **variables},
                sockets,
                stdout=PIPE,
                stderr=output,
            )
        self._started.append(process)
        said: dict[str, str] = {}
        assert process.stdout
        while "readiness" not in said:
            line = (await process.stdout.readline()).decode()
            assert line, log.read_text()
            what, _, url = line.partition(" ")
            said[what] = url.strip()
        return Instance(
            process, said["script"].removesuffix("/counter.js"), said["readiness"].removesuffix("/readyz")
        )

    async def kill_all(self) -> None:
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def launcher_of(settings: Settings, folder: Path) -> AsyncIterator[Launcher]:
    launcher = Launcher(settings, folder)
    try:
        yield launcher
    finally:
        await launcher.kill_all()


def listening_socket(folder: Path, kind: str = "tcp") -> socket.socket:
    """Return a socket as systemd holds it: bound, listening, for whomever it is handed to."""
    if kind == "tcp":
        return socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "public.sock"))
    listener.listen(1024)
    return listener
