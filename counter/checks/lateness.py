"""Whether the rollup keeps up: what it had to do when the audit began is done after some rollups."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar

from counter.buckets.keys import BucketName
from counter.buckets.store import BucketStore
from counter.checks.durable import DurableAudit, Leader
from counter.checks.findings import LEASE, ROLLUP, Check, Problem, judged, many
from counter.checks.reading import OpenRow
from counter.checks.rules import judge_lateness
from counter.rollup.loop import LEASE_KEY

AT_ONCE: Final = 1000
PAUSE_SECONDS: Final = 0.5

T = TypeVar("T")


class Lateness:
    """Waits until the rollup has done what it had to do, or its time is up."""

    def __init__(self, store: BucketStore, durable: DurableAudit, *, wait_seconds: float) -> None:
        self._store = store
        self._durable = durable
        self._wait_seconds = wait_seconds

    async def judge(self, open_rows: Sequence[OpenRow], tell: Callable[[str], None]) -> list[Check]:
        """Return the lines of the rollup and its lease.

        Args:
            open_rows: the open buckets as they were some time ago.
            tell: is told once if there is something to wait for.

        Raises:
            BucketsUnavailableError, AggregatesUnavailableError: a store does not answer.
        """
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + self._wait_seconds
        unwritten, unclosed = list(open_rows), [row for row in open_rows if row.over]
        waits = False
        while True:
            unwritten, unclosed = await self._unwritten(unwritten), await self._unclosed(unclosed)
            leaders = await self._durable.leaders(LEASE_KEY)
            if (leaders and not unwritten and not unclosed) or loop.time() >= gives_up_at:
                break
            if not waits:
                tell(f"waiting up to {self._wait_seconds:g} s for the next rollup")
            waits = True
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, gives_up_at - loop.time())))
        late = judge_lateness(_days(unwritten), _days(unclosed), self._wait_seconds)
        seen = f"{many(len(open_rows), 'open bucket')}, written down as they were when this check began"
        return [judged(ROLLUP, late, seen), self._lease(leaders)]

    def _lease(self, leaders: Sequence[Leader]) -> Check:
        if not leaders:
            detail = f"no process held the lease within {self._wait_seconds:g} s, so nothing is written down"
            return judged(LEASE, [Problem(None, "lease", detail)], "")
        leader = leaders[0]
        return judged(
            LEASE, [], f"the process at {leader.client} for {leader.seconds:,} s (Postgres pid {leader.pid})"
        )

    async def _unwritten(self, rows: Iterable[OpenRow]) -> list[OpenRow]:
        late = []
        for chunk in chunks(rows, AT_ONCE):
            missing = await self._durable.unwritten({row.key: row.version for row in chunk})
            late += [row for row in chunk if row.key in missing]
        return late

    async def _unclosed(self, rows: Iterable[OpenRow]) -> list[OpenRow]:
        """Return those that are open still; one of the same name with another part is a new one."""
        still: list[OpenRow] = []
        for chunk in chunks(rows, AT_ONCE):
            lanes: dict[str, dict[BucketName, OpenRow]] = defaultdict(dict)
            for row in chunk:
                lanes[row.key.lane][row.name] = row
            for lane in self._store.lanes:
                wanted = lanes.get(lane.lane, {})
                generation = await self._store.generation(lane)
                found = await self._store.read_buckets(lane, generation, wanted)
                still += [wanted[each.name] for each in found if each.part == wanted[each.name].key.part]
        return still


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items, so many at a time."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _days(rows: Iterable[OpenRow]) -> Mapping[str, list[str]]:
    days: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        days[row.name.site].append(row.name.day.isoformat())
    return days
