"""Whether a hit can be accepted now, and what is missing if not."""

import asyncio
import os
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from counter.buckets.salts import Salts
from counter.buckets.segment_file import SUFFIX
from counter.buckets.store import BucketStore
from counter.database import Pool, acquired
from counter.errors import CounterError, OtherLanesError
from counter.sites.registry import SiteRegistry

SAFE_POLICY: Final = "noeviction"
POSTGRES_SECONDS: Final = 3.0
SPARE_BYTES: Final = 256 * 1024
"""What a spool and its disk should still take: a large batch."""


class SpoolPlace(NamedTuple):
    """Where hits wait while Redis is away.

    Attributes:
        max_bytes: that a lane may have there.
    """

    folder: Path
    max_bytes: int


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

    def __init__(
        self, store: BucketStore, pool: Pool, sites: SiteRegistry, salts: Salts, spool: SpoolPlace | None
    ) -> None:
        self._store = store
        self._pool = pool
        self._sites = sites
        self._salts = salts
        self._spool = spool
        self._asking_postgres: asyncio.Task[str] | None = None

    async def look(self) -> list[Finding]:
        """Return a finding for each part, good or bad."""
        redis, persistence, postgres = await asyncio.gather(
            self._redis(), self._redis_persistence(), self._postgres()
        )
        return [
            redis,
            Finding("redis_persistence", persistence, needed=False),
            Finding("postgres", postgres, needed=False),
            Finding("spool", self._spool_space(), needed=bool(redis.detail)),
            Finding("salt", self._salt(), needed=True),
            Finding("sites", "" if self._sites.loaded else "never read from Postgres", needed=True),
        ]

    async def _redis(self) -> Finding:
        """Look at Redis. It is needed where no spool can stand in for it, and never may it evict."""
        try:
            servers = await self._store.server_info("memory")
        except CounterError as error:
            return Finding("redis", str(error), needed=self._spool is None)
        unsafe = {server["maxmemory_policy"] for server in servers} - {SAFE_POLICY}
        if unsafe:
            wrong = (
                f"maxmemory-policy is {', '.join(unsafe)}, which may evict counts; set it to {SAFE_POLICY}"
            )
            return Finding("redis", wrong, needed=True)
        if any(0 < server["maxmemory"] <= server["used_memory"] for server in servers):
            return Finding("redis", "its memory is full (maxmemory): it takes no hit", self._spool is None)
        try:
            await self._store.generation(self._store.lanes[0])
        except OtherLanesError as error:
            return Finding("redis", str(error), needed=True)
        except CounterError as error:
            return Finding("redis", str(error), needed=self._spool is None)
        return Finding("redis", "", needed=True)

    def _spool_space(self) -> str:
        if self._spool is None:
            return "there is none"
        folder, max_bytes = self._spool
        if not os.access(folder, os.W_OK):
            return "it cannot be written"
        lanes: Counter[Path] = Counter()
        for segment in folder.glob(f"*/*{SUFFIX}"):
            with suppress(FileNotFoundError):  # it was replayed just now
                lanes[segment.parent] += segment.stat().st_size
        if max(lanes.values(), default=0) + SPARE_BYTES > max_bytes:
            return "it is full (COUNTER_SPOOL_MB)"
        return "" if shutil.disk_usage(folder).free > SPARE_BYTES else "its disk is full"

    def _salt(self) -> str:
        return "" if self._salts.has_today() else "the salt of the day is not known yet"

    async def _redis_persistence(self) -> str:
        try:
            servers = await self._store.server_info("persistence")
        except CounterError as error:
            return str(error)
        persistent = all(server["aof_enabled"] for server in servers)
        return "" if persistent else "appendonly is off: a crash of Redis loses what was not rolled up"

    async def _postgres(self) -> str:
        """Ask Postgres, but wait for a slow one only so long; the next look waits for the same answer."""
        asking = self._asking_postgres
        if asking is None or asking.done():
            asking = self._asking_postgres = asyncio.create_task(self._ask_postgres(), name="ask Postgres")
        await asyncio.wait([asking], timeout=POSTGRES_SECONDS)
        return asking.result() if asking.done() else f"no answer within {POSTGRES_SECONDS:g} seconds"

    async def _ask_postgres(self) -> str:
        try:
            async with acquired(self._pool) as connection:
                await connection.execute("select 1")
        except CounterError as error:
            return str(error)
        return ""
