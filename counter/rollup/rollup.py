"""One rollup: every changed bucket becomes a row, every closed one is folded into its site's base.

Each step may be repeated, cut short or run twice at once: rows hold absolute values under their bucket's key,
a bucket is settled only as it was read, and a base replaces only the one it was made from.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import structlog

from counter.aggregates.store import AggregateStore, RowKey
from counter.buckets.keys import BucketName, LaneKeys
from counter.buckets.store import ENOUGH_PAGES, BucketStore
from counter.buckets.stored import Fold, StoredBucket
from counter.errors import BucketsCorruptError, GenerationEndedError, UnknownSiteError
from counter.rollup.bases import earlier_sketches, make_bases, make_closing, make_fold
from counter.rollup.closing import GRACE_MS, Closing, Looks, is_over
from counter.rollup.portions import Rest, chunks, no_rest, parsed
from counter.rollup.report import Report, apart
from counter.rollup.rows import SiteIds, lone_rows, make_rows, row_key
from counter.sites.model import Site
from counter.steps import Passing, Step, go_on

BUCKETS: Final = 400
"""How many buckets are written and confirmed together.

With fewer, a worker that is busy with hits falls behind: each question of a step waits for its turn."""
READ_BUCKETS: Final = 50
"""How many buckets are read together: meanwhile Redis takes no hits."""
FOLDS: Final = 50
"""How many sites get a new base together."""

MOST_CORRUPT: Final = 20
"""With more buckets that cannot be read something else is wrong than these."""

FindSite = Callable[[str], Site | None]

log = structlog.get_logger(__name__)


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
        self._looks = Looks()

    @property
    def buckets(self) -> BucketStore:
        """The hot counts."""
        return self._buckets

    async def run(
        self, aggregates: AggregateStore, now_ms: int, adjusted: Iterable[str] = (), rest: Rest = no_rest
    ) -> Report:
        """Roll up everything that changed.

        Args:
            aggregates: where to.
            now_ms: decides which days are over.
            adjusted: sites whose ledger changed.
            rest: between two steps.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: what was not done is done by the next run.
            BucketsCorruptError: so much cannot be read that there is no use in going on.
        """
        reports, corrupt = [], 0
        for lane in self._buckets.lanes:
            async with aclosing(self._run_lane(lane, aggregates, now_ms, set(adjusted))) as steps:
                async for report in steps:
                    reports.append(report)
                    corrupt += report.corrupt
                    if corrupt > MOST_CORRUPT:
                        raise BucketsCorruptError("many buckets cannot be read")
                    await rest(report.rows)
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
    ) -> AsyncGenerator[Report]:
        """Roll up a lane, step by step."""
        generation, done = await self._enter(lane, aggregates), True
        closing = Closing(generation, now_ms, self._site, lambda key: self._buckets.lane_of(key) is lane)
        closing.due |= {
            key for key in adjusted if self._buckets.lane_of(key) is lane and self._find_site(key)
        }
        changed_alone = self._looks.are_enough(lane.lane, generation, now_ms)
        opened, dirty = await self._buckets.list_buckets(lane, changed_alone=changed_alone)
        async for names in parsed(opened):
            closing.look(await self._known(lane, names, aggregates))
        write = partial(self._write, lane, generation=generation, aggregates=aggregates)
        async for names in parsed(sorted(dirty), BUCKETS):
            known = await self._known(lane, names, aggregates)
            closing.look(known)
            yield await apart(write, known)
        for step, keys in ((self._fold, closing.due), (self._bring_home, closing.strays)):
            close = partial(step, lane, generation=generation, aggregates=aggregates, now_ms=now_ms)
            for sites in chunks(sorted(keys), FOLDS):
                report = await apart(close, sites)
                done = done and not report.postponed and not report.corrupt
                yield report
        if done:
            self._looks.note(lane.lane, generation, now_ms)

    async def close_all(self, aggregates: AggregateStore) -> Report:
        """Write down and remove all open buckets, and leave no base: nobody may count or look meanwhile.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: what was not done is done the next time.
        """
        reports = []
        for lane in self._buckets.lanes:
            generation = await self._enter(lane, aggregates)
            opened, _dirty = await self._buckets.list_buckets(lane)
            async for names in parsed(sorted(opened), BUCKETS):
                sites = {name.site for name in await self._known(lane, names, aggregates)}
                closing = await self._written(lane, sorted(sites), generation, aggregates)
                reports.append(await self._close(lane, closing))
        return Report.sum(reports)

    async def _bring_home(
        self, lane: LaneKeys, sites: Sequence[str], generation: str, aggregates: AggregateStore, now_ms: int
    ) -> Report:
        """Close the buckets of some sites in a lane that is not theirs, once the base in their own has them.

        Such a bucket holds hits that waited on a disk while the number of lanes was changed.
        """
        closing = await self._written(lane, sites, generation, aggregates)
        by_lane = defaultdict[LaneKeys, list[str]](list)
        for site in sites:
            by_lane[self._buckets.lane_of(site)].append(site)
        renewed = Report.sum(
            [
                await self._fold(home, group, await self._enter(home, aggregates), aggregates, now_ms)
                for home, group in by_lane.items()
            ]
        )
        return renewed if renewed.postponed else Report.sum([renewed, await self._close(lane, closing)])

    async def _written(
        self, lane: LaneKeys, sites: Sequence[str], generation: str, aggregates: AggregateStore
    ) -> list[Fold]:
        """Write down the open buckets of some sites; return what closes them, and leaves no base."""
        indexes = await self._buckets.read_indexes(lane, sites)
        names = [name for index in indexes for name in index.names]
        stored = await self._buckets.read_buckets(lane, generation, names)
        await self._write_rows(
            lane, {key: self._site(key).id for key in sites}, stored, generation, aggregates
        )
        return [make_closing(index, generation, stored) for index in indexes]

    async def _close(self, lane: LaneKeys, folds: Sequence[Fold]) -> Report:
        done = sum(await self._buckets.fold(lane, folds))
        buckets = [bucket for fold in folds for bucket in fold.closing]
        return Report(len(buckets), sum(len(bucket.pages) for bucket in buckets), done, len(folds) - done)

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
        read_in = lane.lane, generation
        try:
            # Few days have several rows, so they are asked for only where Postgres says that there are some.
            if not await aggregates.write(lone_rows(lane, ids, stored), read_in, alone=True):
                rows = await make_rows(lane, ids, stored, self._buckets, aggregates)
                await aggregates.write(rows, read_in)
        except GenerationEndedError:
            self._entered.discard((lane.lane, generation))
            raise

    async def _known(
        self, lane: LaneKeys, names: Sequence[BucketName], aggregates: AggregateStore
    ) -> list[BucketName]:
        """Return the buckets of sites that we know, and discard those of sites that Postgres has no longer.

        A site that Postgres has, but we do not know yet, waits for the next rollup.
        """
        known = [name for name in names if self._find_site(name.site)]
        if len(known) < len(names):
            strangers = {name.site for name in names} - {name.site for name in known}
            for site in strangers - await aggregates.existing_sites(strangers):
                log.warning("buckets of a removed site discarded", site=site)
                await self._buckets.discard(lane, site, [name for name in names if name.site == site])
        return known

    async def _write(
        self, lane: LaneKeys, names: Sequence[BucketName], generation: str, aggregates: AggregateStore
    ) -> Report:
        reports, stored = [], list[StoredBucket]()
        while names:
            read, found = await self._buckets.read_first(lane, generation, names[:READ_BUCKETS])
            names, stored = names[read:], stored + found
            if not names or sum(len(bucket.pages) for bucket in stored) >= ENOUGH_PAGES:
                self._passing(Step.BUCKETS_READ)
                reports.append(await self._confirm(lane, stored, generation, aggregates))
                stored = []
        return Report.sum(reports)

    async def _confirm(
        self, lane: LaneKeys, stored: Sequence[StoredBucket], generation: str, aggregates: AggregateStore
    ) -> Report:
        ids = {bucket.name.site: self._site(bucket.name.site).id for bucket in stored}
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
        staying = [
            bucket
            for bucket in stored
            if not is_over(self._site(bucket.name.site), bucket.name, generation, now_ms)
        ]
        without = [row_key(lane, ids, bucket) for bucket in staying]
        bases = await make_bases(list(ids.values()), without, aggregates, now_ms)
        earlier = await earlier_sketches([*without, *self._going_on(lane, ids, now_ms)], aggregates)
        folds = [
            make_fold(index, generation, stored, staying, bases[ids[index.site]], earlier[ids[index.site]])
            for index in indexes
        ]
        self._passing(Step.BASES_MADE)
        done = sum(await self._buckets.fold(lane, folds))
        self._passing(Step.BASES_FOLDED)
        return Report(len(stored), sum(len(bucket.pages) for bucket in stored), done, len(folds) - done)

    def _going_on(self, lane: LaneKeys, ids: SiteIds, now_ms: int) -> list[RowKey]:
        """Return keys of no row, on the days on which each site may soon have a bucket."""
        moments = now_ms, now_ms - GRACE_MS
        days = {(key, self._site(key).span_of(at_ms).day) for key in ids for at_ms in moments}
        return [RowKey(ids[key], day, "", 0, lane.lane) for key, day in days]

    def _site(self, key: str) -> Site:
        site = self._find_site(key)
        if site is None:
            raise UnknownSiteError(f"there is no site {key}")
        return site
