"""One server of a set, and what every set of servers can do with its own."""

import abc
import asyncio
import os
import random
import shutil
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from counter.embedded.valkey import Valkey

WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 2.0
_LAST_LINES = 3
_LAST_BYTES = 4096
_PORTS = range(10_000, 32_000)
"""Below the ports that the system hands out by itself: a dead server's port stays free for its return, and
a peer that keeps dialling it never meets itself."""


class Server(Valkey):
    """A Valkey on a loopback port that can also be held still, as a machine that hangs."""

    # A held process takes no SIGTERM, and it too must end with a killed test run.
    stop_signal = signal.SIGKILL

    def __init__(self, data_dir: Path, *, port: int, options: Sequence[str] = ()) -> None:
        super().__init__(data_dir, port=port, options=options)
        self.port = port
        self.paused = False

    def __repr__(self) -> str:
        state = "held still" if self.paused else "running" if self.running else "down"
        return f"{self.data_dir.name} ({self.port}, {state})"

    @property
    def answering(self) -> bool:
        """Whether it is worth asking: it runs and is not held still."""
        return self.running and not self.paused

    def pause(self) -> None:
        """Hold the process still; the system goes on accepting connections for it."""
        os.kill(self.pid, signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        """Let it go on, unaware of the time that has passed."""
        os.kill(self.pid, signal.SIGCONT)
        self.paused = False

    def kill(self) -> None:
        """End it as `kill -9` does, also while it is held still."""
        super().kill()
        self.paused = False

    async def ask(self, *command: str | int) -> Any:
        """Return the server's own answer to one command; nothing is redirected or repeated."""
        client = Redis(
            host="127.0.0.1",
            port=self.port,
            protocol=2,
            decode_responses=True,
            socket_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        async with client:
            return await client.execute_command(*command)

    def last_words(self) -> str:
        """Return the end of its log."""
        if not self.log.exists():
            return "no log"
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_BYTES))
            return "\n    ".join(log.read().decode(errors="replace").splitlines()[-_LAST_LINES:])


class ServerSet(abc.ABC):
    """Servers that belong together, in a temporary folder of their own.

    Use it as an async context manager: it is healthy inside, and gone afterwards.
    """

    kind: ClassVar[str]

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"counter-{self.kind}-"))

    @property
    @abc.abstractmethod
    def servers(self) -> Sequence[Server]:
        """All that belong to the set, whatever they do at the moment."""

    @property
    @abc.abstractmethod
    def data_servers(self) -> Sequence[Server]:
        """Those of them that hold data."""

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """The address of the set as a whole."""

    @abc.abstractmethod
    async def masters(self) -> Sequence[Server]:
        """Return those that take writes."""

    @abc.abstractmethod
    async def heal(self) -> None:
        """Bring every server back, and wait until nothing is left to repair; the roles may have changed."""

    @abc.abstractmethod
    async def _form(self) -> None:
        """Make a set of the servers that have been started for the first time."""

    async def __aenter__(self) -> Self:
        try:
            await self._all(lambda server: server.start())
            await self._form()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def kill(self, server: Server) -> None:
        """End a server as `kill -9` does."""
        server.kill()

    async def start(self, server: Server) -> None:
        """Start a server on the data that it had."""
        await server.start()

    def pause(self, server: Server) -> None:
        """Hold a server still."""
        server.pause()

    def resume(self, server: Server) -> None:
        """Let a server that is held still go on."""
        server.resume()

    async def flush(self) -> None:
        """Remove all keys and all scripts, and wait until the replicas have no key either."""
        for server in await self.masters():
            await server.ask("FLUSHALL")
        for server in self.data_servers:
            await server.ask("SCRIPT", "FLUSH")
        await self.until(self._is_empty, "become empty")

    async def until(
        self, condition: Callable[[], Awaitable[bool]], what: str, *, within_seconds: float = WAIT_SECONDS
    ) -> None:
        """Wait for what the servers say; one that does not answer says "not yet".

        Raises:
            TimeoutError: it did not come true; the message has every server's state and last words.
        """
        try:
            async with asyncio.timeout(within_seconds):
                while not await _holds(condition):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            words = "\n".join(f"  {server}\n    {server.last_words()}" for server in self.servers)
            raise TimeoutError(
                f"the {self.kind} has not {what} within {within_seconds:.0f} s\n{words}"
            ) from None

    async def _is_empty(self) -> bool:
        return not any([await server.ask("DBSIZE") for server in self.data_servers])

    async def _bring_back(self) -> None:
        for server in self.servers:
            if server.paused:
                server.resume()
        await self._all(lambda server: server.start())

    async def _all(self, act: Callable[[Server], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for server in self.servers:
                group.create_task(act(server))

    async def _end(self) -> None:
        await self._all(lambda server: server.stop())
        shutil.rmtree(self.folder)


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on and that the system gives to nobody."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} ports are free between {_PORTS.start} and {_PORTS.stop}")


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    with suppress(RedisConnectionError, RedisTimeoutError, ResponseError):
        return await condition()
    return False
