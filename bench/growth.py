"""Whether hits stay as fast as what there is grows: visitors, and sites."""

from dataclasses import replace
from statistics import median

from bench.figures import BARE_HIT, HIT, Figure, Rounds, both, in_turns
from bench.load import Load, send
from bench.place import Place, Service

VISITORS = 1_000_000
SITES = 10_000
WHOLE_SECONDS = 3
"""Rounds that are shorter make do with fewer visitors and sites."""


async def growth(place: Place, rounds: Rounds) -> list[Figure]:
    """Hits with 10,000 sites beside one, and then with a million visitors in the window beside a thousand.

    What was cannot be had back, so each state is measured beside the bare handler, and compared with the one before.
    """
    share = min(1.0, rounds.seconds / WHOLE_SECONDS)
    visitors, sites = round(VISITORS * share), round(SITES * share)
    await place.add_sites(0)
    few = replace(HIT, visitors=1000)
    async with both(place) as (service, bare):
        at_first = await _beside(service, few, bare, rounds)
        await place.add_sites(sites)
        while (await service.samples())["counter_sites", ""] < sites:
            pass
        with_sites = await _beside(service, few, bare, rounds)
        before = await place.redis_bytes()
        await _come(service, visitors, rounds)
        each = (await place.redis_bytes() - before) / visitors
        await place.rewrite_log()
        crowded = await _beside(service, replace(HIT, visitors=visitors), bare, rounds)
    return [
        _compare(f"hits, {sites:,} registered sites ÷ 1", with_sites, at_first),
        _compare(f"hits, {visitors:,} visitors ÷ 1,000", crowded, with_sites),
        Figure("bytes of Redis for each visitor in the window", each, 100, at_most=True),
    ]


async def _beside(service: Service, load: Load, bare: str, rounds: Rounds) -> list[float]:
    """Return what each round answered in a second, as a share of what the bare handler did."""
    return [own / theirs for own, theirs in await in_turns((service.public, load), (bare, BARE_HIT), rounds)]


async def _come(service: Service, visitors: int, rounds: Rounds) -> None:
    """Let each visitor come once."""
    sent = 0
    walk = replace(HIT, kind="walk", visitors=visitors)
    while sent < visitors:
        sent += (await send(service.public, replace(walk, first=sent), 3 * rounds.seconds)).requests


def _compare(name: str, now: list[float], before: list[float]) -> Figure:
    raw = [f"{one:.2f}/{other:.2f}" for one, other in zip(now, before, strict=True)]
    return Figure(name, median(now) / median(before), 0.9, raw=raw)
