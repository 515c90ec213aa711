"""Records hits: they gather while the batch before them is in flight, go together, and are counted once."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from counter.background import end
from counter.buckets.batch import Hit
from counter.buckets.lane import Lane, Outcome, Tell
from counter.buckets.store import BucketStore
from counter.errors import BusyError

TAKE_OVER_SECONDS: Final = 2.0
"""How often the spools of processes that are gone are looked for."""


class Recorder:
    """Takes hits and returns when Redis, or the disk, has them.

    Args:
        store: tells the lane of a site.
        lanes: by name.
        waiting_hits: that may wait in a lane before further ones are refused.
    """

    def __init__(self, store: BucketStore, lanes: Mapping[str, Lane], *, waiting_hits: int) -> None:
        self._store = store
        self._lanes = lanes
        self._waiting_hits = waiting_hits

    async def record(self, hit: Hit) -> Outcome:
        """Count one hit; on return it cannot be lost.

        Raises:
            BusyError: it was not acknowledged: neither Redis nor the spool can take it, or too many wait.
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.take(hit, partial(_settle, outcome))
        return await outcome

    def take(self, hit: Hit, tell: Tell) -> None:
        """Count one hit; `tell` is called later, with who has it or why nobody does.

        Raises:
            BusyError: too many wait.
        """
        lane = self._lanes[self._store.lane_of(hit.site.key).lane]
        if lane.waiting_hits >= self._waiting_hits:
            raise BusyError("too many hits wait for Redis")
        lane.take(hit, tell)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Replay what processes that are gone have left; on leaving, finish what was taken."""
        await self._take_over()
        keeper = asyncio.create_task(self._keep_taking_over(), name="spool take-over")
        try:
            yield
        finally:
            await end(keeper)
            await asyncio.gather(*(lane.close() for lane in self._lanes.values()))

    async def _take_over(self) -> None:
        await asyncio.gather(*(lane.take_over() for lane in self._lanes.values()))

    async def _keep_taking_over(self) -> None:
        while True:
            await asyncio.sleep(TAKE_OVER_SECONDS)
            await self._take_over()


def _settle(outcome: asyncio.Future[Outcome], told: Outcome | BusyError) -> None:
    if outcome.done():  # its client has gone
        return
    if isinstance(told, BusyError):
        outcome.set_exception(told)
    else:
        outcome.set_result(told)
