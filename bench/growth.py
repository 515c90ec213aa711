"""Whether hits stay as fast as what there is grows: visitors, and sites."""

from contextlib import AsyncExitStack
from dataclasses import replace

from bench.figures import HIT, Figure, Rounds, all_counted, ratio
from bench.load import send
from bench.place import Place, Service, place

VISITORS = 1_000_000
SITES = 10_000
WHOLE_SECONDS = 3
"""Rounds that are shorter make do with fewer visitors and sites."""


async def growth(here: Place, rounds: Rounds) -> list[Figure]:
    """Hits with 10,000 sites beside one, and then with a million visitors in the window beside a thousand.

    Two services with stores of their own run side by side, and take turns: one grows, the other one follows it
    in what has been compared.
    """
    share = min(1.0, rounds.seconds / WHOLE_SECONDS)
    visitors, sites = round(VISITORS * share), round(SITES * share)
    few, many = replace(HIT, visitors=1000), replace(HIT, visitors=visitors)
    folder = here.folder / "small"
    folder.mkdir(mode=0o711)
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(place(folder))
        for each in (here, there):
            await each.add_sites(0)
        large = await stack.enter_async_context(here.serving())
        small = await stack.enter_async_context(there.serving())
        for service in (large, small):
            await send(service.public, few, 1)
        counted = await large.samples(), await small.samples()

        await _register(here, large, sites)
        with_sites = await ratio(
            f"hits, {sites:,} registered sites ÷ 1",
            (large.public, few),
            (small.public, few),
            rounds.thrice,
            must=0.9,
        )
        await _register(there, small, sites)
        before = await here.redis_bytes()
        await _come(large, visitors, rounds)
        each_visitor = (await here.redis_bytes() - before) / visitors
        await here.rewrite_log()
        crowded = await ratio(
            f"hits, {visitors:,} visitors ÷ 1,000",
            (large.public, many),
            (small.public, few),
            rounds.thrice,
            must=0.9,
        )
        for service, at_first in zip((large, small), counted, strict=True):
            all_counted(at_first, await service.samples())
    return [
        with_sites,
        crowded,
        Figure("bytes of Redis for each visitor in the window", each_visitor, 100, at_most=True),
    ]


async def _register(place: Place, service: Service, sites: int) -> None:
    """Register sites, and wait until the service knows them."""
    await place.add_sites(sites)
    while (await service.samples())["counter_sites", ""] < sites:
        pass


async def _come(service: Service, visitors: int, rounds: Rounds) -> None:
    """Let each visitor come once."""
    sent = 0
    walk = replace(HIT, kind="walk", visitors=visitors)
    while sent < visitors:
        sent += (await send(service.public, replace(walk, first=sent), 3 * rounds.seconds)).requests
