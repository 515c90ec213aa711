"""A small TCP proxy whose link a test can cut or stall, at any byte of a reply."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

Connect = Callable[[], "asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"]


class Link:
    """What happens on the way.

    Attributes:
        cut_reply_after: bytes of replies that still pass; then every connection is cut. None lets all pass.
        refuses: whether new connections are closed at once.
        flows: cleared, nothing passes in either direction.
    """

    def __init__(self, path: str) -> None:
        self.url = ""
        self.cut_reply_after: int | None = None
        self.refuses = False
        self.flows = asyncio.Event()
        self.flows.set()
        self.cuts = 0
        self._path = path
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Close all connections now."""
        self.cuts += 1
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to the server's Unix socket."""
        if self.refuses:
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(self._path)
        self._writers |= {writer, up_writer}
        await asyncio.gather(self._carry(reader, up_writer), self._carry_back(up_reader, writer))
        for end in (writer, up_writer):
            self._writers.discard(end)
            end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _carry_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.flows.wait()
                if self.cut_reply_after is not None and len(data) > self.cut_reply_after:
                    writer.write(data[: self.cut_reply_after])
                    self.cut_reply_after = None
                    self.cut()
                    return
                if self.cut_reply_after is not None:
                    self.cut_reply_after -= len(data)
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxied(redis_url: str) -> AsyncIterator[Link]:
    """Run a proxy in front of the Valkey at a `unix://` URL."""
    link = Link(redis_url.removeprefix("unix://").partition("?")[0])
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield link
    finally:
        link.cut()
        server.close()
        await server.wait_closed()
