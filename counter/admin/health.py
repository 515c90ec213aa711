"""Whether a hit can be accepted now, and what is missing if not."""

import asyncio
from typing import Final, NamedTuple

from counter.buckets.store import BucketStore
from counter.database import Pool, acquired
from counter.errors import CounterError
from counter.sites.registry import SiteRegistry

SAFE_POLICY: Final = "noeviction"


class Finding(NamedTuple):
    """One part looked at.

    Attributes:
        detail: what is wrong, or empty.
        needed: whether a hit needs this part.
    """

    part: str
    detail: str
    needed: bool


class Readiness:
    """Looks at all that a hit needs."""

    def __init__(self, store: BucketStore, pool: Pool, sites: SiteRegistry) -> None:
        self._store = store
        self._pool = pool
        self._sites = sites

    async def look(self) -> list[Finding]:
        """Return a finding for each part, good or bad."""
        policy, persistence, postgres = await asyncio.gather(
            self._redis_policy(), self._redis_persistence(), self._postgres()
        )
        sites = "" if self._sites.loaded else "the sites were never read from Postgres"
        return [
            Finding("redis", policy, needed=True),
            Finding("redis_persistence", persistence, needed=False),
            Finding("postgres", postgres, needed=False),
            Finding("sites", sites, needed=True),
        ]

    async def _redis_policy(self) -> str:
        try:
            policy = await self._store.memory_policy()
        except CounterError as error:
            return str(error)
        if policy != SAFE_POLICY:
            return f"maxmemory-policy is {policy}, which may evict counts; set it to {SAFE_POLICY}"
        return ""

    async def _redis_persistence(self) -> str:
        try:
            persistent = await self._store.appends_to_file()
        except CounterError as error:
            return str(error)
        return "" if persistent else "appendonly is off: a crash of Redis loses what was not rolled up"

    async def _postgres(self) -> str:
        try:
            async with acquired(self._pool) as connection:
                await connection.execute("select 1")
        except CounterError as error:
            return str(error)
        return ""
