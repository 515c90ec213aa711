"""All that is asked of Redis, as methods that take and give the words of the product."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from counter.buckets.base import Counts, LiveSite, OpenBucket, decode_base
from counter.buckets.batch import Batch
from counter.buckets.keys import BucketName, LaneKeys, lane_of
from counter.buckets.operations import Call, Operations, translated
from counter.buckets.stored import Fold, OpenPages, SiteIndex, StoredBucket, check_sketch
from counter.errors import BucketsCorruptError

TOKEN_SECONDS: Final = 35 * 86_400
EARLIER_SECONDS: Final = 7 * 86_400
BUCKET_KINDS: Final = ("day", "visitors", "pages", "changed")
SITE_KINDS: Final = ("seen", "present", "index", "base")
HOURS: Final = range(24)


class BucketStore:
    """The hot counts, in lanes."""

    def __init__(self, redis: Redis, lanes: Sequence[LaneKeys], new_generation: Callable[[], str]) -> None:
        self.lanes = tuple(lanes)
        self._redis = redis
        self._operations = Operations(redis)
        self._new_generation = new_generation
        self._generations: dict[str, str] = {}

    def lane_of(self, site: str) -> LaneKeys:
        """Return the lane that holds a site's hot data."""
        return self.lanes[lane_of(site, len(self.lanes))]

    async def generation(self, lane: LaneKeys) -> str:
        """Return the id of the lane's current generation; begin one where there is none.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        with translated():
            run_id = (await self._redis.info("server"))["run_id"]
        found = await self._operations.run(
            "begin_generation", [lane.generation], run_id, self._new_generation()
        )
        self._generations[lane.lane] = found.decode()
        return self._generations[lane.lane]

    async def record(self, lane: LaneKeys, worker: str, sequence: int, batch: Batch, *, expires: bool) -> int:
        """Count a batch once, however often this is called with the same worker and sequence.

        Returns:
            the worker's sequence that was counted last before this call.

        Raises:
            BucketsUnavailableError: the outcome is unknown; call again.
            BucketsCorruptError: Redis holds what this program did not write.
        """
        for _attempt in range(3):
            generation = self._generations.get(lane.lane) or await self.generation(lane)
            keys, groups, ids = batch.pack(lane, generation, expires=expires)
            fixed = [lane.generation, lane.token(worker), lane.parts, lane.open, lane.dirty]
            status, detail = await self._operations.run(
                "record", fixed + keys, generation, sequence, TOKEN_SECONDS, groups, ids
            )
            if status != b"generation":
                return int(detail)
            self._generations.pop(lane.lane)
        raise BucketsCorruptError("generations begin faster than hits can be recorded")

    async def read_site(self, site: str, online_after_ms: int) -> LiveSite:
        """Return what Redis knows of a site.

        Args:
            site: its key.
            online_after_ms: a visitor whose last sign is later is online.

        Raises:
            BucketsUnavailableError, BucketsCorruptError: it cannot be read.
        """
        lane = self.lane_of(site)
        keys = [lane.generation, *(lane.site(site, kind) for kind in ("base", "present", "index"))]
        generation, base_generation, body, online, buckets, visitors = await self._operations.run(
            "read_site", keys, lane.bucket_prefix, lane.earlier_prefix(site), online_after_ms
        )
        return LiveSite(
            base=decode_base(body) if body and generation == base_generation else None,
            online=online,
            buckets=[_open_bucket(*row) for row in buckets],
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
            "read_pages", keys, lane.bucket_prefix, *pages
        )
        return OpenPages(
            revision=f"{generation.decode()} {revision.decode()}" if generation == base_generation else None,
            open=[(BucketName.parse(name.decode()), int(part)) for name, part in buckets],
            views=views,
        )

    async def bucket_names(self, lane: LaneKeys) -> tuple[set[BucketName], set[BucketName]]:
        """Return the names of the lane's open buckets and of those that changed since their rollup."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.smembers(lane.open)
                pipe.smembers(lane.dirty)
                opened, dirty = await pipe.execute()
        return _names(opened), _names(dirty)

    async def read_buckets(self, lane: LaneKeys, names: Iterable[BucketName]) -> list[StoredBucket]:
        """Return buckets whole, each as of one moment; one that is gone is left out."""
        wanted = list(names)
        calls = [Call("read_bucket", _bucket_keys(lane, name), ()) for name in wanted]
        replies = await self._operations.run_many(calls)
        return [_stored(name, *reply) for name, reply in zip(wanted, replies, strict=True) if reply[0]]

    async def settle(self, lane: LaneKeys, buckets: Iterable[StoredBucket]) -> None:
        """Note that Postgres has confirmed buckets as they were read."""
        await self._operations.run_many(
            Call(
                "settle",
                [*(lane.bucket(str(b.name), kind) for kind in ("day", "pages", "changed")), lane.dirty],
                [str(b.name), b.version, *(part for page in b.pages.items() for part in page)],
            )
            for b in buckets
        )

    async def read_indexes(self, lane: LaneKeys, sites: Sequence[str]) -> list[SiteIndex]:
        """Return the revision of each site's base and the names of its open buckets."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for site in sites:
                    pipe.hget(lane.site(site, "base"), "revision")
                    pipe.smembers(lane.site(site, "index"))
                replies = await pipe.execute()
        return [
            SiteIndex(site, (revision or b"").decode(), sorted(_names(members)))
            for site, revision, members in zip(sites, replies[::2], replies[1::2], strict=True)
        ]

    async def fold(self, lane: LaneKeys, folds: Sequence[Fold]) -> list[bool]:
        """Put new bases in place; False where something changed since it was read."""
        replies = await self._operations.run_many(_fold_call(lane, fold) for fold in folds)
        return [reply == 1 for reply in replies]

    async def discard(self, lane: LaneKeys, site: str, names: Iterable[BucketName]) -> None:
        """Remove all that is kept of a site that is registered no longer."""
        known = [str(name) for name in names]
        keys = [lane.site(site, kind) for kind in SITE_KINDS]
        keys += [lane.bucket(name, kind) for name in known for kind in BUCKET_KINDS]
        with translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.unlink(*keys)
                if known:
                    pipe.srem(lane.open, *known)
                    pipe.srem(lane.dirty, *known)
                await pipe.execute()

    async def count_online(self, after_ms: Mapping[str, int]) -> dict[str, int]:
        """Return how many visitors each site has whose last sign is later than the time given for it."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for site, at_ms in after_ms.items():
                    pipe.zcount(self.lane_of(site).site(site, "present"), f"({at_ms}", "+inf")
                counts = await pipe.execute()
        return dict(zip(after_ms, counts, strict=True))

    async def memory_policy(self) -> str:
        """Return what the server does when its memory is full.

        Raises:
            BucketsUnavailableError: it does not answer.
        """
        with translated():
            return str((await self._redis.info("memory"))["maxmemory_policy"])

    async def appends_to_file(self) -> bool:
        """Tell whether the server writes down what it is told before it answers.

        Raises:
            BucketsUnavailableError: it does not answer.
        """
        with translated():
            return bool((await self._redis.info("persistence"))["aof_enabled"])

    async def count_union(self, lane: LaneKeys, sketches: Sequence[bytes]) -> int:
        """Estimate how many visitors some HyperLogLogs hold together.

        Raises:
            BucketsCorruptError: one of them is none.
        """
        good = [check_sketch(sketch) for sketch in sketches]
        if not good:
            return 0
        keys = [f"{lane.prefix}union:{number}" for number in range(len(good))]
        return int(await self._operations.run("count_union", keys, *good))


