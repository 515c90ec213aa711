"""The connection of a lane's batches: whatever happened to a call, the next one gets its own reply."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio as redis
from redis import exceptions

from counter.buckets.wire import Wire


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    pool: redis.ConnectionPool = redis.ConnectionPool.from_url(redis_url, protocol=2)
    found = Wire(pool, timeout_seconds=0.2)
    yield found
    await found.close()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.Redis]:
    async with redis.from_url(redis_url, protocol=2) as found:
        yield found


async def test_reply_that_comes_too_late_is_nobodys(wire: Wire, client: redis.Redis) -> None:
    """A call that took too long is over with its connection, so its reply is not taken for the next one's."""
    assert await wire.call("ECHO", "first") == b"first"
    await client.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
    with pytest.raises(TimeoutError):
        await wire.call("SET", "late", "x")
    await client.execute_command("CLIENT", "UNPAUSE")
    assert await wire.call("ECHO", "second") == b"second"


async def test_call_that_is_cancelled_leaves_no_reply(wire: Wire, client: redis.Redis) -> None:
    """The same when whoever waits for it goes."""
    await wire.call("ECHO", "first")
    await client.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
    call = asyncio.create_task(wire.call("SET", "late", "x"))
    while not (await client.info("clients"))["blocked_clients"]:
        assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await client.execute_command("CLIENT", "UNPAUSE")
    assert await wire.call("ECHO", "second") == b"second"


async def test_connection_that_the_server_ended_is_made_anew(wire: Wire, client: redis.Redis) -> None:
    """An idle connection that the server has ended costs no batch a second try."""
    own = await wire.call("CLIENT", "ID")
    await client.execute_command("CLIENT", "KILL", "ID", own)
    connection = wire._connection
    assert connection
    async with asyncio.timeout(30):
        while connection._reader and not connection._reader.at_eof():
            await asyncio.sleep(0)
    assert await wire.call("CLIENT", "ID") != own


async def test_connection_outlives_what_the_server_refuses_to_run(wire: Wire) -> None:
    """A script that is not loaded is no reason to connect anew; one that fails is."""
    own = await wire.call("CLIENT", "ID")
    with pytest.raises(exceptions.NoScriptError):
        await wire.call("EVALSHA", "0" * 40, 0)
    assert await wire.call("CLIENT", "ID") == own
    with pytest.raises(exceptions.ResponseError):
        await wire.call("EVAL", "return redis.error_reply('READONLY it is a replica now')", 0)
    assert await wire.call("CLIENT", "ID") != own
