"""Opens all that is kept in Redis, for the service and for commands."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

from counter.buckets.audit import BucketAudit
from counter.buckets.connection import open_servers
from counter.buckets.keys import LaneKeys
from counter.buckets.salts import Salts
from counter.buckets.store import BucketStore, generation_name
from counter.clock import Clock
from counter.config import Settings


class Buckets(NamedTuple):
    """All that is kept in Redis."""

    store: BucketStore
    salts: Salts
    audit: BucketAudit


@asynccontextmanager
async def open_buckets(
    settings: Settings, clock: Clock, known_lanes: int = 0, *, kept: str = ""
) -> AsyncGenerator[Buckets]:
    """Yield what is kept in Redis.

    Args:
        settings: the configuration.
        clock: names generations.
        known_lanes: that may hold something, if these are more than are in use.
        kept: what each lane must be noted to be kept in, see `BucketStore`.
    """
    timeout_seconds = settings.redis_timeout_seconds
    async with open_servers(
        settings.redis_url.get_secret_value(), timeout_seconds=timeout_seconds
    ) as servers:
        store = BucketStore(
            servers,
            [LaneKeys(str(number)) for number in range(max(settings.lanes, known_lanes))],
            lambda: generation_name(clock()),
            used=settings.lanes,
            kept=kept,
            replicas=settings.redis_replicas,
            wait_ms=int(timeout_seconds * 500),  # so the answer comes before the connection's own limit
        )
        yield Buckets(store, Salts(servers, clock), BucketAudit(servers, store.lanes))
