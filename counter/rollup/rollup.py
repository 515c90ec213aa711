"""One rollup: every changed bucket becomes a row, every closed one is folded into its site's base.

Each step may be repeated, cut short or run twice at once: rows hold absolute values under their bucket's key,
a bucket is settled only as it was read, and a base replaces only the one it was made from.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

import structlog

from counter.aggregates.store import AggregateStore
from counter.buckets.keys import BucketName, LaneKeys
from counter.buckets.store import BucketStore
from counter.buckets.stored import StoredBucket
from counter.errors import GenerationEndedError, UnknownSiteError
from counter.rollup.bases import earlier_sketches, make_bases, make_fold
from counter.rollup.rows import SiteIds, make_rows, row_key
from counter.sites.model import Site
from counter.steps import Passing, Step, go_on

CHUNK: Final = 200
"""How many buckets, or sites, are read, written and confirmed together."""

GRACE_MS: Final = 60_000
"""A day is closed this long after its end, so that hits under way still find its bucket."""

T = TypeVar("T")
FindSite = Callable[[str], Site | None]

log = structlog.get_logger(__name__)


class Report(NamedTuple):
    """What a rollup did: rows and page rows written, sites folded, and postponed as something changed."""

    rows: int
    page_rows: int
    folded: int
    postponed: int

    @classmethod
    def sum(cls, reports: Iterable["Report"]) -> "Report":
        """Add up what several steps did."""
        return cls(*map(sum, zip((0, 0, 0, 0), *reports, strict=True)))


class Rollup:
    """Moves counts from Redis to Postgres.

    Args:
        buckets: the hot counts.
        find_site: site by key, disabled ones too.
        passing: is told each step.
    """

    def __init__(self, buckets: BucketStore, find_site: FindSite, passing: Passing = go_on) -> None:
        self._buckets = buckets
        self._find_site = find_site
        self._passing = passing
        self._entered: set[tuple[str, str]] = set()

    @property
    def buckets(self) -> BucketStore:
        """The hot counts."""
        return self._buckets

    async def run(self, aggregates: AggregateStore, now_ms: int, adjusted: Iterable[str] = ()) -> Report:
        """Roll up everything that changed.

        Args:
            aggregates: where to.
            now_ms: decides which days are over.
            adjusted: sites whose ledger changed.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: what was not done is done by the next run.
        """
        reports = [
            await self._run_lane(lane, aggregates, now_ms, set(adjusted)) for lane in self._buckets.lanes
        ]
        return Report.sum(reports)

    async def refresh_base(self, site: str, aggregates: AggregateStore, now_ms: int) -> Report:
        """Write down what one site has in Redis, and make its base anew.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: the base is as it was.
        """
        lane = self._buckets.lane_of(site)
        return await self._fold(lane, [site], await self._enter(lane, aggregates), aggregates, now_ms)

    async def clear_removed(self, aggregates: AggregateStore) -> None:
        """Remove what Redis has of removed sites, so that their keys may be used again.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: what was not done is done the next time.
        """
        removed = await aggregates.removed_sites()
        for site in removed:
            lane = self._buckets.lane_of(site)
            (index,) = await self._buckets.read_indexes(lane, [site])
            await self._buckets.discard(lane, site, index.names)
        if removed:
            await aggregates.forget_removed(removed)

    async def _run_lane(
        self, lane: LaneKeys, aggregates: AggregateStore, now_ms: int, adjusted: set[str]
    ) -> Report:
        generation = await self._enter(lane, aggregates)
        opened, dirty = await self._buckets.bucket_names(lane)
        known = await self._known(lane, opened | dirty, aggregates)
        written = [
            await self._write(lane, names, generation, aggregates) for names in _chunks(sorted(dirty & known))
        ]
        due = {name.site for name in opened & known if self._is_over(name, generation, now_ms)}
        due |= {key for key in adjusted if self._buckets.lane_of(key) is lane and self._find_site(key)}
        folded = [
            await self._fold(lane, sites, generation, aggregates, now_ms) for sites in _chunks(sorted(due))
        ]
        return Report.sum([*written, *folded])

    async def _enter(self, lane: LaneKeys, aggregates: AggregateStore) -> str:
        """Return the lane's current generation; end one that a worker has closed, wherever it had looked."""
        generation = await self._buckets.generation(lane)
        while (lane.lane, generation) not in self._entered:
            if await aggregates.enter_generation(lane.lane, generation):
                self._entered.add((lane.lane, generation))
            else:
                generation = await self._buckets.generation(lane, ended=generation)
        return generation

    async def _write_rows(
        self,
        lane: LaneKeys,
        ids: SiteIds,
        stored: Sequence[StoredBucket],
        generation: str,
        aggregates: AggregateStore,
    ) -> None:
        rows = await make_rows(lane, ids, stored, self._buckets, aggregates)
        try:
            await aggregates.write(rows, (lane.lane, generation))
        except GenerationEndedError:
            self._entered.discard((lane.lane, generation))
            raise

    async def _known(
        self, lane: LaneKeys, names: set[BucketName], aggregates: AggregateStore
    ) -> set[BucketName]:
        """Return the buckets of sites that we know, and discard those of sites that Postgres has no longer.

        A site that Postgres has, but we do not know yet, waits for the next rollup.
        """
        known = {name for name in names if self._find_site(name.site)}
        strangers = {name.site for name in names - known}
        for site in strangers - await aggregates.existing_sites(strangers):
            log.warning("buckets of a removed site discarded", site=site)
            await self._buckets.discard(lane, site, [name for name in names if name.site == site])
        return known

    async def _write(
        self, lane: LaneKeys, names: Sequence[BucketName], generation: str, aggregates: AggregateStore
    ) -> Report:
        ids = {name.site: self._site(name.site).id for name in names}
        stored = await self._buckets.read_buckets(lane, generation, names)
        self._passing(Step.BUCKETS_READ)
        await self._write_rows(lane, ids, stored, generation, aggregates)
        self._passing(Step.ROWS_WRITTEN)
        await self._buckets.settle(lane, stored)
        self._passing(Step.BUCKETS_SETTLED)
        return Report(len(stored), sum(len(bucket.pages) for bucket in stored), 0, 0)

    async def _fold(
        self, lane: LaneKeys, sites: Sequence[str], generation: str, aggregates: AggregateStore, now_ms: int
    ) -> Report:
        """Make new bases for some sites, which hold every bucket that is over."""
        ids = {key: self._site(key).id for key in sites}
        indexes = await self._buckets.read_indexes(lane, sites)
        stored = await self._buckets.read_buckets(
            lane, generation, [name for index in indexes for name in index.names]
        )
        self._passing(Step.CLOSING_READ)
        await self._write_rows(lane, ids, stored, generation, aggregates)
        self._passing(Step.CLOSING_WRITTEN)
        staying = [bucket for bucket in stored if not self._is_over(bucket.name, generation, now_ms)]
        without = [row_key(lane, ids, bucket) for bucket in staying]
        bases = await make_bases(list(ids.values()), without, aggregates, now_ms)
        earlier = await earlier_sketches(without, aggregates)
        folds = [
            make_fold(index, generation, stored, staying, bases[ids[index.site]], earlier[ids[index.site]])
            for index in indexes
        ]
        self._passing(Step.BASES_MADE)
        done = sum(await self._buckets.fold(lane, folds))
        self._passing(Step.BASES_FOLDED)
        return Report(len(stored), sum(len(bucket.pages) for bucket in stored), done, len(folds) - done)

    def _is_over(self, name: BucketName, generation: str, now_ms: int) -> bool:
        today = self._site(name.site).span_of(now_ms - GRACE_MS).day
        return name.generation != generation or name.day < today

    def _site(self, key: str) -> Site:
        site = self._find_site(key)
        if site is None:
            raise UnknownSiteError(f"there is no site {key}")
        return site


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
