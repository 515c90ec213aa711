"""Lets Redis write its files anew, so that what was deleted is in none of them.

An append-only file keeps the command that wrote a value until the file is rewritten. Replicas have files of
their own.
"""

import asyncio
from enum import Enum
from typing import Any, Final

import structlog
from redis import exceptions
from redis.asyncio import Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

LOOK_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 600.0
BEHIND_SECONDS: Final = 30.0
"""How long a replica may take to follow."""
UNDER_WAY: Final = "in progress"
ACCOUNT: Final = ("username", "password", "socket_timeout", "socket_connect_timeout")

log = structlog.get_logger(__name__)


class Rewriting(Enum):
    """What came of asking a server, and its replicas, to write their files anew."""

    DONE = "done"
    UNDER_WAY = "one is under way that may have begun before the deletion; ask again"
    REFUSED = "a server does not allow it, failed, or is out of reach"


async def rewrite_files(primary: Redis) -> Rewriting:
    """Let a server and its replicas write their files anew, and wait until they have.

    Args:
        primary: where something was deleted.

    Raises:
        redis.exceptions.RedisError: the primary does not answer.
    """
    found = await primary.info("replication")
    replicas = [value for key, value in found.items() if key.startswith("slave") and isinstance(value, dict)]
    outcomes = [await _rewrite(primary, "primary")]
    for replica in replicas:
        name = f"{replica['ip']}:{replica['port']}"
        async with _client_of(primary, replica) as client:
            outcomes.append(await _rewrite_replica(client, name, found["master_repl_offset"]))
    return next(
        (worst for worst in (Rewriting.REFUSED, Rewriting.UNDER_WAY) if worst in outcomes), Rewriting.DONE
    )


async def _rewrite_replica(client: Redis, name: str, offset: int) -> Rewriting:
    """Ask a replica once it has what the primary had written by `offset`, and so the deletion."""
    gives_up_at = asyncio.get_running_loop().time() + BEHIND_SECONDS
    try:
        while (await client.info("replication")).get("slave_repl_offset", 0) < offset:
            if asyncio.get_running_loop().time() > gives_up_at:
                return _refused(name, "it is behind its primary")
            await asyncio.sleep(LOOK_SECONDS)
        return await _rewrite(client, name)
    except (exceptions.RedisError, OSError) as error:
        return _refused(name, type(error).__name__)


async def _rewrite(client: Redis, name: str) -> Rewriting:
    """Ask one server; without an append-only file there is nothing to rewrite."""
    if not (await client.info("persistence"))["aof_enabled"]:
        return Rewriting.DONE
    try:
        await client.bgrewriteaof()
    except exceptions.ResponseError as error:
        return Rewriting.UNDER_WAY if UNDER_WAY in str(error) else _refused(name, str(error))
    return await _watch(client, name)


async def _watch(client: Redis, name: str) -> Rewriting:
    loop = asyncio.get_running_loop()
    gives_up_at = loop.time() + LONGEST_SECONDS
    while loop.time() < gives_up_at:
        state = await client.info("persistence")
        if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
            status = state["aof_last_bgrewrite_status"]
            return Rewriting.DONE if status == "ok" else _refused(name, f"it ended with {status}")
        await asyncio.sleep(LOOK_SECONDS)
    return _refused(name, "it takes too long")


def _refused(name: str, reason: str) -> Rewriting:
    log.warning(
        "append-only file not rewritten, salts that are over may be in it", server=name, reason=reason
    )
    return Rewriting.REFUSED


def _client_of(primary: Redis, replica: dict[str, Any]) -> Redis:
    """Return a client of a replica, which is spoken to as its primary is."""
    pool = primary.connection_pool
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name in ACCOUNT or name.startswith("ssl_")
    }
    return Redis(
        host=replica["ip"],
        port=replica["port"],
        ssl=issubclass(pool.connection_class, SSLConnection),
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **options,
    )
