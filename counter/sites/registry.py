"""All sites in memory, so that a hit finds its site without asking anybody."""

import asyncio
from collections.abc import AsyncGenerator, Container, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from counter.background import end
from counter.database import CONNECT_SECONDS, Pool, acquired, translated
from counter.errors import AggregatesUnavailableError, BusyError, UnknownSiteError
from counter.sites.model import Site
from counter.sites.store import Moment, SiteStore

CHANNEL: Final = "counter_sites"

log = structlog.get_logger(__name__)


class SiteRegistry:
    """The sites as of the last look at Postgres; another look follows each change within a moment."""

    def __init__(self) -> None:
        self.loaded = False
        self._sites: dict[str, Site] = {}

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites.values())

    def __len__(self) -> int:
        return len(self._sites)

    def find(self, key: str) -> Site:
        """Return a site that counts.

        Raises:
            UnknownSiteError: there is none, or it is disabled.
            BusyError: the sites were never read yet, so nobody can tell.
        """
        site = self.known(key)
        if site is None or not site.enabled:
            raise UnknownSiteError
        return site

    def find_public(self, key: str) -> Site:
        """Return a site whose statistics anybody may see; one that keeps them to itself is like none.

        Raises:
            UnknownSiteError: there is none, it is disabled, or its statistics are not public.
            BusyError: the sites were never read yet, so nobody can tell.
        """
        site = self.find(key)
        if not site.settings.public_stats:
            raise UnknownSiteError
        return site

    def replace(self, sites: Iterable[Site]) -> None:
        """Take a new list of all sites."""
        self._sites = {site.key: site for site in sites}
        self.loaded = True

    def change(self, sites: Iterable[Site]) -> None:
        """Take new sites, and what others became."""
        self._sites |= {site.key: site for site in sites if site != self._sites.get(site.key)}

    def keep(self, keys: Container[str]) -> None:
        """Forget all sites but some."""
        self._sites = {key: site for key, site in self._sites.items() if key in keys}

    def known(self, key: str) -> Site | None:
        """Return a registered site, whether it counts or not.

        Raises:
            BusyError: the sites were never read yet, so nobody can tell.
        """
        if not self.loaded:
            raise BusyError("the sites are not read from Postgres yet")
        return self._sites.get(key)


@asynccontextmanager
async def followed(registry: SiteRegistry, pool: Pool, url: str, seconds: float) -> AsyncGenerator[None]:
    """Keep the registry up to date while the block runs.

    Args:
        registry: what is kept.
        pool: for reading the sites.
        url: for a connection of its own, which Postgres notifies of changes.
        seconds: time between two looks without a notification.
    """
    with suppress(AggregatesUnavailableError):  # the follower tries again, and /readyz tells meanwhile
        await refresh(registry, pool)
    follower = asyncio.create_task(_follow(registry, pool, url, seconds), name="sites")
    try:
        yield
    finally:
        await end(follower)


async def refresh(registry: SiteRegistry, pool: Pool, last: Moment | None = None) -> Moment:
    """Read the sites that changed since the last look, or all of them; return the moment of this one.

    Another server, after a failover, has other transactions: of it all sites are read.

    Raises:
        AggregatesUnavailableError: Postgres does not answer; the registry is not newer than it was, or half.
    """
    async with acquired(pool) as connection:
        store = SiteStore(connection)
        now, number = await store.moment()
        if last is None or last.server != now.server:
            registry.replace([site async for sites in store.changed_since(None) for site in sites])
            return now
        async for sites in store.changed_since(last.horizon):
            registry.change(sites)
        if number != len(registry):
            registry.keep(await store.keys())
    return now


async def _follow(registry: SiteRegistry, pool: Pool, url: str, seconds: float) -> None:
    while True:
        try:
            with translated():
                await _listen(registry, pool, url, seconds)
        except AggregatesUnavailableError as error:
            log.warning("sites not refreshed", reason=str(error))
            await asyncio.sleep(min(seconds, 1.0))


async def _listen(registry: SiteRegistry, pool: Pool, url: str, seconds: float) -> None:
    """Refresh at each notification and at least every `seconds`, until the connection breaks."""
    changed = asyncio.Event()
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        connection.add_termination_listener(lambda _connection: changed.set())
        await connection.add_listener(CHANNEL, lambda *_notification: changed.set())
        moment = None  # what was changed while nobody listened may be anything
        while not connection.is_closed():
            moment = await refresh(registry, pool, moment)
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), seconds)
            changed.clear()
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
