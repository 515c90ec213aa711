"""Hits in the order of their times, in batches. Pure."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush, heappushpop
from itertools import islice
from typing import Final

from counter.buckets.batch import Batch, Hit

WINDOW_HITS: Final = 50_000
"""How many hits are held back. A server notes a request when it is answered, so a slow one comes late."""

BATCH_HITS: Final = 1000


def in_order(hits: Iterable[Hit], window: int = WINDOW_HITS) -> Iterator[Hit]:
    """Yield hits by time, the earlier one in the log first among equals.

    One that comes more than `window` hits late stays late.
    """
    held: list[tuple[int, int, Hit]] = []
    for number, hit in enumerate(hits):
        entry = (hit.at_ms, number, hit)
        if len(held) < window:
            heappush(held, entry)
        else:
            yield heappushpop(held, entry)[2]
    while held:
        yield heappop(held)[2]


def batches(hits: Iterable[Hit], size: int = BATCH_HITS) -> Iterator[Batch]:
    """Put hits into batches, the same ones each time."""
    remaining = iter(hits)
    while chunk := list(islice(remaining, size)):
        batch = Batch()
        for hit in chunk:
            batch.add(hit)
        yield batch
