"""The keys of busuanzi and vercount, read from a running Redis without changing anything there."""

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from counter.errors import ImportFileError

BUSUANZI: Final = ("*:site_pv:*", "*:site_uv:*", "*:page_pv:*")
VERCOUNT: Final = ("pv:*", "uv:site:count:*", "site_pv:*", "site_uv:*", "page_pv:*")
_AT_ONCE: Final = 500


class Keys:
    """Keys with their values at one moment, as a JSON object."""

    names: Final = "Redis"

    def __init__(self, values: dict[str, Any]) -> None:
        self._text = json.dumps(values, sort_keys=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the values, hexadecimal."""
        return sha256(self._text.encode()).hexdigest()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the object, as a file would hold it."""
        yield self.names, self._text


async def read_live(url: str, patterns: Iterable[str]) -> Keys:
    """Read all keys of some patterns: numbers, sorted sets, and how many members sets and HyperLogLogs have.

    Raises:
        ImportFileError: Redis does not answer.
    """
    found: dict[str, Any] = {}
    try:
        async with Redis.from_url(url, decode_responses=True, encoding_errors="replace") as redis:
            for pattern in patterns:
                async for key in redis.scan_iter(match=pattern, count=_AT_ONCE):
                    if (value := await _value(redis, key)) is not None:
                        found[key] = value
    except (RedisError, OSError, ValueError) as error:
        raise ImportFileError(f"the keys cannot be read from Redis: {type(error).__name__}") from error
    return Keys(found)


async def _value(redis: Any, key: str) -> Any:
    kind = await redis.type(key)
    if kind == "zset":
        return {member: int(score) async for member, score in redis.zscan_iter(key, count=_AT_ONCE)}
    if kind == "set":
        return await redis.scard(key)
    if kind != "string":
        return None
    # A HyperLogLog is a string, too; it begins so.
    return await (redis.pfcount(key) if await redis.getrange(key, 0, 3) == "HYLL" else redis.get(key))
