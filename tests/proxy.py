"""A small proxy in front of a server, whose link a test can cut, stall, delay or refuse, at any byte of either way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
"""Opens a connection to the server."""

PIECE_BYTES = 65_536


class Way:
    """One direction of a link.

    Attributes:
        cut_after: bytes that still pass; then every connection of the link is cut. None lets all pass.
        stall_after: bytes that still pass; then nothing does until `flows` is set. None lets all pass.
        delay_seconds: that each piece of data is late.
        flows: cleared, nothing passes.
    """

    def __init__(self) -> None:
        self.cut_after: int | None = None
        self.stall_after: int | None = None
        self.delay_seconds = 0.0
        self.flows = asyncio.Event()
        self.flows.set()

    def heal(self) -> None:
        """Let everything pass again."""
        self.cut_after = self.stall_after = None
        self.delay_seconds = 0.0
        self.flows.set()


class Link:
    """What happens on the way between clients and a server.

    Attributes:
        url: of the proxy, for clients.
        refuses: whether new connections are closed at once.
        flows: cleared, nothing passes in either direction.
        requests, replies: the two directions.
        cuts: how often connections were cut.
    """

    def __init__(self, connect: Connect) -> None:
        self.url = ""
        self.refuses = False
        self.flows = asyncio.Event()
        self.flows.set()
        self.requests = Way()
        self.replies = Way()
        self.cuts = 0
        self._connect = connect
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def cut_reply_after(self) -> int | None:
        """Bytes of replies that still pass; then every connection is cut. None lets all pass."""
        return self.replies.cut_after

    @cut_reply_after.setter
    def cut_reply_after(self, size: int | None) -> None:
        self.replies.cut_after = size

    def cut(self) -> None:
        """Close all connections now; what was on the way and stalled is gone."""
        self.cuts += 1
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def heal(self) -> None:
        """Let everything pass again; connections that were cut stay so."""
        self.refuses = False
        self.requests.heal()
        self.replies.heal()
        self.flows.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to the server and back."""
        if self.refuses:
            writer.close()
            return
        self._writers.add(writer)
        try:
            up_reader, up_writer = await self._connect()
        except OSError:
            self._end(writer)
            return
        self._writers.add(up_writer)
        await asyncio.gather(
            self._carry(self.requests, reader, up_writer), self._carry(self.replies, up_reader, writer)
        )
        self._end(writer)
        self._end(up_writer)

    def _end(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()

    async def _carry(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if not await self._pass(way, data, writer):
                    return
        writer.close()

    async def _pass(self, way: Way, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Let a piece of data pass as the link allows; False when the connections were cut."""
        await asyncio.sleep(way.delay_seconds)
        if way.cut_after is not None and len(data) > way.cut_after:
            data, way.cut_after = data[: way.cut_after], None
            await self._write(way, data, writer)
            self.cut()
            return False
        if way.cut_after is not None:
            way.cut_after -= len(data)
        if way.stall_after is not None and len(data) > way.stall_after:
            size, way.stall_after = way.stall_after, None
            await self._write(way, data[:size], writer)
            way.flows.clear()
            data = data[size:]
        elif way.stall_after is not None:
            way.stall_after -= len(data)
        await self._write(way, data, writer)
        return not writer.is_closing()

    async def _write(self, way: Way, data: bytes, writer: asyncio.StreamWriter) -> None:
        await way.flows.wait()
        await self.flows.wait()
        if not writer.is_closing():
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Link]:
    """Run a proxy in front of a Redis or a Postgres.

    Args:
        url: `unix://PATH`, `redis://HOST:PORT`, or `postgresql://…/DATABASE?host=FOLDER&port=PORT`.
    """
    link = Link(_connect_to(url))
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.url = _through(url, server.sockets[0].getsockname()[1])
    try:
        yield link
    finally:
        link.heal()
        link.cut()
        server.close()
        await server.wait_closed()


def _connect_to(url: str) -> Connect:
    parts = urlsplit(url)
    if parts.scheme == "redis":
        return lambda: asyncio.open_connection(parts.hostname, parts.port)
    path = _postgres_socket(parts.query) if parts.scheme == "postgresql" else parts.path
    return lambda: asyncio.open_unix_connection(path)


def _postgres_socket(query: str) -> str:
    options = parse_qs(query)
    return str(Path(options["host"][0]) / f".s.PGSQL.{options['port'][0]}")


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        return f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    return f"redis://127.0.0.1:{port}/0"
