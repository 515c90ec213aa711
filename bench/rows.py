"""`python -m bench.rows`: measures what a visitor, a site and a page cost in Redis and in Postgres; a line of JSON for each."""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

import asyncpg
from redis.asyncio import Redis

from bench.place import Place, place

VISITORS: Final = (10, 100, 1_000, 10_000)
DAYS: Final = 1_000
PAGES: Final = 20_000
PAGE_DAYS: Final = 20

ADD_DAYS: Final = """
insert into aggregates (
    site_id, day, lane, generation, part, views, visits, visitors, bots, hour_views, hour_visits, hyperloglog, version, tokens
)
select id, date '2020-01-01' + day, '0', '0123456789abcdef', day, 3 * $1, $1, $1, 9, array_fill((3 * $1 / 24)::bigint, array[24]),
    array_fill(($1 / 24)::bigint, array[24]), $2, 1000, '{"0123456789abcdef": 123456}'
from sites, generate_series(1, $3) as day where key = 'bench'
"""
ADD_PAGES: Final = """
insert into pages (site_id, path)
select id, '/tin-tuc/bai-viet-' || page from sites, generate_series(1, $1) as page where key = 'bench'
"""
ADD_PAGE_DAYS: Final = """
insert into page_aggregates (page_id, day, lane, generation, part, views)
select id, date '2020-01-01' + day, '0', '0123456789abcdef', day, 7 from generate_series(1, $1) as day, pages
"""


async def measure_redis(here: Place) -> None:
    """Print bytes of an entry of each kind of key, which are filled as `record.lua` fills them."""
    now_ms, entries = 1_764_000_000_000, 10_000
    async with Redis.from_url(here.valkey.url) as redis:
        for entry in range(entries):
            page = f"/tin-tuc/bai-viet-{entry}"
            await redis.zadd("seen", {os.urandom(8): now_ms + entry})
            await redis.hincrby("pages", page, 1)
            await redis.sadd("changed", page)
        for key in ("seen", "pages", "changed"):
            size = await redis.memory_usage(key, samples=0)
            print(
                json.dumps({"name": f"Redis {key}", "redis_bytes": round((size or 0) / entries)}), flush=True
            )


async def measure(here: Place) -> None:
    """Print bytes for each row, its indexes included."""
    connection = await asyncpg.connect(here.postgres.url)
    try:
        async with Redis.from_url(here.valkey.url) as redis:
            for visitors in VISITORS:
                await redis.delete("sketch")
                for _ in range(visitors):
                    await redis.pfadd("sketch", os.urandom(8))
                sketch = bytes(await redis.get("sketch") or b"")
                await connection.execute("truncate aggregates")
                await connection.execute(ADD_DAYS, visitors, sketch, DAYS)
                size = await connection.fetchval("select pg_total_relation_size('aggregates')")
                found = {
                    "name": "day of a site",
                    "visitors": visitors,
                    "sketch": len(sketch),
                    "row": size // DAYS,
                }
                print(json.dumps(found), flush=True)
        await connection.execute(ADD_PAGES, PAGES)
        await connection.execute(ADD_PAGE_DAYS, PAGE_DAYS)
        for table, rows in (("pages", PAGES), ("page_aggregates", PAGES * PAGE_DAYS)):
            size = await connection.fetchval("select pg_total_relation_size($1::text::regclass)", table)
            print(json.dumps({"name": table, "row": size // rows}), flush=True)
    finally:
        await connection.close()


async def main() -> None:
    """Measure in stores of our own."""
    with tempfile.TemporaryDirectory(prefix="counter-rows-") as folder:
        Path(folder).chmod(0o711)
        async with place(Path(folder)) as here:
            await here.add_sites(0)
            await measure_redis(here)
            await measure(here)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
