"""Judges the sites: reads them together, and those with a finding again, as it may be of the moment."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from counter.buckets.store import BucketStore
from counter.checks.counts import judge_buckets, judge_days, judge_totals, total_shown
from counter.checks.findings import BUCKETS, DAYS, TOTALS, Check, Problem, judged, many, unseen
from counter.checks.lateness import chunks
from counter.checks.reading import OpenRow, SiteReader, SiteReading
from counter.sites.model import Site

SITES_AT_ONCE: Final = 250
FEWEST_TRIES: Final = 3
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 1.0


class _Verdict(NamedTuple):
    """What is wrong with a site at one reading; `restless` if it changed too much to tell."""

    totals: list[Problem]
    buckets: list[Problem]
    days: list[Problem]
    restless: bool

    def good(self) -> bool:
        return not (self.totals or self.buckets or self.days or self.restless)


@dataclass
class _Seen:
    """What was looked at, and the verdict that stands for each site that is not good."""

    open_rows: dict[str, Sequence[OpenRow]] = field(default_factory=dict)
    verdicts: dict[str, _Verdict] = field(default_factory=dict)
    shown: Counter[str] = field(default_factory=Counter)
    sites: int = 0
    buckets: int = 0
    dirty: int = 0
    days: int = 0


class SiteAudit:
    """Compares both stores, site by site."""

    def __init__(self, store: BucketStore, reader: SiteReader, *, wait_seconds: float) -> None:
        self._store = store
        self._reader = reader
        self._wait_seconds = wait_seconds

    async def judge(self, sites: Sequence[Site]) -> tuple[list[Check], list[OpenRow]]:
        """Return the lines about some sites, and their open buckets as they were first read at rest.

        A site with a finding is read again until it has none or the time is up: an adjustment or an import is
        in Postgres some moments before it is in the base.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: a store does not answer.
        """
        seen = _Seen()
        await self._look(sites, seen)
        loop = asyncio.get_running_loop()
        gives_up_at, pause, tries = loop.time() + self._wait_seconds, FIRST_PAUSE_SECONDS, 1
        while seen.verdicts and (tries < FEWEST_TRIES or loop.time() < gives_up_at):
            await asyncio.sleep(pause)
            pause, tries = min(2 * pause, LONGEST_PAUSE_SECONDS), tries + 1
            await self._look([site for site in sites if site.key in seen.verdicts], seen)
        return _lines(seen), [row for rows in seen.open_rows.values() for row in rows]

    async def _look(self, sites: Iterable[Site], seen: _Seen) -> None:
        by_lane: dict[str, list[Site]] = defaultdict(list)
        for site in sites:
            by_lane[self._store.lane_of(site.key).lane].append(site)
        for lane in self._store.lanes:
            for some in chunks(by_lane[lane.lane], SITES_AT_ONCE):
                for found in await self._reader.read(lane, some):
                    _note(found, seen)


def _note(found: SiteReading, seen: _Seen) -> None:
    if found.reading:
        # In a reading that was overtaken nobody can tell which generation is the current one.
        seen.open_rows.setdefault(found.site.key, found.open_rows)
    verdict = _judge(found)
    if not verdict.good():
        seen.verdicts[found.site.key] = verdict
        return
    seen.verdicts.pop(found.site.key, None)
    if found.reading:
        seen.sites += 1
        seen.shown.update(total_shown(found.reading))
        seen.buckets += len(found.reading.buckets)
        seen.dirty += sum(bucket.dirty for bucket in found.reading.buckets)
        seen.days += len(found.reading.base.days)


def _judge(found: SiteReading) -> _Verdict:
    if found.unreadable:
        problem = Problem(
            found.site.key, "Redis", f"what Redis holds of it cannot be read: {found.unreadable}"
        )
        return _Verdict([], [problem], [], restless=False)
    if found.reading is None:
        return _Verdict([], [], [], restless=not found.removed)
    reading = found.reading
    return _Verdict(judge_totals(reading), judge_buckets(reading), judge_days(reading), restless=False)


def _lines(seen: _Seen) -> list[Check]:
    verdicts = seen.verdicts.values()
    shown = ", ".join(f"{total:,} {metric}" for metric, total in seen.shown.items())
    good = {
        TOTALS: f"{many(seen.sites, 'site')}, together {shown}" if shown else "there is no site",
        BUCKETS: f"{many(seen.buckets, 'open bucket')}, {seen.dirty:,} of them waiting for the next rollup",
        DAYS: many(seen.days, "day"),
    }
    restless = [key for key, verdict in seen.verdicts.items() if verdict.restless]
    problems = {
        TOTALS: [problem for verdict in verdicts for problem in verdict.totals],
        BUCKETS: [problem for verdict in verdicts for problem in verdict.buckets],
        DAYS: [problem for verdict in verdicts for problem in verdict.days],
    }
    return [
        unseen(name, f"{', '.join(restless[:3])} changed at each look; run the command again")
        if restless and not problems[name]
        else judged(name, problems[name], good[name])
        for name in (TOTALS, BUCKETS, DAYS)
    ]
