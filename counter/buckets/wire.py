"""The connection of a lane's batches: its own, one call at a time, with one limit for the whole of it.

A pool that is asked for each batch, a limit for each write and read, and words put together in Python
take longer than packing the batch.
"""

import asyncio
from typing import Any

from hiredis import pack_command
from redis import exceptions
from redis.asyncio import Connection, ConnectionPool


class Wire:
    """Calls one server.

    Args:
        pool: makes the connection, to whichever server it leads to when that is made.
        timeout_seconds: for a call, from its first byte to its reply's last.
    """

    def __init__(self, pool: ConnectionPool, timeout_seconds: float) -> None:
        self._pool = pool
        self._timeout_seconds = timeout_seconds
        self._connection: Connection | None = None

    async def call(self, *words: str | bytes | int) -> Any:
        """Send a command and return its reply, strings as bytes.

        Raises:
            redis.exceptions.RedisError, OSError: as the driver does; a write may have happened.
        """
        async with asyncio.timeout(self._timeout_seconds):
            connection = await self._open()
            try:
                packed = pack_command(words)  # type: ignore[arg-type]  # its stub knows tuples of one alone
                await connection.send_packed_command(packed, check_health=False)
                return await connection.read_response()
            except exceptions.NoScriptError:
                raise
            except BaseException:
                # What is left of a reply is not the next one's, and the server may not be ours now.
                await self.close()
                raise

    async def close(self) -> None:
        """Leave the server; the next call connects anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _open(self) -> Connection:
        connection = self._connection
        if connection is not None and connection.is_connected and not _was_left(connection):
            return connection
        await self.close()
        made: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        await made.connect()  # type: ignore[no-untyped-call]
        made.socket_timeout = None  # the limit of a call takes its place
        self._connection = made
        return made


def _was_left(connection: Connection) -> bool:
    """Tell whether the server has ended an idle connection."""
    reader = connection._reader  # noqa: SLF001 - the driver would try to read, with a limit for that
    return reader is None or reader.at_eof()
