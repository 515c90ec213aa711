"""One batch on its way to Redis, and how it counts once even when Redis has lost what it counted.

Redis keeps the last sequence of each worker, so a batch that comes again in the same generation is skipped.
But since it was first sent, a new generation may have begun on data that lack it, although its hits were
rolled up before. Then Postgres tells: each row names the last batch of each worker that is in it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from counter.buckets.batch import Batch
from counter.buckets.keys import LaneKeys
from counter.buckets.store import BucketStore
from counter.errors import BucketsUnavailableError, GenerationEndedError

ATTEMPTS: Final = 3

SiteDay = tuple[int, date]
"""A site's id, and one of its local days."""

FindCounted = Callable[[str, str, str, int, set[SiteDay]], Awaitable[set[SiteDay]]]
"""Takes lane, current generation, worker, sequence and the days of a batch; returns those whose rows have it,
and sees to it that no row read in an earlier generation is written any more.
"""


@dataclass(slots=True)
class Delivery:
    """A batch under its token.

    Attributes:
        sent_in: the generation in which it was sent first, empty if it never was.
        cleared_in: the generation in which it was found out which of its hits Postgres has.
    """

    worker: str
    sequence: int
    batch: Batch
    sent_in: str = ""
    cleared_in: str = field(default="", init=False)


class Deliverer:
    """Counts batches of one lane.

    Args:
        keys: of the lane.
        store: the hot counts.
        find_counted: asks Postgres.
    """

    def __init__(self, keys: LaneKeys, store: BucketStore, find_counted: FindCounted) -> None:
        self._keys = keys
        self._store = store
        self._find_counted = find_counted

    async def deliver(self, delivery: Delivery, note_sent: Callable[[str], None]) -> None:
        """Count a batch, or what is not counted of it.

        Args:
            delivery: the batch; it learns what became of it.
            note_sent: takes the generation in which it is about to be sent for the first time.

        Raises:
            BucketsUnavailableError: the outcome is unknown; deliver it again.
            AggregatesUnavailableError: whether it was counted cannot be found out now; deliver it again.
            BucketsCorruptError: Redis holds what this program did not write.
        """
        for _attempt in range(ATTEMPTS):
            generation = await self._store.known_generation(self._keys)
            if delivery.sent_in not in {"", generation} and await self._was_counted(delivery, generation):
                return
            first = not delivery.sent_in
            if first:
                delivery.sent_in = generation
                note_sent(generation)
            try:
                await self._store.record(
                    self._keys, generation, delivery.worker, delivery.sequence, delivery.batch, expires=True
                )
            except GenerationEndedError:
                if first:
                    delivery.sent_in = ""
            else:
                return
        raise BucketsUnavailableError("generations begin faster than hits can be recorded")

    async def _was_counted(self, delivery: Delivery, generation: str) -> bool:
        """Tell whether all of a batch was counted before the generation began; drop those hits that were."""
        if delivery.cleared_in == generation:
            return False
        if await self._store.last_counted(self._keys, delivery.worker) >= delivery.sequence:
            return True
        counted = await self._find_counted(
            self._keys.lane, generation, delivery.worker, delivery.sequence, delivery.batch.days()
        )
        delivery.batch = delivery.batch.without(counted)
        delivery.cleared_in = generation
        return False
