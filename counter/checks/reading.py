"""Reads sites out of both stores, many at a time, in the order that `counts.py` stands on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from counter.aggregates.store import AggregateStore, RowKey
from counter.buckets.audit import BucketAudit, Listing
from counter.buckets.base import BASE_DAYS, Base, Counts, LiveSite
from counter.buckets.keys import BucketName, LaneKeys
from counter.buckets.store import BucketStore
from counter.buckets.stored import SiteIndex, StoredBucket
from counter.checks.counts import Bucket, DurableRow, Figures, Reading
from counter.checks.durable import DurableAudit, DurableSums
from counter.clock import Clock
from counter.errors import BucketsCorruptError, GenerationEndedError
from counter.rollup.bases import make_bases
from counter.rollup.closing import is_over
from counter.rollup.rows import row_key
from counter.sites.model import Site


class OpenRow(NamedTuple):
    """An open bucket by the key of its row, and the version that was seen; `over` if it is to be closed."""

    name: BucketName
    key: RowKey
    version: int
    over: bool


@dataclass(frozen=True, slots=True)
class SiteReading:
    """What was read of one site.

    Attributes:
        reading: None if its base or its list of buckets was replaced meanwhile, or the site was removed.
        removed: the site is registered no longer.
        unreadable: what Redis holds of it and this program did not write.
    """

    site: Site
    reading: Reading | None = None
    removed: bool = False
    open_rows: Sequence[OpenRow] = ()
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class _Hot:
    """Some sites of one lane in Redis, as they were before Postgres was read."""

    generation: str
    indexes: list[SiteIndex]
    buckets: dict[BucketName, StoredBucket]
    bases: dict[str, LiveSite]
    listings: dict[BucketName, Listing]


@dataclass(frozen=True, slots=True)
class _Durable:
    """The same sites in Postgres, at one moment."""

    sums: dict[int, DurableSums]
    rows: dict[RowKey, DurableRow]
    days: dict[int, dict[date, Counts]]
    adjusted: dict[int, dict[date, Counts]]
    made: dict[int, Base]


class SiteReader:
    """Reads sites of one lane together: nine round trips to Redis, six to Postgres, however many they are."""

    def __init__(self, store: BucketStore, audit: BucketAudit, durable: DurableAudit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._durable = durable
        self._clock = clock

    async def read(self, lane: LaneKeys, sites: Sequence[Site]) -> list[SiteReading]:
        """Return what both stores have of some sites of a lane.

        A site that cannot be read is found by halving, so that it is named and hides no other.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: a store does not answer.
        """
        try:
            return await self._read(lane, sites)
        except (BucketsCorruptError, ValueError, KeyError) as error:
            if len(sites) == 1:
                return [SiteReading(sites[0], unreadable=_reason(error))]
        half = len(sites) // 2
        return [*await self.read(lane, sites[:half]), *await self.read(lane, sites[half:])]

    async def _read(self, lane: LaneKeys, sites: Sequence[Site]) -> list[SiteReading]:
        """Read some sites; where a generation begins amid it, none of them was read."""
        try:
            return await self._read_once(lane, sites)
        except GenerationEndedError:
            return [SiteReading(site) for site in sites]

    async def _read_once(self, lane: LaneKeys, sites: Sequence[Site]) -> list[SiteReading]:
        keys = [site.key for site in sites]
        ids = {site.key: site.id for site in sites}
        hot = await self._read_hot(lane, keys)
        row_keys = {name: row_key(lane, ids, bucket) for name, bucket in hot.buckets.items()}
        now_ms = self._clock()
        durable = await self._read_durable(sites, hot, row_keys, now_ms)
        ahead = [
            name
            for name, key in row_keys.items()
            if key in durable.rows and durable.rows[key].figures.version > hot.buckets[name].version
        ]
        later = {
            bucket.name: bucket for bucket in await self._store.read_buckets(lane, hot.generation, ahead)
        }
        same = await self._store.generation(lane) == hot.generation
        indexes = await self._store.read_indexes(lane, keys)
        buckets = {
            name: _bucket(hot, name, later.get(name), durable.rows.get(key)) for name, key in row_keys.items()
        }
        return [
            SiteReading(
                site,
                _reading(site, hot, before, durable, buckets, now_ms) if same and before == after else None,
                removed=site.id not in durable.sums,
                open_rows=[
                    OpenRow(
                        name,
                        row_keys[name],
                        hot.buckets[name].version,
                        is_over(site, name, hot.generation, now_ms),
                    )
                    for name in before.names
                    if name in row_keys
                ],
            )
            for site, before, after in zip(sites, hot.indexes, indexes, strict=True)
        ]

    async def _read_hot(self, lane: LaneKeys, sites: Sequence[str]) -> _Hot:
        """Read Redis; the listing comes after the buckets, so what is not dirty there was written by then."""
        generation = await self._store.generation(lane)
        indexes = await self._store.read_indexes(lane, sites)
        names = [name for index in indexes for name in index.names]
        stored = {bucket.name: bucket for bucket in await self._store.read_buckets(lane, generation, names)}
        bases = await self._audit.bases(lane, sites, self._clock())
        listings = {listing.name: listing for listing in await self._audit.listings(lane, names)}
        return _Hot(generation, indexes, stored, dict(zip(sites, bases, strict=True)), listings)

    async def _read_durable(
        self, sites: Sequence[Site], hot: _Hot, row_keys: dict[BucketName, RowKey], now_ms: int
    ) -> _Durable:
        first = datetime.fromtimestamp(now_ms // 1000, UTC).date() - timedelta(days=BASE_DAYS)
        first_days = {site.id: min([first, *_days(hot.bases[site.key])]) for site in sites}
        without = [site.id for site in sites if hot.bases[site.key].base is None]
        async with self._durable.one_moment():
            aggregates = AggregateStore(self._durable.connection)
            open_keys = list(row_keys.values())
            return _Durable(
                sums=await self._durable.sums([site.id for site in sites]),
                rows=await self._durable.rows(open_keys),
                days=await self._durable.days(first_days),
                adjusted=await self._durable.adjusted_days(first_days),
                made=await make_bases(without, open_keys, aggregates, now_ms) if without else {},
            )


def _reading(  # noqa: PLR0917 - what was read, in its order
    site: Site,
    hot: _Hot,
    index: SiteIndex,
    durable: _Durable,
    buckets: dict[BucketName, Bucket],
    now_ms: int,
) -> Reading | None:
    if site.id not in durable.sums:
        return None
    live = hot.bases[site.key]
    return Reading(
        site=site,
        as_of_ms=now_ms,
        base=live.base or durable.made[site.id],
        kept=live.base is not None,
        buckets=[buckets[name] for name in index.names if name in buckets],
        visitors=live.visitors,
        ledger=durable.sums[site.id].ledger,
        rows=durable.sums[site.id].rows,
        days=durable.days[site.id],
        adjusted=durable.adjusted[site.id],
    )


def _bucket(hot: _Hot, name: BucketName, later: StoredBucket | None, row: DurableRow | None) -> Bucket:
    return Bucket(
        day=name.day,
        generation=name.generation,
        before=_figures(hot.buckets[name]),
        later=_figures(later) if later else None,
        dirty=hot.listings[name].dirty,
        row=row,
        former=name.generation != hot.generation,
    )


def _figures(bucket: StoredBucket) -> Figures:
    return Figures(bucket.version, bucket.counts, bucket.hour_views, bucket.hour_visits)


def _days(live: LiveSite) -> list[date]:
    return [*live.base.days, *live.base.adjusted] if live.base else []


def _reason(error: Exception) -> str:
    return f"a bucket has no {error}" if isinstance(error, KeyError) else str(error)
