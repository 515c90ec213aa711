"""One worker as its parent sees it: a process, a channel, and its admin listener on a private socket."""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from aiohttp import ClientSession, UnixConnector

from counter.background import end
from counter.config import variables_for_children

STOP: Final = b"s"
HURRY: Final = b"h"
"""What a parent says; the end of the channel means the first."""
READY: Final = b"READY=1"
BACKLOG: Final = 512


class Together(NamedTuple):
    """What all workers remember together.

    Attributes:
        limits: descriptor of the memory with their limits, None where each has its own.
        seed: with which all of them hash; drawn anew by each parent.
    """

    limits: int | None
    seed: int


class WorkerProcess:
    """A running worker. It is a fresh interpreter: no thread, loop or connection of the parent's is in it.

    Attributes:
        number: of its place, from 1.
        ready: set once it serves.
        admin: for questions to its admin listener, whatever the host.
        silent: whether it left the last question of its parent without an answer.
    """

    def __init__(
        self, number: int, process: asyncio.subprocess.Process, channel: socket.socket, path: Path
    ) -> None:
        self.number = number
        self.ready = asyncio.Event()
        self.silent = False
        self.admin = ClientSession(connector=UnixConnector(str(path)), auto_decompress=False)
        self._process = process
        self._channel = channel
        self._path = path
        self._listening = asyncio.create_task(self._listen(), name=f"worker {number} tells")

    @classmethod
    async def start(
        cls, number: int, public: Sequence[socket.socket], path: Path, together: "Together"
    ) -> Self:
        """Start a worker, which ends when this process does.

        Args:
            number: of its place.
            public: the sockets that all workers share.
            path: where its admin listener is to be; the folder must be ours alone.
            together: what all workers remember together.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        limits = [] if together.limits is None else [together.limits]
        with theirs, socket.socket(socket.AF_UNIX) as admin:
            admin.bind(str(path))
            admin.listen(BACKLOG)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "counter", "worker", "--number", str(number)),
                *(word for each in public for word in ("--public", str(each.fileno()))),
                *("--admin", str(admin.fileno()), "--parent", str(theirs.fileno())),
                *(word for fd in limits for word in ("--limits", str(fd))),
                stdin=asyncio.subprocess.DEVNULL,
                env=variables_for_children(PYTHONHASHSEED=str(together.seed)),
                pass_fds=[*(each.fileno() for each in public), admin.fileno(), theirs.fileno(), *limits],
            )
        return cls(number, process, ours, path)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def stop(self) -> None:
        """Ask it to end cleanly."""
        self._say(STOP)

    def hurry(self) -> None:
        """Ask it to end its drain."""
        self._say(HURRY)

    def terminate(self) -> None:
        """Let the system ask it to end cleanly, whether it hears its parent or not."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it at once. What it acknowledged is in Redis or in the spool, which another one takes over."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> int:
        """Wait until it has ended, give back what it had, and return its exit code; a signal is negative."""
        code = await self._process.wait()
        await end(self._listening)
        self._channel.close()
        await self.admin.close()
        self._path.unlink(missing_ok=True)
        return code

    def _say(self, order: bytes) -> None:
        with suppress(OSError):  # it has ended, which `ended` tells
            self._channel.send(order)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ConnectionError):
            while heard := await loop.sock_recv(self._channel, 1024):
                if READY in heard:
                    self.ready.set()
