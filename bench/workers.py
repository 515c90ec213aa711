"""What a hit costs two workers, beside what it costs one; stores and load are on the same two cores.

Each worker has as many connections as the one has: whoever adds workers does so for more load.
"""

from dataclasses import replace
from statistics import median

from bench.cores import cpu_seconds, family
from bench.figures import HIT, Figure, Rounds, all_counted
from bench.load import send
from bench.place import Place

WARM_SECONDS = 2


async def workers(place: Place, rounds: Rounds) -> list[Figure]:
    """Serve with one worker and with two in turns, and compare the time of all processes of the service for a hit.

    One worker is measured before and after two, and the mean taken.
    """
    await place.add_sites(0)
    ratios, raw = [], []
    before = await _cost_us(place, 1, rounds.seconds)
    for _ in range(rounds.number):
        two, after = [await _cost_us(place, number, rounds.seconds) for number in (2, 1)]
        one, before = (before + after) / 2, after
        ratios.append(two / one)
        raw.append(f"{two:.1f}/{one:.1f} µs")
    return [
        Figure(
            f"CPU of a hit, two workers ÷ one, {HIT.connections} connections each",
            median(ratios),
            1.1,
            at_most=True,
            raw=raw,
        )
    ]


async def _cost_us(place: Place, number: int, seconds: float) -> float:
    """Return how long a hit takes all processes of a service with so many workers, in µs."""
    async with place.serving(pinned_to=None, COUNTER_WORKERS=str(number)) as service:
        await send(service.public, HIT, WARM_SECONDS)
        processes, counted = family(service.process.pid), await service.samples()
        load = replace(HIT, connections=number * HIT.connections)
        before = sum(map(cpu_seconds, processes))
        answered = await send(service.public, load, seconds)
        used = sum(map(cpu_seconds, processes)) - before
        all_counted(counted, await service.samples())
    return used / answered.requests * 1e6
