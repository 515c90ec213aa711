"""The way of hits: lanes with their spools, and the limits at the gate."""

from functools import partial

from counter.admin.health import SpoolPlace
from counter.buckets.delivery import FindCounted
from counter.buckets.keys import LaneKeys
from counter.buckets.lane import Lane, new_worker
from counter.buckets.spool import Spool, spool_folder
from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.config import Settings
from counter.hits.limits import Rates
from counter.metrics import Metrics
from counter.sites.registry import SiteRegistry
from counter.steps import Passing
from counter.tracing.tracing import Tracing
from counter.wiring.traced import TracedLane, passing_events


def make_lanes(  # noqa: PLR0917 - all that lanes are made of
    settings: Settings,
    store: BucketStore,
    sites: SiteRegistry,
    find_counted: FindCounted,
    metrics: Metrics,
    clock: Clock,
    passing: Passing,
    tracing: Tracing | None = None,
) -> dict[str, Lane]:
    """Return a lane for each one of the store, under a worker's name that nobody else has or had.

    Raises:
        ConfigError: the folder of a spool cannot be made or written.
    """
    worker = new_worker()
    lane_of = partial(TracedLane, tracing) if tracing else Lane
    passing = passing_events(tracing, passing) if tracing else passing

    def make_lane(keys: LaneKeys) -> Lane:
        folder = spool_folder(settings.spool_dir, keys.lane) if settings.spool_mb else None
        spool = Spool(folder, worker, metrics.spool, passing, max_bytes=settings.spool_mb * 1024 * 1024)
        metrics.spool.bytes.labels(keys.lane).set_function(spool.waiting_bytes)
        metrics.spool.oldest_seconds.labels(keys.lane).set_function(
            lambda: (clock() - (spool.oldest_ms() or clock())) / 1000
        )
        return lane_of(
            keys,
            store,
            spool,
            worker,
            sites.known,
            find_counted,
            (metrics.recorder, metrics.spool),
            passing,
            batch_hits=settings.batch_hits,
            patience_seconds=settings.patience_seconds,
        )

    return {keys.lane: make_lane(keys) for keys in store.lanes}


def spool_place(settings: Settings) -> SpoolPlace | None:
    """Return where the spool is, None if there is none."""
    return SpoolPlace(settings.spool_dir, settings.spool_mb * 1024 * 1024) if settings.spool_mb else None


def rates(settings: Settings) -> Rates:
    """Return what the gate lets through."""
    return Rates(
        address_per_second=settings.address_hits_per_second,
        network_per_second=settings.network_hits_per_second,
        site_per_second=settings.site_hits_per_second,
        new_visitors_per_minute=settings.new_visitors_per_minute,
    )
