"""A past for a site: rows as the rollup writes them, without waiting for years."""

from datetime import date

from redis.asyncio import Redis

from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.config import Settings
from counter.database import connected
from counter.sites.model import Site


def row(
    site: Site,
    day: date,
    *,
    views: int = 0,
    visits: int = 0,
    visitors: int = 0,
    bots: int = 0,
    hours: dict[int, tuple[int, int]] | None = None,
    pages: dict[str, int] | None = None,
    generation: str = "past",
    part: int = 1,
) -> Row:
    """One day's aggregate; `hours` gives views and visits of some hours."""
    hour_views = [(hours or {}).get(hour, (0, 0))[0] for hour in range(24)]
    hour_visits = [(hours or {}).get(hour, (0, 0))[1] for hour in range(24)]
    key = RowKey(site.id, day, generation, part, "0")
    return Row(key, views, visits, visitors, bots, hour_views, hour_visits, b"", 1, pages or {}, {})


async def write(settings: Settings, rows: list[Row]) -> None:
    """Write rows as the rollup does; the bases are made anew when they are next asked for."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        await AggregateStore(connection).write(rows)
    async with Redis.from_url(settings.redis_url.get_secret_value()) as client:
        await client.delete(*await client.keys("*:base"), "nothing")
