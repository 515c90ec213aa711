"""Names who makes a change, for the audit log, which the database itself writes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from counter.database import Connection, read_query, translated


@asynccontextmanager
async def acting(connection: Connection, actor: str) -> AsyncGenerator[None]:
    """Make all changes within as one, in the name of `actor`, or none.

    Raises:
        AggregatesUnavailableError: Postgres failed; nothing was changed, or the outcome is unknown.
    """
    with translated():
        async with connection.transaction():
            await connection.execute(read_query("administration.set_actor"), actor)
            yield
