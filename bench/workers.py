"""What a hit costs two workers, beside what it costs one; stores and load are on the same two cores.

Here nobody is kept to a core, as otherwise the one worker would have a core for itself, and one of the two would
share all of its own with the stores and the load. Each worker has as many connections as the one has: whoever adds
workers does so for more load.
"""

from contextlib import AsyncExitStack
from dataclasses import replace
from statistics import median

from bench.cores import cpu_seconds, family
from bench.figures import HIT, Figure, Rounds, all_counted
from bench.load import Load, send
from bench.place import Place, Service, place

WARM_SECONDS = 2
TURN = 2
"""Seconds of a turn: the system counts a process's time in hundredths."""


async def workers(here: Place, rounds: Rounds) -> list[Figure]:
    """Let a service of one worker and one of two take turns, and compare what a hit takes all their processes.

    Each has stores of its own, as whoever rolls up works for both otherwise.
    """
    ratios, raw = [], []
    async with AsyncExitStack() as stack:
        services = []
        for number in (1, 2):
            folder = here.folder / f"workers-{number}"
            folder.mkdir(mode=0o711)
            where = await stack.enter_async_context(place(folder, core=None))
            await where.add_sites(0)
            service = await stack.enter_async_context(
                where.serving(pinned_to=None, COUNTER_WORKERS=str(number))
            )
            load = replace(HIT, connections=number * HIT.connections)
            await send(service.public, load, WARM_SECONDS, core=None)
            services.append((service, load))
        counted = [await service.samples() for service, _load in services]
        for _ in range(rounds.thrice.number * rounds.turns):
            one, two = [await _cost_us(service, load, rounds) for service, load in services]
            ratios.append(two / one)
            raw.append(f"{two:.1f}/{one:.1f} µs")
        for (service, _load), before in zip(services, counted, strict=True):
            all_counted(before, await service.samples())
    name = f"CPU of a hit, two workers ÷ one, {HIT.connections} connections each"
    return [Figure(name, median(ratios), 1.1, at_most=True, raw=raw)]


async def _cost_us(service: Service, load: Load, rounds: Rounds) -> float:
    """Return how long a hit takes all processes of a service, in µs."""
    processes = family(service.process.pid)
    before = sum(map(cpu_seconds, processes))
    answered = await send(service.public, load, TURN * rounds.turn_seconds, core=None)
    return 1e6 * (sum(map(cpu_seconds, processes)) - before) / answered.requests