def _names(members: Iterable[Any]) -> set[BucketName]:
    try:
        return {BucketName.parse(member.decode()) for member in members}
    except ValueError as error:
        raise BucketsCorruptError("the list of buckets holds a foreign name") from error


def _bucket_keys(lane: LaneKeys, name: BucketName) -> list[str]:
    return [lane.bucket(str(name), kind) for kind in BUCKET_KINDS]


def _open_bucket(name: bytes, views: bytes, visits: bytes, bots: bytes) -> OpenBucket:
    _site, day, generation = BucketName.parse(name.decode())
    return OpenBucket(day, generation, Counts(int(views), int(visits), 0, int(bots)))


def _stored(
    name: BucketName, fields: list[bytes], visitors: int, sketch: bytes, pages: list[bytes]
) -> StoredBucket:
    day = {key.decode(): int(value) for key, value in zip(fields[::2], fields[1::2], strict=True)}
    return StoredBucket(
        name=name,
        part=day["part"],
        version=day["version"],
        counts=Counts(day.get("views", 0), day.get("visits", 0), visitors, day.get("bots", 0)),
        hour_views=[day.get(f"views:{hour:02d}", 0) for hour in HOURS],
        hour_visits=[day.get(f"visits:{hour:02d}", 0) for hour in HOURS],
        sketch=sketch,
        pages={page.decode(): int(views) for page, views in zip(pages[::2], pages[1::2], strict=True)},
    )


def _fold_call(lane: LaneKeys, fold: Fold) -> Call:
    site_keys = [lane.site(fold.site, kind) for kind in ("base", "index")]
    closing_keys: list[Any] = [key for bucket in fold.closing for key in _bucket_keys(lane, bucket.name)]
    sketches: list[Any] = [part for found in fold.earlier.values() for part in (len(found), *found)]
    earlier_keys = [lane.earlier(fold.site, day) for day in fold.earlier]
    pack = msgspec.msgpack.encode
    closing = [(str(bucket.name), str(bucket.version)) for bucket in fold.closing]
    return Call(
        "fold",
        [lane.generation, *site_keys, lane.open, lane.dirty, *closing_keys, *earlier_keys],
        [
            fold.generation,
            fold.revision,
            fold.body,
            pack(closing),
            pack([str(bucket.name) for bucket in fold.staying]),
            EARLIER_SECONDS,
            *sketches,
        ],
    )
