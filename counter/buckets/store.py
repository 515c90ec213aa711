"""All that is asked of Redis, as methods that take and give the words of the product."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any, Final

from counter.buckets.base import LiveSite, decode_base
from counter.buckets.batch import Batch
from counter.buckets.calls import (
    BUCKET_KINDS,
    Call,
    bucket_names,
    count_online,
    open_bucket,
    read_buckets,
    replace_base,
    settle,
    stored_buckets,
)
from counter.buckets.connection import Servers
from counter.buckets.keys import BucketName, LaneKeys, lane_of
from counter.buckets.operations import Operations
from counter.buckets.stored import Fold, OpenPages, SiteIndex, StoredBucket, check_sketch
from counter.errors import GenerationEndedError, OtherLanesError

TOKEN_SECONDS: Final = 35 * 86_400
SITE_KINDS: Final = ("seen", "index", "base")
ENOUGH_PAGES: Final = 2000
"""With so many changed pages a call reads no further bucket, however many it was asked for."""


class BucketStore:
    """The hot counts, in lanes.

    Args:
        servers: where the lanes are.
        lanes: all that may hold something.
        new_generation: names a generation when one has to begin.
        used: how many of them, from the first one on, sites are put into; 0 for all.
        kept: what each lane must be noted to be kept in, the number of lanes unless they are being changed.
        replicas: that must have a batch before it counts as recorded; 0 does not wait for any.
        wait_ms: how long they may take.
    """

    def __init__(
        self,
        servers: Servers,
        lanes: Sequence[LaneKeys],
        new_generation: Callable[[], str],
        *,
        used: int = 0,
        kept: str = "",
        replicas: int = 0,
        wait_ms: int = 1000,
    ) -> None:
        self.lanes = tuple(lanes)
        self.used = used or len(self.lanes)
        self._kept = kept or str(self.used)
        self._servers = servers
        self._operations = Operations(servers, replicas=replicas, wait_ms=wait_ms)
        self._new_generation = new_generation
        self._generations: dict[str, str] = {}

    def lane_of(self, site: str) -> LaneKeys:
        """Return the lane that holds a site's hot data."""
        return self.lanes[lane_of(site, self.used)]

    def know(self, lanes: int) -> None:
        """Look from now on also at lanes that were in use before."""
        self.lanes += tuple(LaneKeys(str(number)) for number in range(len(self.lanes), lanes))

    async def generation(self, lane: LaneKeys, *, ended: str = "", claim: bool = False) -> str:
        """Return the id of the lane's current generation; begin one where there is none.

        Args:
            lane: whose generation.
            ended: a generation that must not go on.
            claim: end one in which sites are put into another number of lanes.

        Raises:
            OtherLanesError: there is such a one, and it is not to be ended.
            BucketsUnavailableError: Redis does not answer.
        """
        args: list[str | bytes | int] = [self._new_generation(), ended, self._kept, int(claim)]
        found = await self._operations.run(lane, Call("begin_generation", [lane.generation], args))
        if not found:
            self._generations.pop(lane.lane, None)
            raise OtherLanesError
        self._generations[lane.lane] = found.decode()
        return self._generations[lane.lane]

    async def known_generation(self, lane: LaneKeys) -> str:
        """Return the generation that was current when it was last looked at: `record` tells when it is over.

        Raises:
            BucketsUnavailableError: there was no look yet, and Redis does not answer.
        """
        return self._generations.get(lane.lane) or await self.generation(lane)

    async def record(
        self, lane: LaneKeys, generation: str, worker: str, sequence: int, batch: Batch, *, expires: bool
    ) -> int:
        """Count a batch once, however often this is called with the same worker and sequence.

        Returns:
            the worker's sequence that was counted last before this call.

        Raises:
            GenerationEndedError: another generation is current, and nothing was counted.
            BucketsUnavailableError: the outcome is unknown; call again.
            BucketsCorruptError: Redis holds what this program did not write.
        """
        groups, ids = batch.pack(generation, expires=expires)
        keys = [lane.generation, lane.token(worker), lane.parts, lane.open, lane.dirty]
        args: list[str | bytes | int] = [generation, sequence, TOKEN_SECONDS, groups, ids, worker]
        args += (lane.site_prefix, lane.bucket_prefix)
        status, detail = await self._operations.run(lane, Call("record", keys, args), durable=True)
        if status == b"generation":
            self._generations.pop(lane.lane, None)
            raise GenerationEndedError
        return int(detail)

    async def last_counted(self, lane: LaneKeys, worker: str) -> int:
        """Return the sequence of the worker's batch that was counted last, 0 if Redis knows of none."""
        async with self._servers.asking(lane) as redis:
            return int(await redis.get(lane.token(worker)) or 0)

    async def read_site(self, site: str, online_after_ms: int) -> LiveSite:
        """Return what Redis knows of a site.

        Args:
            site: its key.
            online_after_ms: a visitor whose last sign is later is online.

        Raises:
            BucketsUnavailableError, BucketsCorruptError: it cannot be read.
        """
        lane = self.lane_of(site)
        keys = [lane.generation, *(lane.site(site, kind) for kind in ("base", "seen", "index"))]
        generation, base_generation, body, online, buckets, visitors = await self._operations.run(
            lane, Call("read_site", keys, [lane.bucket_prefix, lane.earlier_prefix(site), online_after_ms])
        )
        return LiveSite(
            base=decode_base(body) if body and generation == base_generation else None,
            online=online,
            buckets=[open_bucket(*row) for row in buckets],
            visitors={date.fromisoformat(day.decode()): count for day, count in visitors},
        )

    async def read_pages(self, site: str, pages: Sequence[str]) -> OpenPages:
        """Return the views of some pages of a site that Postgres may not have yet.

        Raises:
            BucketsUnavailableError, BucketsCorruptError: they cannot be read.
        """
        lane = self.lane_of(site)
        keys = [lane.generation, *(lane.site(site, kind) for kind in ("base", "index"))]
        generation, base_generation, revision, buckets, views = await self._operations.run(
            lane, Call("read_pages", keys, [lane.bucket_prefix, *pages])
        )
        return OpenPages(
            revision=f"{generation.decode()} {revision.decode()}" if generation == base_generation else None,
            open=[(BucketName.parse(name.decode()), int(part)) for name, part in buckets],
            views=views,
        )

    async def bucket_names(self, lane: LaneKeys) -> tuple[set[BucketName], set[BucketName]]:
        """Return the names of the lane's open buckets and of those that changed since their rollup."""
        opened, dirty = await self.list_buckets(lane)
        return set(bucket_names(opened)), set(bucket_names(dirty))

    async def list_buckets(
        self, lane: LaneKeys, *, changed_alone: bool = False
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the same as `bucket_names` reads it; or only those that changed, and none as open."""
        async with self._servers.asking(lane) as redis, redis.pipeline(transaction=False) as pipe:
            for key in (lane.dirty,) if changed_alone else (lane.dirty, lane.open):
                pipe.smembers(key)
            dirty, *opened = map(list, await pipe.execute())
        return (opened[0] if opened else []), dirty

    async def count_dirty(self) -> int:
        """Return how many buckets changed since their rollup, over all lanes, which all have to answer."""
        count = 0
        for lane in self.lanes:
            async with self._servers.asking(lane) as redis:
                count += await redis.scard(lane.dirty)
        return count

    async def read_buckets(
        self, lane: LaneKeys, generation: str, names: Iterable[BucketName]
    ) -> list[StoredBucket]:
        """Return buckets whole, each as of one moment; one that is gone is left out.

        Args:
            lane: that they are in.
            generation: the current one; buckets of earlier ones may still be there to be read.
            names: of the buckets.

        Raises:
            GenerationEndedError: it is current no longer.
        """
        wanted, stored = list(names), []
        while wanted:
            read, found = await self.read_first(lane, generation, wanted)
            stored += found
            del wanted[:read]
        return stored

    async def read_first(
        self, lane: LaneKeys, generation: str, names: Sequence[BucketName]
    ) -> tuple[int, list[StoredBucket]]:
        """Read as many of some buckets, from the first one on, as are no burden together.

        Returns:
            how many of the names were looked at, at least one, and what `read_buckets` returns of these.

        Raises:
            GenerationEndedError: `generation` is current no longer.
            BucketsCorruptError: one of them cannot be read.
        """
        reply = await self._operations.run(lane, read_buckets(lane, generation, names, ENOUGH_PAGES))
        if not reply:
            raise GenerationEndedError
        return stored_buckets(names, *reply)

    async def settle(self, lane: LaneKeys, buckets: Sequence[StoredBucket]) -> None:
        """Note that Postgres has confirmed buckets as they were read."""
        if buckets:
            await self._operations.run(lane, settle(lane, buckets))

    async def read_indexes(self, lane: LaneKeys, sites: Sequence[str]) -> list[SiteIndex]:
        """Return the revision of each site's base and the names of its open buckets."""
        async with self._servers.asking(lane) as redis, redis.pipeline(transaction=False) as pipe:
            for site in sites:
                pipe.hget(lane.site(site, "base"), "revision")
                pipe.smembers(lane.site(site, "index"))
            replies = await pipe.execute()
        return [
            SiteIndex(site, (revision or b"").decode(), sorted(bucket_names(members)))
            for site, revision, members in zip(sites, replies[::2], replies[1::2], strict=True)
        ]

    async def fold(self, lane: LaneKeys, folds: Sequence[Fold]) -> list[bool]:
        """Put new bases in place; False where something changed since it was read."""
        replies = await self._operations.run_many(lane, (replace_base(lane, fold) for fold in folds))
        return [reply == 1 for reply in replies]

    async def discard(self, lane: LaneKeys, site: str, names: Iterable[BucketName]) -> None:
        """Remove all that is kept of a site that is registered no longer."""
        known = [str(name) for name in names]
        keys = [lane.site(site, kind) for kind in SITE_KINDS]
        keys += [lane.bucket(name, kind) for name in known for kind in BUCKET_KINDS]
        async with self._servers.asking(lane) as redis, redis.pipeline(transaction=True) as pipe:
            pipe.unlink(*keys)
            if known:
                pipe.srem(lane.open, *known)
                pipe.srem(lane.dirty, *known)
            await pipe.execute()

    async def count_online(self, after_ms: Mapping[str, int]) -> dict[str, int]:
        """Return how many visitors each site has whose last sign is later than the time given for it."""
        found: dict[str, int] = {}
        by_lane = sorted(after_ms, key=lambda site: self.lane_of(site).lane)
        for _lane, group in groupby(by_lane, key=lambda site: self.lane_of(site).lane):
            found |= await self._count_online({site: after_ms[site] for site in group})
        return found

    async def _count_online(self, after_ms: Mapping[str, int]) -> dict[str, int]:
        lane = self.lane_of(next(iter(after_ms)))
        counts = await self._operations.run(lane, count_online(lane, after_ms))
        return dict(zip(after_ms, counts, strict=True))

    async def server_info(self, section: str) -> list[dict[str, Any]]:
        """Return what the servers that hold the lanes, which all have to answer, say to `INFO`."""
        found: dict[int, dict[str, Any]] = {}
        for lane in self.lanes:
            async with self._servers.asking(lane) as redis:
                found[id(redis)] = found.get(id(redis)) or dict(await redis.info(section))
        return list(found.values())

    async def count_union(self, lane: LaneKeys, sketches: Sequence[bytes]) -> int:
        """Estimate how many visitors some HyperLogLogs hold together.

        Raises:
            BucketsCorruptError: one of them is none.
        """
        good = [check_sketch(sketch) for sketch in sketches]
        if not good:
            return 0
        keys = [f"{lane.prefix}union:{number}" for number in range(len(good))]
        return int(await self._operations.run(lane, Call("count_union", keys, good)))


def generation_name(now_ms: int) -> str:
    """Return a name for a generation that begins now: names sort by time and never repeat."""
    return f"{now_ms:011x}{secrets.token_hex(3)}"
