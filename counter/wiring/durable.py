"""What the ways of hits and of the widget ask of Postgres, as functions that know nothing of it."""

from collections.abc import Awaitable, Callable

from counter.aggregates.store import AggregateStore
from counter.buckets.delivery import FindCounted, SiteDay
from counter.clock import Clock
from counter.database import Connection, Pool, acquired
from counter.rollup.rollup import Rollup


def finder(pool: Pool) -> FindCounted:
    """Return what asks which days of a batch Postgres holds."""

    async def find_counted(
        lane: str, generation: str, worker: str, sequence: int, days: set[SiteDay]
    ) -> set[SiteDay]:
        async with acquired(pool) as connection:
            return await AggregateStore(connection).find_counted(lane, generation, worker, sequence, days)

    return find_counted


def refresher(rollup: Rollup, pool: Pool, clock: Clock) -> Callable[[str], Awaitable[object]]:
    """Return what makes the base of a site anew."""

    async def refresh_base(site: str) -> None:
        async with acquired(pool) as connection:
            await rollup.refresh_base(site, AggregateStore(connection), clock())

    return refresh_base


def refresher_over(rollup: Rollup, clock: Clock) -> Callable[[str, Connection], Awaitable[object]]:
    """Return what does the same over a connection that its caller has."""

    async def refresh_base(site: str, connection: Connection) -> None:
        await rollup.refresh_base(site, AggregateStore(connection), clock())

    return refresh_base
