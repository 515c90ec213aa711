"""Goes through all keys in Redis once, and through both lists of buckets."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from counter.buckets.audit import BucketAudit
from counter.buckets.keys import BucketName
from counter.buckets.salts import expiry_of
from counter.buckets.store import BucketStore
from counter.checks.findings import EXPIRY, LISTED, SALTS, Check, Problem, judged, many
from counter.checks.keyspace import (
    NEVER_EXPIRES,
    Key,
    Salt,
    bucket_of,
    judge_expiry,
    judge_salts,
    may_expire,
    salt_day,
    site_of,
)
from counter.checks.lateness import chunks
from counter.checks.rules import judge_lane, judge_listing
from counter.clock import Clock
from counter.errors import BucketsCorruptError

NAMES_AT_ONCE: Final = 250


@dataclass
class _Keys:
    """What the keys tell: how many may not expire, which of them do, the salts, the buckets by lane."""

    seen: int = 0
    expiring: list[Key] = field(default_factory=list)
    salts: list[Salt] = field(default_factory=list)
    misnamed: list[Problem] = field(default_factory=list)
    buckets: dict[str, set[BucketName]] = field(default_factory=lambda: defaultdict(set))

    def add(self, key: Key) -> None:
        day = salt_day(key.name)
        if day is not None:
            self._add_salt(key, day)
            return
        self.seen += 1
        bucket = bucket_of(key.name)
        if bucket:
            self.buckets[bucket.lane].add(bucket.name)
        if key.ttl_ms != NEVER_EXPIRES:
            self.expiring.append(key)

    def _add_salt(self, key: Key, text: str) -> None:
        try:
            day = date.fromisoformat(text)
            gone_by_ms = expiry_of(day).timestamp() * 1000
        except (ValueError, OverflowError):
            self.misnamed.append(Problem(None, key.name, f"{key.name} names no day, so nothing destroys it"))
            return
        self.salts.append(Salt(key, day, round(gone_by_ms)))


def _matters(key: str) -> bool:
    return salt_day(key) is not None or not may_expire(key)


class KeyAudit:
    """Looks at the keys themselves: whether one expires that must not, and whether every bucket is found."""

    def __init__(self, store: BucketStore, audit: BucketAudit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def judge(self, sites: Collection[str] | None) -> list[Check]:
        """Return the lines about lives and salts, and about lists if there are sites to look for.

        Args:
            sites: keys of those that are looked at, None if nobody knows them.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        keys = _Keys()
        async for some in self._audit.keys(_matters):
            for name, ttl_ms in some:
                keys.add(Key(name, ttl_ms))
        expiring = [
            key
            for key in keys.expiring
            if sites is None or site_of(key.name) is None or site_of(key.name) in sites
        ]
        salts = [*judge_salts(keys.salts, self._clock()), *keys.misnamed]
        last = max((salt.day for salt in keys.salts), default=None)
        first = min((salt.day for salt in keys.salts), default=None)
        span = f"{many(len(keys.salts), 'salt')}, of {first} to {last}" if keys.salts else "there is none"
        lines = [
            judged(
                EXPIRY,
                judge_expiry(expiring),
                f"{many(keys.seen, 'key')} hold what is not confirmed, none expires",
            ),
            judged(SALTS, salts, span),
        ]
        return lines if sites is None else [*lines, await self._listed(keys.buckets, sites)]

    async def _listed(self, found: Mapping[str, set[BucketName]], sites: Collection[str]) -> Check:
        problems: list[Problem] = []
        looked_at = 0
        for lane in self._store.lanes:
            try:
                opened, dirty = await self._store.bucket_names(lane)
            except BucketsCorruptError as error:
                problems.append(Problem(None, lane.open, f"lane {lane.lane}: {error}"))
                continue
            names = {name for name in found.get(lane.lane, set()) | opened | dirty if name.site in sites}
            for some in chunks(sorted(names), NAMES_AT_ONCE):
                for listing in await self._audit.listings(lane, some):
                    looked_at += listing.exists
                    problems += judge_listing(
                        listing.name,
                        exists=listing.exists,
                        indexed=listing.indexed,
                        opened=listing.opened,
                        dirty=listing.dirty,
                    )
        return judged(LISTED, problems + self._strays(found, sites), many(looked_at, "bucket"))

    def _strays(self, found: Mapping[str, set[BucketName]], sites: Collection[str]) -> list[Problem]:
        """Return the buckets in lanes that are not those of their sites; an import has a lane of its own."""
        return [
            problem
            for lane, names in sorted(found.items())
            if lane.isdigit()
            for name in sorted(names)
            if name.site in sites
            for problem in judge_lane(name, lane, self._store.lane_of(name.site).lane, self._store.used)
        ]
