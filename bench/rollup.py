"""The rollup of many sites, and what hits feel of it.

The bench holds the lease of the rollup while it makes all sites dirty; then the service may have it, and rolls up
again and again, almost without a pause, while hits go on. Hits are measured in turns: while the service has the lease,
and rolls up what there is, and before and after that, while the bench has it, and nobody does.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from statistics import median
from typing import NamedTuple, Self

from redis.asyncio import Redis

from bench.figures import HIT, Figure, Rounds, all_counted
from bench.load import Load, send
from bench.place import Place, Service
from counter.buckets.keys import LaneKeys
from counter.database import connected, read_query
from counter.rollup.loop import LEASE_KEY

SITES = 10_000
PAGES = 5
"""That each site has. They are known before, as the pages of a site that is older than a day are."""
PAUSE_SECONDS = 0.05
"""Between two rollups: ten seconds as it comes, but here hits are measured while one goes on."""
LEAST_SECONDS = 6
"""Of each side, so that a rollup ends while hits go on."""
TURNS = 4
"""Of hits beside rollups in a round: a single one may be a tenth beside the median."""
WALK_SECONDS = 2
DONE_SECONDS = 60
LOOK_SECONDS = 0.01
NAME_PAGES = """
    insert into pages (site_id, path)
    select sites.id, '/tin-tuc/bai-viet-' || number from sites cross join generate_series(1, $1::integer) as number
"""
END_LEADER = (
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'counter rollup'"
)


class Rolled(NamedTuple):
    """What a service has rolled up so far: buckets, and the seconds that this took."""

    buckets: float
    seconds: float

    @classmethod
    async def by(cls, service: Service) -> Self:
        """Ask a service."""
        samples = await service.samples()
        return cls(
            samples.get(("counter_rollup_rows_total", "aggregates"), 0.0),
            samples["counter_rollup_seconds_sum", ""],
        )


async def rollup(place: Place, rounds: Rounds) -> list[Figure]:
    """How long ten thousand dirty sites take, without hits and beside as many as there can be; and these hits."""
    await place.add_sites(SITES)
    async with connected(place.postgres.url) as connection:
        await connection.execute(NAME_PAGES, PAGES)
        await connection.execute("analyze")
    load = replace(HIT, sites=SITES, pages=PAGES)
    seconds = max(LEAST_SECONDS, rounds.seconds)
    alone, beside, hits, raw = [], [], [], []
    async with place.serving(COUNTER_ROLLUP_SECONDS=str(PAUSE_SECONDS)) as service:
        for _ in range(rounds.enough):
            async with _lease_held(place):
                await _make_dirty(service, load)
                before = await Rolled.by(service)
            alone.append(await _took(place, service, before))
            async with _lease_held(place):
                await _make_dirty(service, load)
                await place.rewrite_log()
                counts = await service.samples()
                first = (await send(service.public, load, seconds)).per_second
                before = await Rolled.by(service)
            for _ in range(TURNS):
                during = (await send(service.public, load, seconds)).per_second
                beside.append(await _took(place, service, before))
                async with _lease_held(place):
                    await _make_dirty(service, load)
                    last = (await send(service.public, load, seconds)).per_second
                    before = await Rolled.by(service)
                without, first = (first + last) / 2, last
                hits.append(during / without)
                raw.append(f"{during:.0f}/{without:.0f}")
            all_counted(counts, await service.samples())
    return [
        _seconds(f"s for the rollup of {SITES:,} dirty sites", alone),
        _seconds("the same beside as many hits as there can be", beside),
        Figure("hits during rollups ÷ without", median(hits), 0.85, raw=raw),
    ]


@asynccontextmanager
async def _lease_held(place: Place) -> AsyncGenerator[None]:
    """Let the service roll up nothing within: end the connection that it does this with, and take the lease."""
    async with connected(place.postgres.url, "counter bench") as connection:
        async with asyncio.timeout(DONE_SECONDS):
            while not await connection.fetchval(read_query("rollup.try_lease"), LEASE_KEY):
                await connection.execute(END_LEADER)
        yield


async def _make_dirty(service: Service, load: Load) -> None:
    """Let each site have a hit."""
    sent, walk = 0, replace(load, kind="walk")
    while sent < SITES:
        sent += (await send(service.public, replace(walk, first=sent), WALK_SECONDS)).requests


async def _took(place: Place, service: Service, before: Rolled) -> float:
    """Wait until nothing is left to roll up, and return the seconds that so many sites took.

    Redis is asked for that, as a scrape of ten thousand sites would take the worker longer than what it looks for.
    """
    async with Redis.from_url(place.valkey.url) as redis, asyncio.timeout(DONE_SECONDS):
        while await redis.scard(LaneKeys("0").dirty):  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_SECONDS)
        while (now := await Rolled.by(service)).buckets - before.buckets < SITES:
            pass
    return (now.seconds - before.seconds) / (now.buckets - before.buckets) * SITES


def _seconds(name: str, measured: list[float]) -> Figure:
    raw = [f"{seconds:.2f}" for seconds in measured]
    return Figure(name, median(measured), 5, at_most=True, raw=raw)
