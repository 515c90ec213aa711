"""What the integration tests share: both stores, empty, and a site to count."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from counter.aggregates.store import AggregateStore
from counter.buckets.connection import generation_name, open_redis
from counter.buckets.keys import LaneKeys
from counter.buckets.store import BucketStore
from counter.database import Connection, connected
from counter.sites.model import Site, SiteSettings
from counter.sites.store import SiteStore

LANE = LaneKeys("0")
_SERIALS = count(1)


class Hot(NamedTuple):
    """The hot store of one test, and the bare client beneath it."""

    store: BucketStore
    redis: Redis


@pytest.fixture
async def hot(redis_url: str) -> AsyncIterator[Hot]:
    """An empty bucket store with one lane."""

    def new_generation() -> str:
        return generation_name(next(_SERIALS))

    async with open_redis(redis_url, timeout_seconds=5, lanes=[LANE], new_generation=new_generation) as redis:
        yield Hot(BucketStore(redis, [LANE], new_generation), redis)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to a fresh, migrated database."""
    async with connected(database_url) as found:
        yield found


@pytest.fixture
def aggregates(connection: Connection) -> AggregateStore:
    """The aggregates of a fresh database."""
    return AggregateStore(connection)


AddSite = Callable[..., object]


@pytest.fixture
def add_site(connection: Connection):
    """A function that registers a site with some settings and returns it."""

    async def add(key: str = "portal", **settings: object) -> Site:
        return await SiteStore(connection).add(key, SiteSettings(**settings))  # type: ignore[arg-type]

    return add
