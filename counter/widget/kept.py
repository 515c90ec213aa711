"""Answers that cost a query: read once for all who wait, fresh for some seconds, then the last known good."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import structlog

from counter.errors import CounterError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

log = structlog.get_logger(__name__)


class Found(NamedTuple, Generic[V]):
    """An answer, and whether it could not be read anew."""

    value: V
    stale: bool


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    read_at: float
    weight: int


class Kept(Generic[K, V]):
    """Keeps answers in bounded memory.

    Args:
        fresh_seconds: how long an answer is given again without a look.
        weigh: what an answer takes of the room.
        room: how much is kept; what was read longest ago goes first.
        readers: how many answers are read at once, so that statistics never take all connections.
    """

    def __init__(
        self, *, fresh_seconds: float, weigh: Callable[[V], int], room: int, readers: asyncio.Semaphore
    ) -> None:
        self._fresh_seconds = fresh_seconds
        self._weigh = weigh
        self._room = room
        self._readers = readers
        self._entries: dict[K, _Entry[V]] = {}
        self._weight = 0
        self._flights: dict[K, asyncio.Task[Found[V]]] = {}

    async def of(self, key: K, read: Callable[[], Awaitable[V]]) -> Found[V]:
        """Return the answer to `key`, read by `read` unless there is a fresh one.

        Raises:
            CounterError: what `read` raised, where no answer was ever read.
        """
        entry = self._entries.get(key)
        if entry and entry.read_at > _now() - self._fresh_seconds:
            return Found(entry.value, stale=False)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._read(key, read))
            flight.add_done_callback(lambda task: self._land(key, task))
        return await asyncio.shield(flight)

    def _land(self, key: K, task: "asyncio.Task[Found[V]]") -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # those who waited may be gone

    async def _read(self, key: K, read: Callable[[], Awaitable[V]]) -> Found[V]:
        began_at = _now()
        try:
            async with self._readers:
                value = await read()
        except CounterError as error:
            entry = self._entries.get(key)
            if entry is None:
                raise
            log.warning("statistics are stale", reason=str(error))
            return Found(entry.value, stale=True)
        self._keep(key, _Entry(value, began_at, 1 + self._weigh(value)))
        return Found(value, stale=False)

    def _keep(self, key: K, entry: _Entry[V]) -> None:
        before = self._entries.pop(key, None)
        self._entries[key] = entry
        self._weight += entry.weight - (before.weight if before else 0)
        while self._weight > self._room and len(self._entries) > 1:
            oldest = next(iter(self._entries))
            self._weight -= self._entries.pop(oldest).weight


def _now() -> float:
    return asyncio.get_running_loop().time()
