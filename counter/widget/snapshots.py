"""The latest snapshot of each site: read in one call for all who wait, kept as the last known good."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import structlog

from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.database import answering_soon
from counter.errors import CounterError, NumbersUnavailableError
from counter.metrics import HttpMetrics, Labelled
from counter.sites.model import Site
from counter.widget.snapshot import Snapshot, add_up

log = structlog.get_logger(__name__)

RefreshBase = Callable[[str], Awaitable[object]]
"""Makes the base of the site with this key anew."""


@dataclass(frozen=True, slots=True)
class _Kept:
    snapshot: Snapshot
    number: int
    read_at: float


@dataclass(frozen=True, slots=True)
class _Flight:
    task: "asyncio.Task[Snapshot]"
    number: int


class Snapshots:
    """Hands out snapshots; a failure never makes a number, it only makes the last one stale.

    A site is read by one call at a time: of two at once, the one that began later may bring the older
    numbers, and a total would fall.
    """

    def __init__(
        self,
        store: BucketStore,
        refresh_base: RefreshBase,
        clock: Clock,
        metrics: HttpMetrics,
        *,
        fresh_seconds: float,
    ) -> None:
        self._store = store
        self._refresh_base = refresh_base
        self._clock = clock
        self._answered = Labelled(metrics.snapshots)
        self._fresh_seconds = fresh_seconds
        self._now = asyncio.get_running_loop().time
        self._kept: dict[str, _Kept] = {}
        self._flights: dict[str, _Flight] = {}
        self._begun = 0

    async def of(self, site: Site, *, anew: bool = False) -> Snapshot:
        """Return the site's numbers.

        Args:
            site: whose numbers.
            anew: they are read after this call, so whatever was recorded before it is in them.

        Raises:
            NumbersUnavailableError: they cannot be read, and never could since this process began.
        """
        before = self._begun if anew else 0
        while True:
            snapshot = self.kept(site, before)
            if snapshot is not None:
                return snapshot
            flight = self._flights.get(site.key) or self._begin(site)
            snapshot = await asyncio.shield(flight.task)
            if flight.number > before:
                return snapshot

    def kept(self, site: Site, before: int = 0) -> Snapshot | None:
        """Return the site's numbers if they are in memory, fresh, and of a later reading than `before`."""
        kept = self._kept.get(site.key)
        if kept is None or kept.number <= before or kept.read_at <= self._now() - self._fresh_seconds:
            return None
        self._answered["memory"].inc()
        return kept.snapshot

    def _begin(self, site: Site) -> _Flight:
        self._begun += 1
        flight = _Flight(asyncio.create_task(self._read(site, self._begun)), self._begun)
        self._flights[site.key] = flight
        flight.task.add_done_callback(_look_at)
        return flight

    async def _read(self, site: Site, number: int) -> Snapshot:
        began_at = self._now()
        try:
            snapshot = await self._read_live(site)
            self._answered["redis"].inc()
        except CounterError as error:
            snapshot = self._last_good(site, error)
        finally:
            del self._flights[site.key]
        self._kept[site.key] = _Kept(snapshot, number, began_at)
        return snapshot

    async def _read_live(self, site: Site) -> Snapshot:
        now_ms = self._clock()
        online_after_ms = now_ms - site.settings.online_window_seconds * 1000
        live = await self._store.read_site(site.key, online_after_ms)
        if live.base is None:
            async with answering_soon():
                await self._refresh_base(site.key)
            live = await self._store.read_site(site.key, online_after_ms)
        return add_up(live, now_ms)

    def _last_good(self, site: Site, error: CounterError) -> Snapshot:
        kept = self._kept.get(site.key)
        if kept is None:
            self._answered["none"].inc()
            raise NumbersUnavailableError from error
        if not kept.snapshot.stale:
            log.warning("numbers are stale", site=site.key, reason=str(error))
        self._answered["stale"].inc()
        return msgspec.structs.replace(kept.snapshot, stale=True)


def _look_at(task: "asyncio.Task[Snapshot]") -> None:
    if not task.cancelled():
        task.exception()  # those who waited may be gone
