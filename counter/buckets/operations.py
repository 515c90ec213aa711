"""Runs the Lua operations, and translates what the Redis driver raises."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Any, Final, NamedTuple

from redis import exceptions
from redis.asyncio import Redis

from counter.buckets.connection import read_script
from counter.errors import BucketsCorruptError, BucketsUnavailableError

_NAMES: Final = (
    "begin_generation",
    "count_union",
    "fold",
    "read_bucket",
    "read_pages",
    "read_site",
    "record",
    "settle",
)
_PASSING: Final = (
    "OOM",
    "MISCONF",
    "READONLY",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOAUTH",
    "NOPERM",
)


class Call(NamedTuple):
    """One Lua operation with what it takes."""

    name: str
    keys: Sequence[str]
    args: Sequence[str | bytes | int]


class Operations:
    """Runs `lua/*.lua` on the server, by hash, and loads them where they are missing."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._sources = {name: read_script(name) for name in _NAMES}
        self._hashes = {name: sha1(text.encode()).hexdigest() for name, text in self._sources.items()}  # noqa: S324

    async def run(self, name: str, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run one operation and return its reply, strings as bytes.

        Raises:
            BucketsUnavailableError: no answer, or the server refuses for now; a write may have happened.
            BucketsCorruptError: the operation met data that this program did not write.
        """
        with translated():
            try:
                return await self._redis.evalsha(self._hashes[name], len(keys), *keys, *args)
            except exceptions.NoScriptError:
                return await self._redis.eval(self._sources[name], len(keys), *keys, *args)

    async def run_many(self, calls: Iterable[Call]) -> list[Any]:
        """Run independent operations in one round trip and return their replies in order.

        Raises:
            BucketsUnavailableError, BucketsCorruptError: as `run`; some may have happened.
        """
        wanted = list(calls)
        if not wanted:
            return []
        with translated():
            try:
                return await self._send(wanted)
            except exceptions.NoScriptError:
                for name in {call.name for call in wanted}:
                    await self._redis.script_load(self._sources[name])
                return await self._send(wanted)

    async def _send(self, calls: list[Call]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.evalsha(self._hashes[call.name], len(call.keys), *call.keys, *call.args)
            return list(await pipe.execute())


@contextmanager
def translated() -> Generator[None]:
    """Turn the driver's errors into the counter's own."""
    try:
        yield
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise BucketsUnavailableError(f"Redis does not answer: {type(error).__name__}") from error
    except exceptions.ResponseError as error:
        if str(error).startswith(_PASSING) or isinstance(error, exceptions.OutOfMemoryError):
            raise BucketsUnavailableError(f"Redis refuses: {type(error).__name__}") from error
        raise BucketsCorruptError(f"Redis could not run an operation: {error}") from error
