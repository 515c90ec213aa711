"""The audit: every part is looked at on its own, so that one that is away hides no other."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from counter import __version__
from counter.buckets.audit import BucketAudit
from counter.buckets.store import BucketStore
from counter.checks.durable import DurableAudit
from counter.checks.findings import (
    BUCKETS,
    DAYS,
    EVICTION,
    EXPIRY,
    LEASE,
    LISTED,
    MEMORY,
    MIGRATIONS,
    PAGES,
    PERSISTENCE,
    ROLLUP,
    ROWS,
    SALTS,
    SPOOL,
    TOTALS,
    Check,
    Name,
    Problem,
    Report,
    Result,
    judged,
    many,
    summed_up,
    unseen,
)
from counter.checks.keys import KeyAudit
from counter.checks.lateness import Lateness, chunks
from counter.checks.reading import SiteReader
from counter.checks.rules import (
    SAFE_POLICY,
    judge_eviction,
    judge_memory,
    judge_migrations,
    judge_pages,
    judge_persistence,
    judge_row,
)
from counter.checks.sites import SITES_AT_ONCE, SiteAudit
from counter.checks.spooled import SpoolReading, describe, judge_spool, read_spool, stuck
from counter.clock import Clock
from counter.database import Connection, migration_versions
from counter.errors import AggregatesUnavailableError, CounterError, UnknownSiteError
from counter.sites.model import Site
from counter.sites.store import SiteStore

SPOOL_PAUSE_SECONDS: Final = 0.5
COMPARED: Final = (TOTALS, BUCKETS, DAYS, ROLLUP, LEASE)
ABOUT_SITES: Final = (ROWS, PAGES, *COMPARED)


class Audit:
    """Looks at a running system.

    Args:
        connect: opens a connection to Postgres.
        spool: folder of this host's spool, None if none is kept.
        wait_seconds: how long the rollup, the replay of the spool and a number on its way may take.
        tell: is told what it waits for.
    """

    def __init__(
        self,
        store: BucketStore,
        buckets: BucketAudit,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        spool: Path | None,
        clock: Clock,
        *,
        wait_seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        self._store = store
        self._buckets = buckets
        self._connect = connect
        self._spool = spool
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._tell = tell

    async def run(self, keys: Collection[str]) -> Report:
        """Look at everything; of the sites only at those with these keys, if there are any.

        Raises:
            UnknownSiteError: one of the keys is no site's.
        """
        began_ms = self._clock()
        spool = await self._read_spool()
        lines = await _looked((EVICTION, PERSISTENCE, MEMORY), self._judge_redis)
        redis_answers = all(line.result is not Result.UNKNOWN for line in lines)
        lines += await _looked((MIGRATIONS,), self._judge_migrations)
        sites = await self._sites(keys)
        if isinstance(sites, CounterError):
            lines += await _looked((EXPIRY, SALTS), lambda: self._judge_keys(None))
            lines += [unseen(name, str(sites)) for name in (LISTED, *ABOUT_SITES)]
        else:
            known = {site.key for site in sites}
            lines += await _looked((EXPIRY, SALTS, LISTED), lambda: self._judge_keys(known))
            lines += await _looked((ROWS, PAGES), lambda: self._judge_rows(sites))
            lines += await _looked(COMPARED, lambda: self._judge_sites(sites))
        lines.append(await self._judge_spool(spool, redis_answers=redis_answers))
        as_of = datetime.fromtimestamp(began_ms / 1000, UTC).isoformat(timespec="milliseconds")
        count = 0 if isinstance(sites, CounterError) else len(sites)
        return summed_up(lines, as_of=as_of, version=__version__, sites=count)

    async def _sites(self, keys: Collection[str]) -> list[Site] | CounterError:
        """Return the sites to look at, or why nobody knows them."""
        try:
            async with self._connect() as connection:
                sites = await SiteStore(connection).list_all()
        except AggregatesUnavailableError as error:
            return error
        strangers = sorted(set(keys) - {site.key for site in sites})
        if strangers:
            raise UnknownSiteError(f"there is no site {', '.join(strangers)}")
        return [site for site in sites if not keys or site.key in keys]

    async def _judge_redis(self) -> list[Check]:
        servers = await self._buckets.health()
        policies = {server.policy for server in servers}
        fullest = max(servers, key=lambda server: server.used_memory / (server.most_memory or float("inf")))
        return [
            judge_eviction(next(iter(policies - {SAFE_POLICY}), SAFE_POLICY)),
            judge_persistence(
                appends=all(server.appends for server in servers),
                fault=", ".join(sorted({server.fault for server in servers if server.fault})),
            ),
            judge_memory(fullest.used_memory, fullest.most_memory),
        ]

    async def _judge_keys(self, sites: Collection[str] | None) -> list[Check]:
        return await KeyAudit(self._store, self._buckets, self._clock).judge(sites)

    async def _judge_migrations(self) -> list[Check]:
        async with self._connect() as connection:
            applied = await DurableAudit(connection).migrations()
        needed = migration_versions()
        return [judged(MIGRATIONS, judge_migrations(applied, needed), f"{', '.join(needed)} applied")]

    async def _judge_rows(self, sites: Sequence[Site]) -> list[Check]:
        rows: list[Problem] = []
        pages: list[Problem] = []
        async with self._connect() as connection:
            durable = DurableAudit(connection)
            # Rows of one site lie near those of the next one that was registered.
            for ids in chunks(sorted(site.id for site in sites), SITES_AT_ONCE):
                rows += [p for row in await durable.faulty_rows(ids) for p in judge_row(*row)]
                pages += [
                    problem
                    for site, name, page_views, least, day_views in await durable.faulty_pages(ids)
                    for problem in judge_pages(
                        site, name, page_views=page_views, least=least, day_views=day_views
                    )
                ]
        seen = f"all rows of {many(len(sites), 'site')}"
        return [judged(ROWS, rows, seen), judged(PAGES, pages, seen)]

    async def _judge_sites(self, sites: Sequence[Site]) -> list[Check]:
        async with self._connect() as connection:
            durable = DurableAudit(connection)
            reader = SiteReader(self._store, self._buckets, durable, self._clock)
            lines, open_rows = await SiteAudit(self._store, reader, wait_seconds=self._wait_seconds).judge(
                sites
            )
            lateness = Lateness(self._store, durable, wait_seconds=self._wait_seconds)
            return lines + await _looked((ROLLUP, LEASE), lambda: lateness.judge(open_rows, self._tell))

    async def _read_spool(self) -> SpoolReading | OSError:
        if self._spool is None:
            return SpoolReading(there=False, segments=[], aside=[])
        try:
            return await asyncio.to_thread(read_spool, self._spool)
        except OSError as error:
            return error

    async def _judge_spool(self, first: SpoolReading | OSError, *, redis_answers: bool) -> Check:
        """Look at the spool again, after it had its time to be replayed, if Redis takes what it holds."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + self._wait_seconds
        later = first
        while redis_answers and not isinstance(later, OSError) and not isinstance(first, OSError):
            later = await self._read_spool()
            done = isinstance(later, OSError) or not stuck(first, later)
            if done or loop.time() >= gives_up_at:
                break
            await asyncio.sleep(SPOOL_PAUSE_SECONDS)
        if isinstance(first, OSError) or isinstance(later, OSError):
            return unseen(SPOOL, str(first if isinstance(first, OSError) else later))
        now_ms = self._clock()
        seen = (
            describe(later, self._spool, now_ms) if self._spool else "COUNTER_SPOOL_MB is 0, so none is kept"
        )
        return judged(SPOOL, judge_spool(first, later, now_ms), seen)


async def _looked(names: Sequence[Name], look: Callable[[], Awaitable[list[Check]]]) -> list[Check]:
    """Return what was found, or a line for each of the names that says why nothing could be."""
    try:
        return await look()
    except (CounterError, OSError) as error:
        return [unseen(name, str(error)) for name in names]
