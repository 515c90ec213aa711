"""Redis' part in an import: it makes the HyperLogLogs of the days, and keeps nothing of them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import Final, TypeVar

from counter.buckets.connection import Servers, open_servers
from counter.buckets.keys import LaneKeys
from counter.buckets.stored import check_sketch
from counter.errors import BucketsUnavailableError
from counter.imports.visitors import Seen, Sketch

LANE: Final = LaneKeys("import")
SCRATCH: Final = f"{LANE.prefix}sketch"
AT_ONCE: Final = 5000
PAUSES_SECONDS: Final = (0.1, 0.2, 0.5, 1, 2, 5)

T = TypeVar("T")


class Sketches:
    """The sketches of the days of one log.

    Attributes:
        days: those of days with visitors.
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.days: dict[date, Sketch] = {}

    def of(self, day: date) -> Sketch:
        """Return the sketch of a day, empty if nobody came."""
        return self.days.get(day, Sketch())

    async def add(self, seen: Sequence[Seen]) -> None:
        """Add visitors to the sketches of their days.

        Raises:
            BucketsUnavailableError: Redis does not answer.
            BucketsCorruptError: it answers what is no sketch.
        """
        for day, visitors in seen:
            for first in range(0, len(visitors), AT_ONCE):
                part = visitors[first : first + AT_ONCE]
                self.days[day] = await patiently(partial(self._extended, self.of(day), part))

    async def _extended(self, sketch: Sketch, visitors: Sequence[bytes]) -> Sketch:
        """Return a sketch with more visitors; asking again is harmless, as nothing stays in Redis."""
        async with self._servers.asking(LANE) as redis, redis.pipeline(transaction=True) as pipe:
            pipe.unlink(SCRATCH)
            if sketch.body:
                pipe.set(SCRATCH, sketch.body)
            pipe.pfadd(SCRATCH, *visitors)
            pipe.pfcount(SCRATCH)
            pipe.get(SCRATCH)
            pipe.unlink(SCRATCH)
            *_, count, body, _gone = await pipe.execute()
        return Sketch(count, check_sketch(body))


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
async def open_sketches(url: str, timeout_seconds: float) -> AsyncGenerator[Sketches]:
    """Yield sketches over a connection of their own."""
    async with open_servers(url, timeout_seconds=timeout_seconds) as servers:
        yield Sketches(servers)
