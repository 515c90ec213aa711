"""Which core is a worker's own: with as many workers as cores, each keeps to one, whose caches know it."""

import os
from collections.abc import Collection


def own_core(number: int, workers: int, cores: Collection[int]) -> int | None:
    """Return the core that a worker keeps to, None if there are more cores than workers, or fewer.

    Args:
        number: of the worker, from 1.
        workers: that there are.
        cores: that they may use.
    """
    return sorted(cores)[number - 1] if len(cores) == workers else None


def keep_to_own_core(number: int, workers: int) -> None:
    """Keep this process to its core, if it has one and the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        return
    core = own_core(number, workers, os.sched_getaffinity(0))
    if core is not None:
        os.sched_setaffinity(0, {core})
