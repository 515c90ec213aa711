"""Redis' part in an import: a lane for one file alone, which lasts until its rows are in Postgres.

The lane remembers how far it got, so an import that was cut short goes on there when it is run again. It
needs about 13 kB for each day of the log and 100 B for each page of a day.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

from counter.buckets.batch import Batch
from counter.buckets.connection import Servers, open_servers
from counter.buckets.store import BucketStore
from counter.buckets.stored import StoredBucket
from counter.errors import BucketsUnavailableError, ImportFileError
from counter.imports.plan import Plan

WORKER: Final = "import"
PAUSES_SECONDS: Final = (0.1, 0.2, 0.5, 1, 2, 5)
BUCKETS_AT_ONCE: Final = 8
LOST: Final = "Redis lost part of this import; run the same command again"

T = TypeVar("T")


class ImportLane:
    """Counts batches numbered 1, 2, 3, …, each once, however often the import is run."""

    def __init__(self, servers: Servers, store: BucketStore, plan: Plan) -> None:
        self.store = store
        self._servers = servers
        self._plan = plan
        self._keys = plan.lane

    async def begin(self) -> None:
        """Go on where this import stopped; start anew if Redis holds anything but its beginning.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        generation = await self.store.generation(self._keys)
        (index,) = await self.store.read_indexes(self._keys, [self._plan.site.key])
        begun = await self.store.last_counted(self._keys, WORKER)
        same = {generation, *(name.generation for name in index.names)} == {self._plan.attempt}
        if not same or bool(index.names) != bool(begun):
            await self.clear()
            await self.store.generation(self._keys)

    async def send(self, sequence: int, batch: Batch) -> None:
        """Count a batch unless it is counted already.

        Raises:
            BucketsUnavailableError: Redis does not answer; run the import again to go on.
            ImportFileError: Redis lost earlier batches.
        """

        async def record() -> int:
            generation = await self.store.known_generation(self._keys)
            return await self.store.record(self._keys, generation, WORKER, sequence, batch, expires=False)

        before = await patiently(record)
        if before < sequence - 1:
            raise ImportFileError(LOST)

    async def buckets(self) -> AsyncGenerator[list[StoredBucket]]:
        """Yield all days, a few at a time, under the names that their rows shall have."""
        (index,) = await self.store.read_indexes(self._keys, [self._plan.site.key])
        for first in range(0, len(index.names), BUCKETS_AT_ONCE):
            names = index.names[first : first + BUCKETS_AT_ONCE]
            generation = self._plan.attempt
            stored = await patiently(partial(self.store.read_buckets, self._keys, generation, names))
            yield [
                bucket._replace(part=0, name=bucket.name._replace(generation=self._plan.generation))
                for bucket in stored
            ]

    async def clear(self) -> None:
        """Remove the lane; the token first, as nothing may be skipped that is no longer there."""
        (index,) = await self.store.read_indexes(self._keys, [self._plan.site.key])
        async with self._servers.asking(self._keys) as redis:
            await redis.unlink(self._keys.token(WORKER))
        await self.store.discard(self._keys, self._plan.site.key, index.names)
        async with self._servers.asking(self._keys) as redis:
            await redis.unlink(self._keys.generation, self._keys.parts)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that may be made again; do so for some seconds while Redis does not answer.

    Raises:
        BucketsUnavailableError: it still does not.
    """
    for pause in PAUSES_SECONDS:
        try:
            return await call()
        except BucketsUnavailableError:
            await asyncio.sleep(pause)
    return await call()


@asynccontextmanager
async def open_lane(url: str, timeout_seconds: float, plan: Plan) -> AsyncGenerator[ImportLane]:
    """Yield the lane of an import over a connection of its own."""
    async with open_servers(url, timeout_seconds=timeout_seconds) as servers:
        yield ImportLane(servers, BucketStore(servers, [plan.lane], lambda: plan.attempt), plan)
