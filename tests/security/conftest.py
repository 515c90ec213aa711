"""The running service of the acceptance tests, and raw connections that no client library would make."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.acceptance.conftest import service, settings

__all__ = ["open_raw", "send_raw", "service", "settings"]


@asynccontextmanager
async def open_raw(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to the listener at `url`, and let go in the end, whatever it did."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def send_raw(url: str, *pieces: bytes) -> bytes:
    """Send bytes as they are, and return all that is answered until the listener hangs up."""
    answer = b""
    async with open_raw(url) as (reader, writer):
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                answer += part
    return answer
