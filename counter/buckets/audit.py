"""What the audit asks of Redis beyond the store; it only reads."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from counter.buckets.base import LiveSite, decode_base
from counter.buckets.calls import Call
from counter.buckets.connection import Servers
from counter.buckets.keys import SALTS_LANE, BucketName, LaneKeys
from counter.buckets.operations import Operations

KEYS_AT_ONCE: Final = 1000
ALL_KEYS: Final = "counter:*"
_GONE: Final = -2


class Listing(NamedTuple):
    """Where a bucket is entered, as of one moment.

    Attributes:
        exists: it has counts.
        indexed: the widget finds it.
        opened: the rollup will close it.
        dirty: the rollup will write it.
    """

    name: BucketName
    exists: bool
    indexed: bool
    opened: bool
    dirty: bool


class Health(NamedTuple):
    """How the server keeps what it is told; sizes in bytes.

    Attributes:
        policy: what it does when its memory is full.
        most_memory: that it may use, 0 for all there is.
        appends: it writes down each change.
        fault: what it says of its append-only file, empty if that is well.
    """

    policy: str
    used_memory: int
    most_memory: int
    appends: bool
    fault: str


class BucketAudit:
    """Reads many sites in one round trip, the list of all keys, and the server's state."""

    def __init__(self, servers: Servers, lanes: Sequence[LaneKeys]) -> None:
        self._servers = servers
        self._lanes = (*lanes, SALTS_LANE)
        self._operations = Operations(servers, replicas=0, wait_ms=0)

    async def bases(self, lane: LaneKeys, sites: Sequence[str], now_ms: int) -> list[LiveSite]:
        """Return each site's base and the visitors of its open days; not its buckets.

        Raises:
            BucketsUnavailableError, BucketsCorruptError: one of them cannot be read.
        """
        replies = await self._operations.run_many(
            lane,
            (
                Call(
                    "read_site",
                    [lane.generation, *(lane.site(site, kind) for kind in ("base", "seen", "index"))],
                    [lane.bucket_prefix, lane.earlier_prefix(site), now_ms],
                )
                for site in sites
            ),
        )
        return [_live(*reply) for reply in replies]

    async def listings(self, lane: LaneKeys, names: Sequence[BucketName]) -> list[Listing]:
        """Return where some buckets of one lane are entered, all as of one moment.

        Raises:
            BucketsUnavailableError, BucketsCorruptError: it cannot be read.
        """
        if not names:
            return []
        async with self._servers.asking(lane) as redis, redis.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.exists(lane.bucket(str(name), "day"))
                pipe.sismember(lane.site(name.site, "index"), str(name))
                pipe.sismember(lane.open, str(name))
                pipe.sismember(lane.dirty, str(name))
            replies = list(map(bool, await pipe.execute()))
        return [
            Listing(name, *replies[at : at + 4])
            for name, at in zip(names, range(0, 4 * len(names), 4), strict=True)
        ]

    async def keys(self, wanted: Callable[[str], bool]) -> AsyncGenerator[list[tuple[str, int]]]:
        """Yield the keys of the counter, some at a time, with the ms that each has to live (-1: it stays).

        Args:
            wanted: whose lives are asked for; the others are left out.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        for lane, pattern in await self._scans():
            found: list[bytes] = []
            async with self._servers.asking(lane) as redis:
                async for key in redis.scan_iter(match=pattern, count=KEYS_AT_ONCE):
                    if wanted(key.decode(errors="replace")):
                        found.append(key)
                    if len(found) >= KEYS_AT_ONCE:
                        yield await _lives(redis, found)
                        found = []
                yield await _lives(redis, found)

    async def _scans(self) -> list[tuple[LaneKeys, str]]:
        """Return what to look for where: one server has everything, in a cluster each lane has its own."""
        homes = {}
        for lane in self._lanes:
            async with self._servers.asking(lane) as redis:
                homes[lane] = id(redis)
        if len(set(homes.values())) == 1:
            return [(SALTS_LANE, ALL_KEYS)]
        return [(lane, f"{lane.prefix}*") for lane in self._lanes]

    async def health(self) -> list[Health]:
        """Return the state of the servers that hold the lanes, once for each lane in a cluster.

        Raises:
            BucketsUnavailableError: it does not answer.
        """
        found: dict[int, Health] = {}
        for lane in self._lanes:
            async with self._servers.asking(lane) as redis:
                if id(redis) not in found:
                    found[id(redis)] = _health(await redis.info("memory"), await redis.info("persistence"))
        return list(found.values())


def _health(memory: Mapping[str, Any], persistence: Mapping[str, Any]) -> Health:
    faults = (
        f"{name} is {persistence[name]}"
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status")
        if persistence.get(name, "ok") != "ok"
    )
    return Health(
        policy=str(memory["maxmemory_policy"]),
        used_memory=int(memory["used_memory"]),
        most_memory=int(memory["maxmemory"]),
        appends=bool(persistence["aof_enabled"]),
        fault=", ".join(faults),
    )


async def _lives(redis: Redis, keys: Sequence[bytes]) -> list[tuple[str, int]]:
    async with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
        lives = await pipe.execute()
    return [
        (key.decode(errors="replace"), life) for key, life in zip(keys, lives, strict=True) if life != _GONE
    ]


def _live(
    generation: bytes, base_generation: bytes, body: bytes, online: int, _buckets: Any, visitors: Any
) -> LiveSite:
    base = decode_base(body) if body and generation == base_generation else None
    return LiveSite(base, online, [], {date.fromisoformat(day.decode()): n for day, n in visitors})
