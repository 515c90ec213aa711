"""The connection to Redis: every one learns which life of the server it talks to before it is used."""

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from counter.buckets.keys import LaneKeys

POOL_CONNECTIONS: Final = 16


def read_script(name: str) -> str:
    """Return the source of one Lua operation."""
    return files("counter.buckets").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


@asynccontextmanager
async def open_redis(
    url: str, *, timeout_seconds: float, lanes: Sequence[LaneKeys], new_generation: Callable[[], str]
) -> AsyncGenerator[Redis]:
    """Yield a client whose connections begin a new generation on a server that is not the former one.

    redis-py's own retries are off: a write whose outcome is unknown is repeated by the recorder alone,
    under the batch's token.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout_seconds: for connecting and for each reply.
        lanes: the lanes that this client writes to.
        new_generation: names a generation when one has to begin.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=POOL_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        redis_connect_func=_begin_generations(lanes, new_generation),
    )
    client = Redis(connection_pool=pool)
    try:
        yield client
    finally:
        await client.aclose()
        await pool.disconnect()


def generation_name(now_ms: int) -> str:
    """Return a name for a generation that begins now: names sort by time and never repeat."""
    return f"{now_ms:011x}{secrets.token_hex(3)}"


def find_run_id(info: bytes) -> bytes:
    """Return the id that the server drew when it started, from its answer to `INFO server`."""
    return next(line[7:].strip() for line in info.splitlines() if line.startswith(b"run_id:"))


def _begin_generations(lanes: Sequence[LaneKeys], new_generation: Callable[[], str]) -> Callable[[Any], Any]:
    script = read_script("begin_generation")

    async def connected(connection: Any) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        run_id = find_run_id(await connection.read_response())
        for lane in lanes:
            await connection.send_command("EVAL", script, 1, lane.generation, run_id, new_generation())
            await connection.read_response()

    return connected
