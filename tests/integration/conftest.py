"""What the integration tests share: both stores, empty, and a site to count."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from itertools import count
from typing import NamedTuple

import pytest
import redis.asyncio as redis

from counter.aggregates.store import AggregateStore
from counter.buckets.batch import Batch
from counter.buckets.connection import Servers, open_servers
from counter.buckets.keys import LaneKeys
from counter.buckets.store import BucketStore, generation_name
from counter.database import Connection, connected
from counter.sites.model import Site, SiteSettings
from counter.sites.store import SiteStore

LANE = LaneKeys("0")
_SERIALS = count(1)


class Hot(NamedTuple):
    """The hot store of one test, and the bare client beneath it."""

    store: BucketStore
    redis: redis.Redis
    servers: Servers

    async def record(self, worker: str, sequence: int, batch: Batch) -> int:
        """Count a batch in the current generation."""
        generation = await self.store.generation(LANE)
        return await self.store.record(LANE, generation, worker, sequence, batch, expires=True)


@pytest.fixture
async def hot(redis_url: str) -> AsyncIterator[Hot]:
    """An empty bucket store with one lane."""

    def new_generation() -> str:
        return generation_name(next(_SERIALS))

    async with (
        open_servers(redis_url, timeout_seconds=5) as servers,
        redis.from_url(redis_url, protocol=2) as client,
    ):
        yield Hot(BucketStore(servers, [LANE], new_generation), client, servers)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to a fresh, migrated database."""
    async with connected(database_url) as found:
        yield found


@pytest.fixture
def aggregates(connection: Connection) -> AggregateStore:
    """The aggregates of a fresh database."""
    return AggregateStore(connection)


async def nothing_counted(*_batch: object) -> set[tuple[int, date]]:
    """Answer as an empty Postgres does when it is asked for a batch in doubt."""
    return set()


AddSite = Callable[..., Awaitable[Site]]


@pytest.fixture
def add_site(connection: Connection):
    """A function that registers a site with some settings and returns it."""

    async def add(key: str = "portal", **settings: object) -> Site:
        return await SiteStore(connection).add(key, SiteSettings(**settings))  # type: ignore[arg-type]

    return add
